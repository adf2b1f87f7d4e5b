/** Whether a breaker lets an attempt go to a worker (I9). Reads only; for the owner, before it dispatches, and for the fold that checks it. */
import { BreakerStatus, type RunRecord } from "@holdfast/proto";
import { isAtSubmit } from "../actor/batch.js";
import type { ActionPlan } from "../definition/plan.js";
import { breakerKey, itemKey } from "../state/tables.js";
import type { View } from "../state/view.js";
import { isProbe, type Probe } from "./breaker.js";
import { settledName } from "./name.js";

export function isLetOut(view: View, run: RunRecord, action: ActionPlan, probe: Probe): boolean {
  if (action.breaker === undefined) return true;
  // What the outside system has is followed, or its results were lost; what is not wanted of it is called off.
  if (action.batch !== undefined && !isSubmit(run, action, probe)) return true;
  const record = view.get(breakerKey(settledName(view, probe.runId, run, action, probe.item)));
  if (record === undefined || isRecovery(view, run, action, probe)) return true;
  if (record.status === BreakerStatus.OPEN) return false;
  return record.status !== BreakerStatus.HALF_OPEN || isProbe(record, probe);
}

function isSubmit(run: RunRecord, { index }: ActionPlan, { attempt }: Probe): boolean {
  const state = run.actions[index];
  return state?.attempt === attempt && isAtSubmit(state);
}

/** A recovery is no attempt that a breaker holds. */
function isRecovery(
  view: View,
  run: RunRecord,
  { index, definition }: ActionPlan,
  { runId, item }: Probe,
): boolean {
  if (!definition.recover) return false;
  const at = item === undefined ? run.actions[index] : view.get(itemKey(runId, index, item));
  return at?.recover !== undefined;
}
