/**
 * Telling the outside system that a job is not wanted any more. Best effort: a few attempts, whatever becomes of the run meanwhile.
 *
 * 1. Nothing waits for it, and no status depends on it.
 * 2. Its attempts are numbers of the action's that are set aside at once, so that it meets no other attempt.
 * 3. Each attempt has a timer, so that one that was lost with its worker or its node is made again.
 */
import {
  type ActionState,
  type BatchCancel,
  BatchCancelSchema,
  type Payload,
  RunEventType,
  type RunRecord,
  TimerKind,
  TimerRecordSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ActionPlan } from "../definition/plan.js";
import type { Effect } from "../effects.js";
import { BATCH_CANCEL_ATTEMPTS, BATCH_CANCEL_GRACE_MS, BATCH_CANCELS_MAX } from "../limits.js";
import { backoffMs } from "../policy/retry.js";
import { type Actor, addEvent, stateOf } from "./actor.js";
import { failedText } from "./attempt.js";
import { handleText } from "./batch.js";
import { emitDispatch } from "./items.js";
import type { Outcome } from "./report.js";

const MS = 1_000_000n;

export interface UnwantedJob {
  readonly job: number;
  readonly handle: Payload | undefined;
  readonly reason: string;
}

export function addCancel(actor: Actor, action: ActionPlan, { job, handle, reason }: UnwantedJob): void {
  const state = stateOf(actor, action);
  const oldest = state.batchCancels[0];
  if (oldest !== undefined && state.batchCancels.length >= BATCH_CANCELS_MAX)
    giveUp(actor, action, oldest, "too many jobs were to be cancelled at once");
  const cancel = init(BatchCancelSchema, {
    job,
    handle,
    reason,
    attempt: state.attempt,
    lastAttempt: state.attempt + BATCH_CANCEL_ATTEMPTS,
  });
  state.attempt = cancel.lastAttempt;
  state.batchCancels.push(cancel);
  attemptCancel(actor, action, cancel);
}

function attemptCancel(actor: Actor, action: ActionPlan, cancel: BatchCancel): void {
  cancel.attempt += 1;
  cancel.running = true;
  emitDispatch(actor, action, -1, cancel.attempt);
  again(actor, action, cancel, action.startToCloseMs + BATCH_CANCEL_GRACE_MS);
}

function again({ ctx, runId }: Actor, action: ActionPlan, { attempt }: BatchCancel, pauseMs: number): void {
  ctx.setTimer(
    ctx.atNs + BigInt(pauseMs) * MS,
    init(TimerRecordSchema, { kind: TimerKind.BATCH, runId, action: action.index, attempt }),
  );
}

/** The one whose attempt this is, while it is under way. */
export const runningCancel = (
  { batchCancels }: Pick<ActionState, "batchCancels">,
  attempt: number,
): BatchCancel | undefined => batchCancels.find((cancel) => cancel.running && cancel.attempt === attempt);

/** A timer of the action is due: of an attempt that failed, or of one that nothing was heard of. False where it is neither. */
export function cancelDue(actor: Actor, action: ActionPlan, attempt: number): boolean {
  const cancel = stateOf(actor, action).batchCancels.find((each) => each.attempt === attempt);
  if (cancel === undefined) return false;
  if (cancel.attempt === cancel.lastAttempt) {
    giveUp(actor, action, cancel, "no worker said that it did");
    return true;
  }
  if (cancel.running) actor.ctx.emit(closed(actor.runId, action.index, cancel));
  attemptCancel(actor, action, cancel);
  return true;
}

/** An attempt has ended. */
export function cancelReported(
  actor: Actor,
  action: ActionPlan,
  cancel: BatchCancel,
  outcome: Outcome,
): void {
  cancel.running = false;
  if (outcome.case !== "failure") {
    forget(actor, action, cancel);
    const said = outcome.case === "success" ? outcome.value.detail || outcome.value.reason : "";
    addEvent(actor, RunEventType.BATCH_CANCELLED, {
      action: action.index,
      attempt: cancel.attempt,
      detail: `batch job ${handleText(cancel.handle)} was cancelled: ${said || cancel.reason}`,
    });
    return;
  }
  if (cancel.attempt === cancel.lastAttempt) {
    giveUp(actor, action, cancel, failedText(outcome.value));
    return;
  }
  const made = BATCH_CANCEL_ATTEMPTS - (cancel.lastAttempt - cancel.attempt);
  again(actor, action, cancel, backoffMs(action.retry, made, `${actor.runId}/${action.index}/cancel`));
}

function giveUp(actor: Actor, action: ActionPlan, cancel: BatchCancel, why: string): void {
  if (cancel.running) actor.ctx.emit(closed(actor.runId, action.index, cancel));
  forget(actor, action, cancel);
  addEvent(actor, RunEventType.BATCH_CANCEL_FAILED, {
    action: action.index,
    attempt: cancel.attempt,
    detail: `batch job ${handleText(cancel.handle)} could not be cancelled, and may still be at work: ${why}`,
  });
}

function forget(actor: Actor, action: ActionPlan, cancel: BatchCancel): void {
  const state = stateOf(actor, action);
  state.batchCancels = state.batchCancels.filter((each) => each !== cancel);
}

const closed = (runId: string, action: number, { attempt }: BatchCancel): Effect => ({
  kind: "closed",
  runId,
  action,
  item: -1,
  attempt,
});

/** A run that leaves takes its attempts along. */
export const cancelsClosed = (runId: string, run: RunRecord): Effect[] =>
  run.actions.flatMap(({ batchCancels }, action) =>
    batchCancels.filter((cancel) => cancel.running).map((cancel) => closed(runId, action, cancel)),
  );
