/** Which attempt is the current one of an action or item: only its reports and checkpoints count (I5). */
import { ActionStatus, ItemStatus, RunStatus } from "@holdfast/proto";
import type { ActionPlan } from "../definition/plan.js";
import { type Actor, stateOf } from "./actor.js";
import { recordOf, statusOf } from "./items.js";

export interface AttemptRef {
  readonly item?: number | undefined;
  readonly attempt: number;
}

export function isCurrentAttempt(actor: Actor, action: ActionPlan, { item, attempt }: AttemptRef): boolean {
  const state = stateOf(actor, action);
  if (actor.run.status !== RunStatus.RUNNING || state.status !== ActionStatus.RUNNING) return false;
  if (item === undefined) return action.forEach === undefined && state.attempt === attempt;
  if (action.forEach === undefined || state.items === undefined || item >= state.items.bound) return false;
  if (statusOf(actor, action, item) !== ItemStatus.RUNNING) return false;
  return (recordOf(actor, action, item)?.attempt ?? 1) === attempt;
}
