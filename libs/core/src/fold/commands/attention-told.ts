/**
 * AttentionTold: the owner has published what a person should look at, up to a sequence.
 *
 * 1. The mark never goes back, and never to what is not in the log yet.
 */
import { type AttentionTold, type Command, type Outcome, RejectCode } from "@holdfast/proto";
import type { FoldContext } from "../context.js";

export function attentionTold(ctx: FoldContext, command: Command, { upToSeq }: AttentionTold): Outcome {
  if (upToSeq > BigInt(ctx.seq))
    return ctx.reject(
      command,
      RejectCode.MALFORMED,
      `what needs a person can't be told up to ${upToSeq}: the log is at ${ctx.seq}`,
    );
  if (upToSeq > ctx.applied.attentionToldSeq) ctx.applied.attentionToldSeq = upToSeq;
  return ctx.accept(command, {});
}
