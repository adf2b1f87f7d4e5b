/**
 * Tells from state alone what of a run must be done: tasks that are due (also those that undo, or submit, check or cancel a job), and items and
 * inputs to be loaded. For a new owner, and for work that had no room in memory.
 */
import {
  chunkKey,
  chunkOf,
  type DueTask,
  dueSinceNs,
  HAS_RECORD,
  isAttemptRunning,
  isRunLive,
  itemKey,
  ITEMS_A_CHUNK,
  STATUS_MASK,
} from "@holdfast/core";
import { ActionStatus, ItemStatus, RunStatus, type TaskRef } from "@holdfast/proto";
import { pinned } from "./compose.js";
import type { LoadWanted } from "./loader.js";
import type { PartitionState } from "./state.js";

/** Names of all workflows that the partition has runs of. */
export async function workflowNames(state: PartitionState, limit: number): Promise<string[]> {
  return (await state.range("w", "x", limit)).map(([key]) => key.slice(1));
}

/** The due tasks of a run, one after the other: whoever has no room for more need not have the rest made. */
export function* dueTasksOf(state: PartitionState, runId: string): Generator<DueTask> {
  const found = pinned(state, runId);
  if (found === undefined) return;
  const { run, plan } = found;
  for (const action of plan.actions) {
    const at = run.actions[action.index];
    if (at === undefined) continue;
    const task = {
      runId,
      action: action.index,
      workflow: run.workflow,
      queue: action.queue,
      priority: run.priority,
      startToCloseMs: action.startToCloseMs,
      sinceNs: dueSinceNs(state, run, action.index),
    };
    // A job that nobody wants any more is cancelled whatever became of the run.
    for (const { running, attempt } of at.batchCancels) if (running) yield { ...task, item: -1, attempt };
    if (run.status !== RunStatus.RUNNING) continue;
    // Nothing begins of a run that is being cancelled, but for what it undoes, and looks at its jobs.
    if (run.cancel !== undefined && run.undo === undefined && action.batch === undefined) continue;
    if (isAttemptRunning(action, at)) {
      yield { ...task, item: -1, attempt: at.attempt };
      continue;
    }
    if (at.status !== ActionStatus.RUNNING || at.items === undefined || action.batch !== undefined) continue;
    if ((at.items.counts?.running ?? 0) === 0) continue;
    for (const [item, byte] of runningItems(state, runId, action.index, at.items.bound)) {
      const attempt =
        (byte & HAS_RECORD) === 0 ? 1 : (state.get(itemKey(runId, action.index, item))?.attempt ?? 1);
      yield { ...task, item, attempt };
    }
  }
}

/** An attempt, where it is the current one and not over: of a live run, or to cancel a job. Whether it may be sent now is not asked. */
export function currentTaskOf(state: PartitionState, ref: TaskRef): DueTask | undefined {
  const { runId, action: index, item = -1, attempt } = ref;
  const found = pinned(state, runId);
  const action = found?.plan.actions[index];
  const at = found?.run.actions[index];
  if (found === undefined || action === undefined || at === undefined) return undefined;
  const { run } = found;
  const isCancel = item < 0 && at.batchCancels.some((each) => each.running && each.attempt === attempt);
  if (!isCancel) {
    if (!isRunLive(run.status)) return undefined;
    const current =
      item < 0
        ? isAttemptRunning(action, at) && at.attempt === attempt
        : at.status === ActionStatus.RUNNING && isItemsAttempt(state, ref, item);
    if (!current) return undefined;
  }
  const { workflow, priority } = run;
  const { queue, startToCloseMs } = action;
  const sinceNs = dueSinceNs(state, run, index);
  return { runId, action: index, item, attempt, workflow, queue, priority, startToCloseMs, sinceNs };
}

function isItemsAttempt(state: PartitionState, { runId, action, attempt }: TaskRef, item: number): boolean {
  const byte = state.get(chunkKey(runId, action, chunkOf(item)))?.statuses[item % ITEMS_A_CHUNK] ?? 0;
  if ((byte & STATUS_MASK) !== ItemStatus.RUNNING) return false;
  return (
    ((byte & HAS_RECORD) === 0 ? 1 : (state.get(itemKey(runId, action, item))?.attempt ?? 1)) === attempt
  );
}

function* runningItems(
  state: PartitionState,
  runId: string,
  action: number,
  bound: number,
): Generator<[item: number, byte: number]> {
  for (let chunk = 0; chunk * ITEMS_A_CHUNK < bound; chunk++) {
    const statuses = state.get(chunkKey(runId, action, chunk))?.statuses;
    if (statuses === undefined) continue;
    for (let at = 0; at < statuses.length; at++) {
      const byte = statuses[at] as number;
      if ((byte & STATUS_MASK) === ItemStatus.RUNNING) yield [chunk * ITEMS_A_CHUNK + at, byte];
    }
  }
}

/** What a run waits for that is in the object store. */
export function loadsOf(state: PartitionState, runId: string): LoadWanted[] {
  const found = pinned(state, runId);
  if (found === undefined || found.run.status !== RunStatus.RUNNING) return [];
  const { run, plan } = found;
  const { generation } = run;
  const loads: LoadWanted[] = [];
  for (const action of plan.actions) {
    const at = run.actions[action.index];
    if (at === undefined) continue;
    if (at.status === ActionStatus.WAITING && at.child?.status === RunStatus.UNSPECIFIED)
      loads.push({ runId, action: action.index, generation, fromIndex: 0 });
    const own = isAttemptRunning(action, at);
    if (at.status === ActionStatus.RUNNING && !own && at.items?.loaded === false)
      loads.push({ runId, action: action.index, generation, fromIndex: at.items.bound });
  }
  return loads;
}
