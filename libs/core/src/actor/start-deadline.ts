/**
 * Schedule-to-start: how soon a worker must have an attempt. Only actions that declare it pay for it.
 *
 * 1. The fold knows when an attempt was let out, not whether a worker has it: when the timer fires, the owner is asked, who reports the
 *    attempt as timed out if none has (`overdue`).
 * 2. As long as the attempt is current the timer fires again, ever later, so that neither a new owner nor a worker's end hides it.
 * 3. While the run is paused, time does not count.
 */
import { RunStatus, TimerKind, type TimerRecord, TimerRecordSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ActionPlan } from "../definition/plan.js";
import { DURATION_MS_MAX } from "../limits.js";
import { isPaused } from "../views/paused.js";
import type { Actor } from "./actor.js";
import { isCurrentAttempt } from "./attempt.js";

const MS = 1_000_000n;

/** The code of the failure of an attempt that no worker began in time. */
export const NEVER_BEGUN = "schedule_to_start";

/** `item`: -1 where it is not one. */
export function expectStart(
  { ctx, runId }: Actor,
  action: ActionPlan,
  { item, attempt }: { readonly item: number; readonly attempt: number },
  intervalMs: number,
): void {
  const timer = init(TimerRecordSchema, {
    kind: TimerKind.SCHEDULE_TO_START,
    runId,
    action: action.index,
    item: item < 0 ? undefined : item,
    attempt,
    intervalMs,
  });
  ctx.setTimer(ctx.atNs + BigInt(intervalMs) * MS, timer);
}

/** The timer of an attempt is due. Changes no state of the run. */
export function startOverdue(actor: Actor, { action: index, item, attempt, intervalMs }: TimerRecord): void {
  const { ctx, run, runId, plan } = actor;
  const action = plan.actions[index];
  if (action === undefined || !isCurrentAttempt(actor, action, { item, attempt })) return;
  const ref = { item: item ?? -1, attempt };
  if (run.status === RunStatus.PAUSED || isPaused(ctx.applied, run.workflow)) {
    expectStart(actor, action, ref, action.scheduleToStartMs);
    return;
  }
  ctx.emit({ kind: "overdue", runId, action: index, ...ref, limitMs: action.scheduleToStartMs });
  expectStart(actor, action, ref, Math.min(intervalMs * 2, DURATION_MS_MAX));
}
