/** An attempt of an action that is not over items has failed: another one follows after a pause, or the action has failed. */
import { ActionStatus, type Failure, RunEventType } from "@holdfast/proto";
import type { ActionPlan } from "../definition/plan.js";
import { nextAttemptInMs } from "../policy/retry.js";
import { endAction } from "./actions.js";
import { type Actor, addEvent, makeDetail, stateOf } from "./actor.js";
import { failedText, retryAt } from "./attempt.js";

/** Milliseconds to the next attempt, or undefined where this failure is final. `item`: -1 where it is not one. */
export function pauseAfter(
  actor: Actor,
  action: ActionPlan,
  failure: Failure,
  attempts: number,
  item: number,
): number | undefined {
  return nextAttemptInMs(action.retry, {
    mode: failure.mode,
    attempts,
    retryAfterMs: failure.retryAfterMs,
    key: `${actor.runId}/${action.index}/${item}`,
  });
}

export function attemptFailed(actor: Actor, action: ActionPlan, failure: Failure): void {
  const state = stateOf(actor, action);
  const pauseMs = pauseAfter(actor, action, failure, state.attempt - state.attemptBase, -1);
  state.failure = failure;
  state.detail = makeDetail(failedText(failure), failure.source, actor.ctx.atNs);
  if (pauseMs === undefined) {
    endAction(actor, action, ActionStatus.FAILED, failure);
    return;
  }
  state.status = ActionStatus.RETRYING;
  state.retryAtNs = retryAt(actor, action, undefined, state.attempt, pauseMs);
  addEvent(actor, RunEventType.ATTEMPT_FAILED, {
    action: action.index,
    attempt: state.attempt,
    actionStatus: state.status,
    detail: state.detail.text,
  });
}
