/** What the small admin service of tests knows of operations on many runs: one, `op-1`, that has halted. */
import { create } from "@bufbuild/protobuf";
import { sortIds } from "@holdfast/core";
import {
  type AdminService,
  BulkKind,
  BulkOperationViewSchema,
  BulkResultKind,
  BulkStatus,
} from "@holdfast/proto";
import { RpcError, type ServiceHandlers } from "@holdfast/rpc";

const BULK = create(BulkOperationViewSchema, {
  operationId: "op-1",
  spec: { kind: BulkKind.RETRY, workflow: "films", who: "ann", reason: "the disk was full" },
  status: BulkStatus.HALTED,
  found: 44n,
  total: 44n,
  counts: {
    done: 5n,
    raced: 2n,
    refused: 1n,
    refusals: [{ why: "POLICY_SECURITY: needs a person", count: 1n }],
  },
  ends: { failed: 5n },
  left: 36n,
  wave: 1,
  detail: "halted: of the 5 that wave 1 set off, 5 are no better than before",
  startedAt: { seconds: 1_800_000_000n },
  endedAt: { seconds: 1_800_000_060n },
  keptUntil: { seconds: 1_800_086_460n },
});
/** Would do the same, and changed nothing. More than one page of results. */
const DRY = create(BulkOperationViewSchema, {
  operationId: "op-dry",
  spec: { kind: BulkKind.RETRY, workflow: "films", dryRun: true },
  status: BulkStatus.COMPLETED,
  total: 44n,
  counts: { done: 43n, refused: 1n },
});
const BULK_RESULTS = [
  { runId: "import-1", kind: BulkResultKind.DONE, items: 2 },
  { runId: "import-2", kind: BulkResultKind.REFUSED, reason: "it failed with POLICY_SECURITY" },
];

type Handlers = Pick<
  ServiceHandlers<typeof AdminService>,
  "startBulkRetry" | "startBulkOperation" | "getBulkOperation" | "listBulkOperations" | "abortBulkOperation"
>;

/** `asked`: what was asked, as `method request-field`. */
export function bulkHandlers(asked: string[]): Handlers {
  return {
    startBulkRetry: async ({ retry }) => {
      asked.push(`startBulkRetry ${retry?.workflow} ${retry?.canaryFirst},${retry?.canaryThen}`);
      return { operation: { ...BULK, wrongIds: sortIds(retry?.runIds ?? []).wrongIds.length } };
    },
    startBulkOperation: async ({ kind, workflow, queue, runIds, reason }) => {
      asked.push(`startBulkOperation ${BulkKind[kind]} ${workflow}${queue}${runIds.join("+")} ${reason}`);
      return { operation: { ...BULK, wrongIds: sortIds(runIds).wrongIds.length } };
    },
    getBulkOperation: async ({ operationId, pageToken }) => {
      if (operationId === DRY.operationId)
        return { operation: DRY, results: BULK_RESULTS, nextPageToken: pageToken === "" ? "more" : "" };
      if (operationId !== BULK.operationId)
        throw new RpcError("NOT_FOUND", `there is no bulk operation ${operationId}`);
      return { operation: BULK, results: BULK_RESULTS };
    },
    listBulkOperations: async ({ limit }) => ({ operations: [BULK, DRY].slice(0, limit) }),
    abortBulkOperation: async ({ operationId, reason }) => {
      asked.push(`abortBulkOperation ${operationId} ${reason}`);
      return {};
    },
  };
}
