/** Short ways to write bulk operations and their commands in tests, and to do what owners do of them. */
import {
  AbortBulkSchema,
  BulkKind,
  type BulkOperationView,
  type BulkRecord,
  type BulkResult,
  type BulkSpec,
  BulkSpecSchema,
  type Command,
  type StartBulk,
  StartBulkSchema,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { nextBulkStep } from "../bulk/share.js";
import { partitionOf } from "../names.js";
import { bulkKey, bulkResultsKey, bulkShareKey } from "../state/tables.js";
import { bulkView } from "../views/bulk-view.js";
import { command } from "./build.js";
import type { TestCluster } from "./cluster.js";
import type { TestPartition } from "./partition.js";

export const bulkSpec = (fields: Init<BulkSpec>): BulkSpec =>
  init(BulkSpecSchema, { kind: BulkKind.RETRY, who: "ann", reason: "it is mended", ...fields });

export const startBulk = (
  operationId: string,
  fields: Init<BulkSpec>,
  more: Init<StartBulk> = {},
): Command["kind"] => ({
  case: "startBulk",
  value: init(StartBulkSchema, { operationId, spec: bulkSpec(fields), ...more }),
});

export const abortBulk = (operationId: string, reason = "enough"): Command["kind"] => ({
  case: "abortBulk",
  value: init(AbortBulkSchema, { operationId, who: "bob", reason }),
});

/** The step that a partition's part waits for. */
export function bulkStep({ view }: TestPartition, operationId: string): Command | undefined {
  const share = view.get(bulkShareKey(operationId));
  const value = share && nextBulkStep(operationId, share);
  return value && command({ case: "bulkStep", value });
}

export const sharesOf = ({ view }: TestPartition): string[] => view.keysOf("b").map((key) => key.slice(1));

/** Does one step of each part that there is; false where there was none. */
export function stepAll(partition: TestPartition): boolean {
  const steps = sharesOf(partition).flatMap((id) => bulkStep(partition, id) ?? []);
  for (const step of steps) partition.asOwner(step);
  return steps.length > 0;
}

const ROUNDS_MAX = 2_000;

/** Brings all messages and does all steps that there are. */
export function drive(cluster: TestCluster): void {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    cluster.settle();
    if (!cluster.partitions.map(stepAll).includes(true)) return;
  }
  throw new Error(`an operation goes on without end: ${ROUNDS_MAX} rounds were not enough`);
}

export const homeOf = (cluster: TestCluster, operationId: string): TestPartition =>
  cluster.at(partitionOf(operationId, cluster.partitions.length));

export const operationOf = (cluster: TestCluster, operationId: string): BulkOperationView => {
  const record = homeOf(cluster, operationId).view.get(bulkKey(operationId));
  if (record === undefined) throw new Error(`there is no operation ${operationId}`);
  return bulkView(operationId, record);
};

export function resultsOf({ view }: TestPartition, operationId: string): BulkResult[] {
  const { pages, pagesGone } = view.get(bulkKey(operationId)) as BulkRecord;
  const results: BulkResult[] = [];
  for (let page = pagesGone; page < pages; page++)
    results.push(...(view.get(bulkResultsKey(operationId, page))?.results ?? []));
  return results;
}
