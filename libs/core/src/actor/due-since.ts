/**
 * Since when work that is due has been due, by the log's time and from state alone: every owner finds the same, whenever it became one.
 *
 * 1. An action moves when it starts, when an attempt of it or of its items is let out, when one of its items ends, and when its run is
 *    resumed. What waits for a worker has waited since then at most.
 * 2. An action that starts and lets out its attempt at once keeps no time of its own for it.
 */
import type { RunRecord } from "@holdfast/proto";
import type { ActionPlan } from "../definition/plan.js";
import { countsKey } from "../state/tables.js";
import type { View } from "../state/view.js";
import { type Actor, stateOf } from "./actor.js";

/** The caller saves the actor. */
export function hasMoved(actor: Actor, action: ActionPlan): void {
  const state = stateOf(actor, action);
  const { atNs } = actor.ctx;
  if (state.startedAtNs !== atNs) state.movedAtNs = atNs;
}

/** When an action last moved, or its workflow was resumed; 0: it has not begun. */
export function dueSinceNs(view: View, run: RunRecord, action: number): bigint {
  const state = run.actions[action];
  if (state === undefined) return 0n;
  const { startedAtNs, movedAtNs } = state;
  const movedNs = movedAtNs > startedAtNs ? movedAtNs : startedAtNs;
  const resumedNs = view.get(countsKey(run.workflow))?.resumedAtNs ?? 0n;
  return resumedNs > movedNs ? resumedNs : movedNs;
}
