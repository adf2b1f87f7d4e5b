/** What is told of a run that failed for good: whether a person has to look at it. */
import { AttentionKind, AttentionSchema, RecoveryStrategy } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { recommendForRun } from "../recovery/recommend-run.js";
import { isRunRetryable } from "../status.js";
import { timeText } from "../text.js";
import type { Actor } from "./actor.js";

/** Of a run that has just ended, and is not going to be recovered by itself. */
export function tellOperators({ ctx, run, runId, plan }: Actor): void {
  if (!isRunRetryable(run.status)) return;
  const { auto, maxAttempts } = plan.recovery;
  const { strategy, reason, hint } = recommendForRun(runId, plan, run);
  const spent = auto && run.recoveries >= maxAttempts;
  if (strategy !== RecoveryStrategy.MANUAL && !spent) return;
  const manual = strategy === RecoveryStrategy.MANUAL;
  const why = manual ? reason : `its ${maxAttempts} recoveries are spent`;
  ctx.emit({
    kind: "attention",
    attention: init(AttentionSchema, {
      kind: manual ? AttentionKind.MANUAL : AttentionKind.RECOVERIES_SPENT,
      workflow: run.workflow,
      runId,
      message: `run ${runId} failed and is not recovered by itself: ${why}. ${hint} It can be retried until ${timeText(run.retryableUntilNs)}.`,
      atNs: ctx.atNs,
    }),
  });
}
