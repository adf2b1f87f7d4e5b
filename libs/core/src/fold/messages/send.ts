/**
 * Sends a message to another partition, or to this one: a row of the outbox, in the same batch of state as what it follows from.
 *
 * 1. Numbers are dense for each receiver, from 1, and the same whenever the log is folded again (I12).
 * 2. A row stays until a folded command says that the receiver's log has it: sending may be repeated, and no death loses one.
 */
import {
  MessageMarkRecordSchema,
  OutboxRecordSchema,
  type PartitionMessage,
  PartitionMessageSchema,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { OUTBOX_MESSAGES_MAX } from "../../limits.js";
import { partitionOf } from "../../names.js";
import { outboxKey, sentMarkKey } from "../../state/tables.js";
import type { FoldContext } from "../context.js";

/** To the partition that a run id belongs to. */
export function sendToRun(ctx: FoldContext, runId: string, kind: PartitionMessage["kind"]): void {
  sendMessage(ctx, partitionOf(runId, ctx.partitions), { kind });
}

/** To the partition that a schedule belongs to. */
export function sendToSchedule(ctx: FoldContext, name: string, kind: PartitionMessage["kind"]): void {
  sendMessage(ctx, partitionOf(name, ctx.partitions), { kind });
}

/** `to`: a partition's number, below `ctx.partitions`. */
export function sendMessage(ctx: FoldContext, to: number, message: Init<PartitionMessage>): void {
  if (!(to >= 0 && to < ctx.partitions)) throw new Error(`there is no partition ${to} to send a message to`);
  const key = sentMarkKey(to);
  const mark = ctx.view.get(key) ?? init(MessageMarkRecordSchema);
  mark.n += 1n;
  ctx.view.put(key, mark);
  ctx.view.put(
    outboxKey(to, mark.n),
    init(OutboxRecordSchema, { message: init(PartitionMessageSchema, message) }),
  );
  ctx.emit({ kind: "messages", to });
}

/** Whether another request may go there; to be asked before one that can be refused. Answers to requests are sent always. */
export function hasRoomFor(ctx: FoldContext, runId: string): boolean {
  const mark = ctx.view.get(sentMarkKey(partitionOf(runId, ctx.partitions)));
  return mark === undefined || mark.n - mark.delivered < BigInt(OUTBOX_MESSAGES_MAX);
}
