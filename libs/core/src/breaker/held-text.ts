/** What is said now of whatever a breaker holds. What an action was told when it was held may be out of date: it may have opened again since. */
import { ActionStatus, type ActionState, type RunRecord } from "@holdfast/proto";
import type { ActionPlan } from "../definition/plan.js";
import { breakerKey } from "../state/tables.js";
import type { View } from "../state/view.js";
import { holdText } from "./breaker.js";
import { settledName } from "./name.js";

/** Undefined where its breaker does not hold it. */
export function heldText(view: View, run: RunRecord, action: ActionPlan): string | undefined {
  const state = run.actions[action.index];
  if (state?.breaker?.held !== true) return undefined;
  const record = view.get(breakerKey(settledName(run, action)));
  return record === undefined ? undefined : holdText(record) + lastFailure(state);
}

/** What the detail has of the last attempt. */
function lastFailure({ detail }: ActionState): string {
  const at = detail?.text.indexOf(LAST) ?? -1;
  return at < 0 ? "" : (detail?.text.slice(at) ?? "");
}

/** Stands before what the last attempt of a held action failed with. */
export const LAST = "; its last attempt failed: ";

/** Of the first action of a run that waits for its breaker; empty: none does. */
export function heldTextOfRun(view: View, run: RunRecord, actions: readonly ActionPlan[]): string {
  for (const action of actions) {
    const state = run.actions[action.index];
    if (state?.status !== ActionStatus.WAITING || state.breaker?.held !== true) continue;
    const text = heldText(view, run, action);
    if (text !== undefined) return `${action.name}: ${text}`;
  }
  return "";
}
