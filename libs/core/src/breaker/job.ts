/**
 * What the breaker of an external batch action hears of the jobs that the outside system has. Submits are attempts like any others
 * (gate.ts); a job that was taken is followed, whatever the breaker.
 *
 * 1. A job counts once in the window: good since it was taken, and then as what was last heard of it. How often it is checked does not
 *    decide the rate.
 * 2. A job that has anything to show for itself is no failure: an item that succeeded, or an answer such as VALIDATION, is enough.
 * 3. A check that fails because of an outage that the breaker knows of is not spent.
 */
import { type BatchState, BreakerStatus, type Failure } from "@holdfast/proto";
import { type Actor, stateOf } from "../actor/actor.js";
import type { Outcome } from "../actor/report.js";
import type { ActionPlan } from "../definition/plan.js";
import { findBreaker, heardOfJob, saveBreaker } from "./breaker.js";
import { breakerThatHears, signOfOutcome } from "./gate.js";
import { nameOf } from "./name.js";

/** Its submit has just counted as good; it is what the job counts as until more is heard. */
export function jobTaken(actor: Actor, action: ActionPlan): void {
  const { batch } = stateOf(actor, action);
  if (action.breaker === undefined || batch === undefined) return;
  batch.countedAtNs = actor.ctx.atNs;
  batch.countedBad = false;
}

/** A check was answered. */
export function jobAnswered(actor: Actor, action: ActionPlan): void {
  countAs(actor, action, false);
}

/** A check failed. True where it is not spent: the breaker knew already that the dependency does not answer. */
export function jobUnanswered(actor: Actor, action: ActionPlan, failure: Failure): boolean {
  const { breaker: policy } = action;
  if (policy === undefined || signOfOutcome(policy, { case: "failure", value: failure }) !== "bad")
    return false;
  const status = findBreaker(actor.ctx, nameOf(actor, action))?.record.status;
  countAs(actor, action, true);
  return status === BreakerStatus.OPEN || status === BreakerStatus.HALF_OPEN;
}

/** A result of the job, for one of its items or for all that had none. */
export function noteResult(actor: Actor, action: ActionPlan, outcome: Outcome): void {
  const { batch } = stateOf(actor, action);
  if (action.breaker === undefined || batch === undefined) return;
  const sign = signOfOutcome(action.breaker, outcome);
  if (sign === "good") batch.answered = true;
  else if (sign === "bad") batch.unanswered = true;
}

/** No more is to come of a job that the outside system had. */
export function tellJobOver(actor: Actor, action: ActionPlan): void {
  const { batch } = stateOf(actor, action);
  if (batch !== undefined && batch.unanswered && !batch.answered) countAs(actor, action, true);
}

function countAs(actor: Actor, action: ActionPlan, bad: boolean): void {
  const { ctx } = actor;
  const batch = stateOf(actor, action).batch as BatchState;
  if (action.breaker === undefined || batch.countedBad === bad) return;
  const breaker = breakerThatHears(ctx, nameOf(actor, action), action.breaker);
  heardOfJob(breaker, bad, { atNs: batch.countedAtNs, bad: batch.countedBad });
  saveBreaker(breaker);
  batch.countedAtNs = ctx.atNs;
  batch.countedBad = bad;
}
