/**
 * DeliverMessages: what another partition's fold has to say. Anybody may bring it, as often as they like.
 *
 * 1. A message is applied once, in its sender's order: the last number of each sender is kept (I12).
 * 2. Before a gap nothing is applied; the sender has what is missing, and sends again.
 * 3. A log that was made later than now, or that has lost more than a log can hold, is nobody's: believed, it would shut out its partition for good.
 * 4. What the sender knows to have been stored here, and is not, this log has lost: it can't be had again. That is said, and it
 *    goes on: held up for ever, all later messages would be lost as well.
 */
import {
  type Command,
  type DeliverMessages,
  MessageMarkRecordSchema,
  type PartitionMessage,
  RejectCode,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { CLOCK_SKEW_NS, MESSAGES_A_COMMAND_MAX } from "../../limits.js";
import { receivedMarkKey } from "../../state/tables.js";
import type { FoldContext } from "../context.js";
import { applyMessage } from "../messages/messages.js";

export function deliverMessages(ctx: FoldContext, command: Command, delivery: DeliverMessages): void {
  const { from, incarnation, firstN, stored, messages } = delivery;
  const wrong = malformed(ctx, delivery);
  if (wrong !== undefined) {
    ctx.reject(command, RejectCode.MALFORMED, `messages can't be taken: ${wrong}`);
    return;
  }
  const key = receivedMarkKey(from);
  const mark = ctx.view.get(key) ?? init(MessageMarkRecordSchema);
  if (incarnation < mark.incarnation) {
    const message = `messages of a log of partition ${from} that was made anew since: they are not taken`;
    ctx.reject(command, RejectCode.STALE_SENDER, message);
    return;
  }
  const known = incarnation > mark.incarnation ? 0n : mark.n;
  const passed = stored > known ? stored : known;
  if (firstN > passed + 1n) {
    const message = `messages of partition ${from} begin at ${firstN}, and ${passed + 1n} is the next: send from there`;
    ctx.emit({ kind: "message-trouble", from, lost: 0n, message });
    ctx.reject(command, RejectCode.MESSAGE_GAP, message);
    return;
  }
  if (passed > known) {
    const message = `messages ${known + 1n} to ${passed} of partition ${from} were stored in this log once, and are not in it any more`;
    ctx.emit({ kind: "message-trouble", from, lost: passed - known, message });
  }
  const last = firstN + BigInt(messages.length) - 1n;
  mark.incarnation = incarnation;
  mark.n = last > passed ? last : passed;
  ctx.view.put(key, mark);
  for (let at = Number(passed + 1n - firstN); at < messages.length; at++) {
    if (applyMessage(ctx, messages[at] as PartitionMessage)) continue;
    const message = `message ${firstN + BigInt(at)} of partition ${from} is of a kind that this version does not know`;
    ctx.emit({ kind: "message-trouble", from, lost: 1n, message });
  }
  ctx.accept(command, {});
}

function malformed(
  ctx: FoldContext,
  { from, incarnation, firstN, stored, messages }: DeliverMessages,
): string | undefined {
  if (from >= ctx.partitions) return `there is no partition ${from}`;
  if (messages.length === 0 || messages.length > MESSAGES_A_COMMAND_MAX)
    return `${messages.length} at once, where 1 to ${MESSAGES_A_COMMAND_MAX} are allowed`;
  if (firstN === 0n) return "their numbers begin at 1";
  if (stored >= firstN) return `numbers up to ${stored} are said to be stored, but they begin at ${firstN}`;
  if (incarnation > ctx.atNs + CLOCK_SKEW_NS)
    return "the log they are from is said to be made later than now";
  if (stored > STORED_MAX) return `numbers up to ${stored} are said to be stored: no log has held so many`;
  if (firstN + BigInt(messages.length) > U64_MAX) return `there are no such numbers as ${firstN}`;
  return undefined;
}

/** What a thousand messages a second between two partitions come to in 34 years. */
const STORED_MAX = 1n << 40n;
const U64_MAX = 0xffff_ffff_ffff_ffffn;
