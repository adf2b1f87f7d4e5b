/**
 * What is told of a run that failed for good: whether a person has to look at it.
 *
 * 1. What is told is kept beside the run until it is set off again, given up or pruned: it is listed, and a new owner tells what the last one may
 *    not have told.
 */
import {
  AttentionKind,
  AttentionRecordSchema,
  AttentionSchema,
  FailureMode,
  RecoveryStrategy,
  type RunRecord,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { recommendForRun } from "../recovery/recommend-run.js";
import { attentionKey } from "../state/tables.js";
import { isRunRetryable } from "../status.js";
import { timeText } from "../text.js";
import type { FoldContext } from "../fold/context.js";
import type { Actor } from "./actor.js";
import { offText } from "./recover.js";

/** Of a run that has just ended, and is not going to be recovered by itself. */
export function tellOperators({ ctx, run, runId, plan }: Actor): void {
  if (!isRunRetryable(run.status)) return;
  const { auto, maxAttempts } = plan.recovery;
  const { strategy, reason, hint } = recommendForRun(runId, plan, run);
  const spent = auto && (run.recoveryOff || run.recoveries >= maxAttempts);
  if (strategy !== RecoveryStrategy.MANUAL && !spent) return;
  const manual = strategy === RecoveryStrategy.MANUAL;
  const why = manual ? reason : offText(maxAttempts, run.recoveryOff);
  const attention = init(AttentionSchema, {
    kind: kindOf(run, manual),
    workflow: run.workflow,
    runId,
    message: `run ${runId} failed and is not recovered by itself: ${why}. ${hint} It can be retried until ${timeText(run.retryableUntilNs)}.`,
    atNs: ctx.atNs,
  });
  run.attentionSeq = BigInt(ctx.seq);
  ctx.view.put(attentionKey(run.attentionSeq, runId), init(AttentionRecordSchema, { attention }));
  ctx.emit({ kind: "attention", attention });
}

function kindOf({ failure }: RunRecord, manual: boolean): AttentionKind {
  if (failure?.mode === FailureMode.STUCK) return AttentionKind.STUCK;
  return manual ? AttentionKind.MANUAL : AttentionKind.RECOVERIES_SPENT;
}

/** The run is set off again, given up, or leaves; or none of its approvals waits any more. The caller saves it. */
export function settleAttention({ view }: Pick<FoldContext, "view">, runId: string, run: RunRecord): void {
  if (run.attentionSeq === 0n) return;
  view.del(attentionKey(run.attentionSeq, runId));
  run.attentionSeq = 0n;
}
