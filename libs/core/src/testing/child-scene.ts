/** Parents and children over four partitions, and short ways to work on them. One scene a test file: `setUp` begins it anew. */
import { type Payload, type RunRecord, RunStatus, type WorkflowDefinition } from "@holdfast/proto";
import {
  action,
  childRun,
  inline,
  json,
  ONE_ATTEMPT,
  overInput,
  type retry,
  succeeded,
  workflow,
} from "./build.js";
import { TestCluster } from "./cluster.js";
import { checkPartition } from "./invariants.js";
import { fromUtf8 } from "../text.js";

const PARTITIONS = 4;
const LEAF = workflow("leaf", [action("work", { retry: ONE_ATTEMPT })]);
const ITEMS = workflow("items", [action("each", { forEach: overInput("", 9), retry: ONE_ATTEMPT })]);
const PARENT = workflow("parent", [
  action("sub", { child: childRun("leaf") }),
  action("after", { after: ["sub"], retry: ONE_ATTEMPT }),
]);
const OVER_ITEMS = workflow("over-items", [
  action("sub", { child: childRun("items") }),
  action("after", { after: ["sub"], retry: ONE_ATTEMPT }),
]);
const LOOP = workflow("loop", [action("again", { child: childRun("loop") })]);
const LOST = workflow("lost", [action("sub", { child: childRun("nowhere") })]);

export let cluster: TestCluster;
/** With more workflows than the usual ones. */
export const setUp = (...more: WorkflowDefinition[]): void => {
  cluster = new TestCluster(PARTITIONS, [LEAF, ITEMS, PARENT, OVER_ITEMS, LOOP, LOST, ...more]);
};
export const begin = (workflowName = "parent", input = inline({ n: 1 }), runId = "p"): string => {
  const { case: answer } = cluster.start(runId, workflowName, { input });
  if (answer !== "accepted") throw new Error(`run ${runId} was not accepted`);
  cluster.settle();
  return childOf(runId, "sub");
};
export const run = (runId: string): RunRecord => cluster.of(runId).run(runId);
export const childOf = (runId: string, name: string): string =>
  cluster.of(runId).action(runId, name).child?.runId ?? "";
export const status = (runId: string): string => RunStatus[run(runId).status];
export const of = (runId: string, name: string): string => cluster.of(runId).status(runId, name);
export const detail = (runId: string, name: string): string =>
  cluster.of(runId).action(runId, name).detail?.text ?? "";
export const finish = (runId: string, name: string, outcome = succeeded(), item?: number): void => {
  cluster.of(runId).finish(runId, name, outcome, item);
  cluster.settle();
};
export const control = (runId: string, kind: ReturnType<typeof retry>): string => {
  const result = cluster.of(runId).control(kind);
  cluster.settle();
  return result.case ?? "";
};
export const load = (runId: string, name: string, count: number): void => {
  cluster.of(runId).load(
    runId,
    name,
    Array.from({ length: count }, (_, i) => json(i)),
  );
  cluster.settle();
};
export const textOf = (payload: Payload | undefined): string =>
  payload?.body.case === "inline" ? fromUtf8(payload.body.value) : `${payload?.body.case}`;
export const allHold = (): void => cluster.partitions.forEach(checkPartition);
