/** What the compensation of a run came to, in the order in which it was undone. Reads only. */
import { type Failure, type RunRecord, UndoStatus } from "@holdfast/proto";
import type { DefinitionPlan } from "../definition/plan.js";

export interface Undone {
  readonly done: readonly string[];
  /** What still stands, wholly or in part. */
  readonly failed: readonly { readonly name: string; readonly failure: Failure | undefined }[];
}

const NOTHING: Undone = { done: [], failed: [] };

/** Of the run's present generation: what an earlier one undid was done anew since. */
export function undoneOf(plan: DefinitionPlan, run: RunRecord): Undone {
  if (plan.undoOrder.length === 0) return NOTHING;
  const done: string[] = [];
  const failed: Undone["failed"][number][] = [];
  for (const index of plan.undoOrder) {
    const undo = run.actions[index]?.undo;
    const name = plan.actions[index]?.name ?? "";
    if (undo === undefined || undo.generation !== run.generation) continue;
    if (undo.status === UndoStatus.DONE) done.push(name);
    else if (undo.status === UndoStatus.FAILED) failed.push({ name, failure: undo.failure });
  }
  return { done, failed };
}
