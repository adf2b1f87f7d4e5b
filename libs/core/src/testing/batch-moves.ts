/** What a worker, or something that is none, may say of the jobs of an external batch action: every kind, right and wrong. */
import {
  type BatchCheck,
  BatchCheckSchema,
  BatchPhase,
  BatchReportSchema,
  type BatchResult,
  BatchResultSchema,
  BatchResultsSchema,
  type Command,
  FailureMode,
  ItemStatus,
  type TaskReport,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { STATUS_MASK } from "../actor/items.js";
import type { DueTask } from "../effects.js";
import { command, failure, inline, succeeded } from "./build.js";
import type { RunUnderTest } from "./must.js";
import { itemBytes } from "./item-invariants.js";
import { OUTCOMES } from "./outcomes.js";
import type { TestPartition } from "./partition.js";

type Outcome = TaskReport["outcome"];

export const submittedJob = (handle: Parameters<typeof inline>[0] = "job-1"): Outcome => ({
  case: "batch",
  value: init(BatchReportSchema, { step: { case: "submitted", value: inline(handle) } }),
});
export const checkedJob = (fields: Init<BatchCheck>): Outcome => ({
  case: "batch",
  value: init(BatchReportSchema, { step: { case: "checked", value: init(BatchCheckSchema, fields) } }),
});
export const resultOf = (index: number, outcome: Outcome): BatchResult =>
  init(BatchResultSchema, {
    index,
    outcome: outcome.case === "batch" || outcome.case === "returned" ? { case: undefined } : outcome,
  });
export const results = (
  runId: string,
  fields: { readonly action?: number; readonly attempt: number; readonly results: BatchResult[] },
): Command => command({ case: "batchResults", value: init(BatchResultsSchema, { runId, ...fields }) });

function runOf(partition: TestPartition, runId: string): RunUnderTest {
  return { view: partition.view, runId, run: partition.run(runId), plan: partition.planOf(runId) };
}

/** The items that a job still works on. */
export function itemsAtWork(partition: TestPartition, { runId, action }: Pick<DueTask, "runId" | "action">) {
  const at = runOf(partition, runId);
  const plan = at.plan.actions[action];
  if (plan === undefined || plan.forEach === undefined) return [];
  return itemBytes(at, plan).flatMap((byte, item) =>
    (byte & STATUS_MASK) === ItemStatus.RUNNING ? [item] : [],
  );
}

/** Of every second item that is at work, sometimes of one that is not, in an order of its own. */
function someResults(partition: TestPartition, task: DueTask, how: number): BatchResult[] {
  const items = itemsAtWork(partition, task).filter((item) => how % 3 !== 1 || (item + how) % 2 === 0);
  if (how % 5 === 4) items.reverse();
  if (how % 7 === 6) items.push(70_000, ...items.slice(0, 1), 4_294_967_295);
  return items.map((item) => {
    const outcome = (how + item) % 2 === 0 ? OUTCOMES[0] : OUTCOMES[(how * 7 + item) % OUTCOMES.length];
    return resultOf(item, outcome?.() ?? { case: undefined });
  });
}

/** What is said of an attempt at a job; undefined: the attempt is none. */
export function jobOutcome(partition: TestPartition, task: DueTask, how: number): Outcome | undefined {
  const state = partition.run(task.runId).actions[task.action];
  if (task.item >= 0 || state?.batch === undefined || state.attempt !== task.attempt) return undefined;
  if (state.batch.phase === BatchPhase.SUBMITTING) {
    if (how % 16 === 9) return undefined;
    if (how % 4 !== 3) return submittedJob({ id: how });
    return [
      () => submittedJob("x".repeat(5_000)),
      () => checkedJob({ done: true }),
      () => succeeded("no job"),
      () => undefined,
    ][(how >> 2) % 4]?.();
  }
  if (state.batch.phase !== BatchPhase.CHECKING) return undefined;
  if (how % 8 === 7) return submittedJob();
  if (how % 8 === 3) return undefined;
  const value = succeeded({ list: [how] });
  return checkedJob({
    done: how % 3 === 0,
    results: someResults(partition, task, how),
    progress: how % 2 === 0 ? `${how} %` : "",
    error:
      how % 9 === 6
        ? failure(how % 2 === 0 ? FailureMode.UNAVAILABLE : FailureMode.CONFLICT, "job broke")
        : undefined,
    success: value.case === "success" && how % 5 !== 0 ? value.value : undefined,
  });
}

/** Results before the report of a check, also where there is none under way. */
export function someBatchResults(partition: TestPartition, pick: number, how: number): Command | undefined {
  const tasks = [...partition.open.values()].filter(
    ({ runId, action, item }) => item < 0 && partition.run(runId).actions[action]?.batch !== undefined,
  );
  const task = tasks[pick % Math.max(tasks.length, 1)];
  if (task === undefined) return undefined;
  const { runId, action } = task;
  const attempt = task.attempt + (how % 8 === 7 ? 1 : 0);
  const brought = how % 11 === 10 ? [] : someResults(partition, task, how);
  return results(how % 16 === 15 ? "Łódź" : runId, { action, attempt, results: brought });
}
