/** MessagesDelivered: the receiver's log has messages of this partition, so they are kept no longer. Bounded; the rest by another. */
import { type Command, type MessagesDelivered, RejectCode } from "@holdfast/proto";
import { MESSAGES_A_COMMAND_MAX } from "../../limits.js";
import { outboxKey, sentMarkKey } from "../../state/tables.js";
import type { FoldContext } from "../context.js";

export function messagesDelivered(ctx: FoldContext, command: Command, { to, upTo }: MessagesDelivered): void {
  const mark = to < ctx.partitions ? ctx.view.get(sentMarkKey(to)) : undefined;
  if (mark === undefined || upTo > mark.n) {
    ctx.reject(
      command,
      RejectCode.MALFORMED,
      `message ${upTo} to partition ${to} was never sent: the last one is ${mark?.n ?? 0n}`,
    );
    return;
  }
  const limit = mark.delivered + BigInt(MESSAGES_A_COMMAND_MAX);
  const end = upTo < limit ? upTo : limit;
  if (end > mark.delivered) {
    for (let n = mark.delivered + 1n; n <= end; n++) ctx.view.del(outboxKey(to, n));
    mark.delivered = end;
    ctx.view.put(sentMarkKey(to), mark);
  }
  ctx.accept(command, {});
}
