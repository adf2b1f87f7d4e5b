/**
 * An attempt of an action that is not over items has failed: another one follows after a pause, its recovery is tried, or the action
 * has failed.
 */
import { ActionStatus, type Failure, FailureMode, RunEventType } from "@holdfast/proto";
import type { ActionPlan } from "../definition/plan.js";
import { isRejection } from "../failure/rejection.js";
import { askedPauseMs, nextAttemptInMs } from "../policy/retry.js";
import { endAction, endCancelled } from "./actions.js";
import { type Actor, addEvent, isCancelling, makeDetail, stateOf } from "./actor.js";
import { failedText, retryAt } from "./attempt.js";
import { show } from "./shown.js";
import { failedRecovery, isRecoverable, recoverAction, recoveringText } from "./recovery.js";

/** Milliseconds to the next attempt, or undefined where this failure is final. `item`: -1 where it is not one. */
export function pauseAfter(
  actor: Actor,
  action: ActionPlan,
  failure: Failure,
  attempts: number,
  item: number,
): number | undefined {
  // What a person has rejected, in a child run, is not asked of them again.
  if (isRejection(failure)) return undefined;
  return nextAttemptInMs(action.retry, {
    mode: failure.mode,
    attempts,
    pauseMs: askedPauseMs(failure),
    key: `${actor.runId}/${action.index}/${item}`,
  });
}

/** Of an attempt that failed within the grace of a cancel; one that obeyed it has nothing to add. */
export const lastAttemptText = (failure: Failure): string =>
  failure.mode === FailureMode.CANCELLED ? "" : `; its last attempt failed: ${failedText(failure)}`;

/** `attempts`: how many were made in this generation, where that is not what the action counts. */
export function attemptFailed(actor: Actor, action: ActionPlan, failure: Failure, attempts?: number): void {
  const state = stateOf(actor, action);
  if (isCancelling(actor))
    return endCancelled(actor, action, recoveringText(state.recover) + lastAttemptText(failure));
  if (state.recover !== undefined) {
    const both = failedRecovery(actor, state.recover, failure);
    state.detail = makeDetail(failedText(both), failure.source, actor.ctx.atNs);
    endAction(actor, action, ActionStatus.FAILED, both);
    return;
  }
  show(actor, action, failure);
  const made = attempts ?? state.attempt - state.attemptBase;
  const pauseMs = pauseAfter(actor, action, failure, made, -1);
  if (pauseMs !== undefined) {
    backOff(actor, action, failure, pauseMs);
    return;
  }
  if (isRecoverable(action, failure)) {
    recoverAction(actor, action, failure);
    return;
  }
  state.detail = makeDetail(failedText(failure), failure.source, actor.ctx.atNs);
  endAction(actor, action, ActionStatus.FAILED, failure);
}

/** The action's next attempt is made after a pause. */
export function backOff(actor: Actor, action: ActionPlan, failure: Failure, pauseMs: number): void {
  const state = stateOf(actor, action);
  state.failure = failure;
  state.detail = makeDetail(failedText(failure), failure.source, actor.ctx.atNs);
  state.status = ActionStatus.RETRYING;
  state.retryAtNs = retryAt(actor, action, undefined, state.attempt, pauseMs);
  addEvent(actor, RunEventType.ATTEMPT_FAILED, {
    action: action.index,
    attempt: state.attempt,
    actionStatus: state.status,
    detail: state.detail.text,
  });
}
