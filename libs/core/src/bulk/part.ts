/** What a partition tells of its part in a bulk operation: how far it has come, and how the runs that it set off have ended. */
import {
  BulkEndsSchema,
  type BulkEnds,
  type BulkPart,
  BulkPartSchema,
  BulkPhase,
  BulkReportedSchema,
  type BulkResult,
  type BulkShareRecord,
  RunStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { Actor } from "../actor/actor.js";
import type { FoldContext } from "../fold/context.js";
import { sendToRun } from "../fold/messages/send.js";
import { itemTotals } from "../resolve.js";
import { bulkShareKey } from "../state/tables.js";

export function partOf(share: Pick<BulkShareRecord, "part">): BulkPart {
  share.part ??= init(BulkPartSchema);
  return share.part;
}

export const allEnds = (ends: BulkEnds | undefined): number =>
  ends === undefined ? 0 : Number(ends.completed + ends.completedWithFailures + ends.failed + ends.cancelled);

/** Set off by the operation, and not ended since. */
export const outstandingOf = ({ setOff, ends }: BulkPart): number => setOff - allEnds(ends);

export function reportPart(
  ctx: FoldContext,
  operationId: string,
  share: BulkShareRecord,
  results: readonly BulkResult[] = [],
): void {
  const { ends, ...part } = partOf(share);
  // A copy: the record goes on changing.
  const told = init(BulkPartSchema, { ...part, ends: ends && init(BulkEndsSchema, ends) });
  const value = init(BulkReportedSchema, {
    operationId,
    partition: ctx.applied.partition,
    part: told,
    results: [...results],
  });
  sendToRun(ctx, operationId, { case: "bulkReported", value });
}

/** A run that an operation set off has ended for good, or is about to be set off by another one. */
export function bulkRunEnded({ ctx, run }: Actor): void {
  const operationId = run.bulkOperation;
  const failedBefore = run.bulkFailedItems;
  run.bulkOperation = "";
  run.bulkFailedItems = 0;
  const share = ctx.view.get(bulkShareKey(operationId));
  if (share === undefined) return;
  const part = partOf(share);
  part.ends ??= init(BulkEndsSchema);
  const { ends } = part;
  if (run.status === RunStatus.COMPLETED) ends.completed += 1n;
  else if (run.status === RunStatus.COMPLETED_WITH_FAILURES) {
    ends.completedWithFailures += 1n;
    if ((itemTotals(run)?.failed ?? 0) >= failedBefore && failedBefore > 0) ends.noBetter += 1n;
  } else if (run.status === RunStatus.CANCELLED) {
    ends.cancelled += 1n;
    ends.noBetter += 1n;
  } else {
    ends.failed += 1n;
    ends.noBetter += 1n;
  }
  ctx.view.put(bulkShareKey(operationId), share);
  // Told once all have ended that it came to so far: that is what a next wave waits for. One that was ended early comes to no more.
  const isAll = part.handled >= share.granted || share.phase === BulkPhase.CLOSING;
  if (outstandingOf(part) <= 0 && isAll) reportPart(ctx, operationId, share);
}
