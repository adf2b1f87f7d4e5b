/** Adds up what each partition counts. */
import type { WorkflowCounts } from "@holdfast/proto";
import type { Counts } from "./query-client.js";

function noCounts(workflow: string): WorkflowCounts {
  return {
    $typeName: "holdfast.v1.WorkflowCounts",
    workflow,
    active: 0n,
    completed: 0n,
    completedWithFailures: 0n,
    failed: 0n,
    cancelled: 0n,
    noEffect: 0n,
    silentNoOp: 0n,
    ended: 0n,
    retried: 0n,
    itemsSucceeded: 0n,
    itemsFailed: 0n,
    deadLetters: 0n,
  };
}

function add(sum: WorkflowCounts, more: WorkflowCounts): void {
  sum.active += more.active;
  sum.completed += more.completed;
  sum.completedWithFailures += more.completedWithFailures;
  sum.failed += more.failed;
  sum.cancelled += more.cancelled;
  sum.noEffect += more.noEffect;
  sum.silentNoOp += more.silentNoOp;
  sum.ended += more.ended;
  sum.retried += more.retried;
  sum.itemsSucceeded += more.itemsSucceeded;
  sum.itemsFailed += more.itemsFailed;
  sum.deadLetters += more.deadLetters;
}

/** One entry for each workflow. */
export function addCounts(counts: readonly WorkflowCounts[]): Map<string, WorkflowCounts> {
  const byWorkflow = new Map<string, WorkflowCounts>();
  for (const one of counts) {
    const sum = byWorkflow.get(one.workflow) ?? noCounts(one.workflow);
    add(sum, one);
    byWorkflow.set(one.workflow, sum);
  }
  return byWorkflow;
}

export function sortedCounts(byWorkflow: ReadonlyMap<string, WorkflowCounts>): Counts {
  const workflows = [...byWorkflow.values()].toSorted((a, b) => (a.workflow < b.workflow ? -1 : 1));
  const total = noCounts("");
  for (const one of workflows) add(total, one);
  return { workflows, total };
}
