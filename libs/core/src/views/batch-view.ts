/** What is shown of the jobs of an external batch action. Reads only. */
import { type ActionState, BatchPhase, type BatchView, BatchViewSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { handleText } from "../actor/batch.js";
import { timestamp } from "./timestamp.js";

export function batchView({ batch, items, retryAtNs, batchCancels }: ActionState): BatchView | undefined {
  if (batch === undefined) return undefined;
  const isOpen = batch.phase !== BatchPhase.UNSPECIFIED;
  return init(BatchViewSchema, {
    phase: batch.phase,
    job: batch.job,
    handle: batch.handle === undefined ? "" : handleText(batch.handle),
    size: batch.size,
    done: items === undefined ? 0 : batch.size - (items.counts?.running ?? 0),
    submittedAt: timestamp(batch.submittedAtNs),
    lastCheck: timestamp(batch.checkedAtNs),
    nextCheck: timestamp(batch.phase === BatchPhase.SUBMITTED ? retryAtNs : 0n),
    deadline: timestamp(isOpen ? batch.deadlineNs : 0n),
    checks: batch.checks,
    tries: batch.tries,
    progress: batch.progress,
    ignored: batch.ignored,
    cancels: batchCancels.length,
  });
}
