/** Failed runs over four partitions, and short ways to work on them together. */
import { type BulkSpec, FailureMode, RunStatus } from "@holdfast/proto";
import type { Init } from "@holdfast/proto/codec";
import { sortIds } from "../bulk/ids.js";
import { action, failed, ONE_ATTEMPT, succeeded, workflow } from "./build.js";
import { drive, homeOf, operationOf, resultsOf, startBulk } from "./bulk-build.js";
import { TestCluster } from "./cluster.js";
import { checkPartition } from "./invariants.js";
import { must } from "./must.js";

export const PARTITIONS = 4;
const ONE = workflow("one", [action("work", { retry: ONE_ATTEMPT })]);
const OTHER = workflow("other", [action("work", { retry: ONE_ATTEMPT, queue: "gpu" })]);
export const DAY_MS = 24 * 3_600_000;
export let cluster: TestCluster;

/** One scene a test file: `setUp` begins it anew. */
export const setUp = (definitions = [ONE, OTHER]): void => {
  cluster = new TestCluster(PARTITIONS, definitions);
};

export const ids = (count: number, prefix = "r"): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);
export const fail = (runId: string, mode = FailureMode.NETWORK): unknown =>
  cluster.of(runId).finish(runId, "work", failed(mode));
export const succeed = (runId: string): unknown => cluster.of(runId).finish(runId, "work", succeeded());

/** Runs that have failed, in the order of their ids. */
export function failedRuns(
  count: number,
  workflowName = "one",
  prefix = "r",
  mode = FailureMode.NETWORK,
): string[] {
  const runIds = ids(count, prefix);
  for (const runId of runIds) {
    cluster.start(runId, workflowName);
    fail(runId, mode);
  }
  return runIds;
}

export function begin(spec: Init<BulkSpec>, runIds: string[] = [], id = "op") {
  return homeOf(cluster, id).control(startBulk(id, spec, { runIds }), `begin-${id}`);
}

/** As a door sends a list that it was given. */
export function runSorted(spec: Init<BulkSpec>, asGiven: readonly string[], id = "op") {
  const { runIds, wrongIds, listed } = sortIds(asGiven);
  const named = { runIds: [...runIds], wrongIds: [...wrongIds], listed };
  const outcome = homeOf(cluster, id).control(startBulk(id, { byIds: true, ...spec }, named), `begin-${id}`);
  must(outcome.case === "accepted", `operation ${id} begins`);
  return settled(id);
}

export function run(spec: Init<BulkSpec>, runIds: string[] = [], id = "op") {
  must(begin(spec, runIds, id).case === "accepted", `operation ${id} begins`);
  return settled(id);
}

function settled(id: string) {
  drive(cluster);
  cluster.partitions.forEach(checkPartition);
  return operationOf(cluster, id);
}

export const statusOf = (runId: string): string => RunStatus[cluster.of(runId).run(runId).status];
export const counts = (id = "op") => operationOf(cluster, id).counts;
export const results = (id = "op") =>
  resultsOf(homeOf(cluster, id), id).toSorted((a, b) => (a.runId < b.runId ? -1 : 1));
