/**
 * Finds what must be done from state alone: tasks that are due (also those that undo, or submit or check a job), items to be loaded. For a new owner, and for work that had no
 * room in memory. Looks at active runs page by page.
 */
import {
  type DueTask,
  dueSinceNs,
  eachItem,
  HAS_RECORD,
  isAttemptRunning,
  itemKey,
  readStatusKey,
  runKey,
  STATUS_MASK,
  statusPrefix,
  prefixEnd,
} from "@holdfast/core";
import { ActionStatus, ItemStatus, RunStatus } from "@holdfast/proto";
import { pinned } from "./compose.js";
import type { PartitionState } from "./state.js";

export interface DueWork {
  readonly tasks: DueTask[];
  readonly loads: {
    readonly runId: string;
    readonly action: number;
    readonly generation: number;
    readonly fromIndex: number;
  }[];
}

/** Names of all workflows that the partition has runs of. */
export async function workflowNames(state: PartitionState, limit: number): Promise<string[]> {
  return (await state.range("w", "x", limit)).map(([key]) => key.slice(1));
}

/** Active runs of one workflow after `afterKey`, oldest first, with what is due of them. */
export async function dueWorkOf(
  state: PartitionState,
  workflow: string,
  afterKey: string,
  limit: number,
): Promise<DueWork & { readonly nextKey: string | undefined }> {
  const prefix = statusPrefix(workflow, RunStatus.RUNNING);
  const rows = await state.range(afterKey === "" ? prefix : `${afterKey}\0`, prefixEnd(prefix), limit);
  const runIds = rows.map(([key]) => readStatusKey(key).runId);
  const missing = state.missing(runIds.map(runKey));
  if (missing.length > 0) await state.load(missing);
  const work: DueWork = { tasks: [], loads: [] };
  for (const runId of runIds) addDueOf(state, runId, work);
  return { ...work, nextKey: rows.length < limit ? undefined : rows.at(-1)?.[0] };
}

/** What is due of one run. */
export function dueWorkOfRun(state: PartitionState, runId: string): DueWork {
  const work: DueWork = { tasks: [], loads: [] };
  addDueOf(state, runId, work);
  return work;
}

function addDueOf(state: PartitionState, runId: string, work: DueWork): void {
  const found = pinned(state, runId);
  if (found === undefined || found.run.status !== RunStatus.RUNNING) return;
  const { run, plan } = found;
  for (const action of plan.actions) {
    const at = run.actions[action.index];
    if (at === undefined) continue;
    if (at.status === ActionStatus.WAITING && at.child?.status === RunStatus.UNSPECIFIED)
      work.loads.push({ runId, action: action.index, generation: run.generation, fromIndex: 0 });
    const own = isAttemptRunning(action, at);
    if (at.status !== ActionStatus.RUNNING && !own) continue;
    const task = {
      runId,
      action: action.index,
      workflow: run.workflow,
      queue: action.queue,
      priority: run.priority,
      startToCloseMs: action.startToCloseMs,
      sinceNs: dueSinceNs(state, run, action.index),
    };
    if (own) {
      work.tasks.push({ ...task, item: -1, attempt: at.attempt });
      continue;
    }
    if (at.items === undefined) continue;
    if (!at.items.loaded) {
      work.loads.push({ runId, action: action.index, generation: run.generation, fromIndex: at.items.bound });
    }
    if (action.batch !== undefined || (at.items.counts?.running ?? 0) === 0) continue;
    eachItem(state, runId, action.index, at.items.bound, (item, byte) => {
      if ((byte & STATUS_MASK) !== ItemStatus.RUNNING) return;
      const attempt =
        (byte & HAS_RECORD) === 0 ? 1 : (state.get(itemKey(runId, action.index, item))?.attempt ?? 1);
      work.tasks.push({ ...task, item, attempt });
    });
  }
}
