/**
 * How much of a run is done, in units of work: an action over items is as many as it has items, one with steps as many as it has
 * steps, any other is one. What was undone is not done. Recommendations go by it.
 */
import { type ActionState, type RunRecord, UndoStatus } from "@holdfast/proto";
import type { ActionPlan, DefinitionPlan } from "../definition/plan.js";
import { isCompleted } from "../status.js";

export interface Completion {
  readonly done: number;
  readonly total: number;
}

/** Steps that are known of an action: those declared, or those done and the one it failed at. */
export function stepTotals(action: ActionPlan, state: ActionState): Completion {
  const failed = state.failure === undefined || isCompleted(state.status) ? 0 : 1;
  const total = Math.max(action.definition.steps.length, state.steps + (state.steps > 0 ? failed : 0));
  return { done: Math.min(state.steps, total), total };
}

export function completionOf(plan: DefinitionPlan, run: RunRecord): Completion {
  let done = 0;
  let total = 0;
  for (const action of plan.actions) {
    const state = run.actions[action.index] as ActionState;
    const part = partOf(action, state);
    if (state.undo?.status !== UndoStatus.DONE) done += part.done;
    total += part.total;
  }
  return { done, total };
}

/** A skipped item is done. */
function partOf(action: ActionPlan, state: ActionState): Completion {
  const counts = state.items?.counts;
  if (counts !== undefined && counts.total > 0)
    return { done: counts.succeeded + counts.skipped, total: counts.total };
  const steps = stepTotals(action, state);
  if (steps.total > 0) return isCompleted(state.status) ? { done: steps.total, total: steps.total } : steps;
  return { done: isCompleted(state.status) ? 1 : 0, total: 1 };
}
