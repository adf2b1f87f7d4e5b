/**
 * Automatic recovery: a run that failed is set off again as recommended, as often and as soon as its workflow's policy has it.
 *
 * 1. What is not recoverable without a person is left alone, and says so.
 * 2. Whoever waits for the run is told once no recovery is to come.
 */
import { RecoveryStrategy, Source, TimerKind, TimerRecordSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { backoffMs } from "../policy/retry.js";
import { recommendForRun } from "../recovery/recommend-run.js";
import { isRunRetryable } from "../status.js";
import { type Actor, makeDetail } from "./actor.js";
import { refusal, reopen } from "./reopen.js";
import { callOffRecovery } from "./run-end.js";

const MS = 1_000_000n;

/** Why a run is recovered by itself no more, though its workflow's policy would have it. */
export const offText = (maxAttempts: number, off: boolean): string =>
  off ? "single items of it were retried by hand" : `its ${maxAttempts} recoveries are spent`;

/** Plans the next recovery of a run that has just ended; a sentence that says so, or undefined where there is none. */
export function planRecovery(actor: Actor): string | undefined {
  const { ctx, run, plan, runId } = actor;
  const { auto, maxAttempts, backoff } = plan.recovery;
  // A person who cancelled it has not had it set off again.
  if (!auto || run.recoveryOff || run.cancel !== undefined || !isRunRetryable(run.status)) return undefined;
  const recommendation = recommendForRun(runId, plan, run);
  if (!recommendation.recoverable || run.recoveries >= maxAttempts) return undefined;
  if (refusal(actor, recommendation.strategy, false) !== undefined) return undefined;
  const pauseMs = backoffMs(backoff, run.recoveries + 1, runId);
  const timer = init(TimerRecordSchema, { kind: TimerKind.RECOVER, runId, attempt: run.generation });
  run.recoverAtNs = ctx.atNs + BigInt(pauseMs) * MS;
  ctx.setTimer(run.recoverAtNs, timer);
  const name = RecoveryStrategy[recommendation.strategy];
  return `recovery ${run.recoveries + 1} of ${maxAttempts} (${name}) in ${pauseMs} ms`;
}

/** The pause is over. Does nothing where somebody was faster. */
export function recover(actor: Actor, generation: number): boolean {
  const { run, plan, runId } = actor;
  if (!isRunRetryable(run.status) || run.generation !== generation || run.recoverAtNs === 0n) return false;
  const { strategy, reason } = recommendForRun(runId, plan, run);
  const before = run.recoveries;
  run.recoveries += 1;
  const { refused } = reopen(actor, { strategy, force: false, who: "recovery policy", reason });
  if (refused === undefined) return true;
  run.recoveries = before;
  // What came to be known since, such as what the cancel of a job has spent, may forbid it: those who wait must not wait for ever.
  const why = refusal(actor, RecoveryStrategy.UNSPECIFIED, false)?.message ?? refused.message;
  run.detail = makeDetail(
    `${run.failure?.message ?? "failed"}; it is not recovered: ${why}`,
    Source.ENGINE,
    actor.ctx.atNs,
  );
  callOffRecovery(actor);
  return true;
}
