/** Whatever is asked, the answer is an answer or a status that says what to do: never INTERNAL, never UNKNOWN. */
import { create } from "@bufbuild/protobuf";
import { AdminService, BulkStatus, type QueryRequest, type RejectCode, RunViewSchema } from "@holdfast/proto";
import { RpcError } from "@holdfast/rpc";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requestOf } from "./any-request.js";
import { definitionOf, type QueryResult, type ScriptedCluster, scriptedCluster } from "./scripted-cluster.js";

type Kind = Exclude<QueryRequest["kind"], { case: undefined }>;

/** One answer for each kind of query: a new kind that has none here does not compile. */
const answers: { [K in Kind["case"]]: (value: Extract<Kind, { case: K }>["value"]) => QueryResult } = {
  getRun: ({ runId }) => ({ case: "run", value: create(RunViewSchema, { summary: { runId } }) }),
  listRuns: () => ({ case: "runs", value: { runs: [], cursors: [], more: false } }),
  listItems: () => ({ case: "items", value: { items: [] } }),
  getCounts: () => ({ case: "counts", value: { workflows: [] } }),
  getPayload: () => ({ case: "payload", value: {} }),
  status: () => ({ case: "status", value: {} }),
  check: () => ({ case: "check", value: {} }),
  retention: () => ({ case: "retention", value: { workflows: [], sweeps: [] } }),
  listDeadLetters: () => ({ case: "deadLetters", value: {} }),
  listBreakers: () => ({ case: "breakers", value: {} }),
  getSchedule: ({ name }) => ({ case: "schedule", value: { name } }),
  references: () => ({ case: "references", value: {} }),
  listSchedules: () => ({ case: "schedules", value: { schedules: [] } }),
  listSignatures: () => ({ case: "signatures", value: {} }),
  signatureRuns: () => ({ case: "signatureRuns", value: {} }),
  listAttention: () => ({ case: "attention", value: {} }),
  getBulk: ({ operationId }) => ({
    case: "bulk",
    value: { operation: { operationId, status: BulkStatus.COMPLETED } },
  }),
  listBulk: () => ({ case: "bulks", value: {} }),
};

function answered(kind: QueryRequest["kind"]): QueryResult {
  if (kind.case === undefined) throw new Error("a query of no kind");
  return (answers[kind.case] as (value: unknown) => QueryResult)(kind.value);
}

let cluster: ScriptedCluster;
beforeAll(async () => {
  cluster = await scriptedCluster({
    command: ({ correlation }) =>
      correlation % 2n === 0n
        ? { case: "accepted", value: { runId: "r1" } }
        : { case: "rejected", value: { code: (Number(correlation) % 16) as RejectCode, message: "no" } },
    query: answered,
  });
  await cluster.definitions.put(definitionOf("orders", { type: "object" }));
});
afterAll(() => cluster.close());

type AnyCall = (request: unknown) => unknown;

describe("any request", () => {
  it.each(AdminService.methods.map((method) => [method.name, method] as const))(
    "of %s gets an answer or a proper status",
    async (_name, method) => {
      const call = cluster.admin[method.localName as keyof typeof cluster.admin] as unknown as AnyCall;
      await fc.assert(
        fc.asyncProperty(requestOf(method.input), async (request) => {
          try {
            const answer = call(method.methodKind === "client_streaming" ? streamed([request]) : request);
            if (method.methodKind === "unary" || method.methodKind === "client_streaming") await answer;
            else
              for await (const each of answer as AsyncIterable<unknown>) {
                expect(each).toBeDefined();
                // A watch does not end by itself.
                if (method.localName.startsWith("watch")) break;
              }
          } catch (error) {
            if (!(error instanceof RpcError)) throw error;
            expect(error.message).not.toBe("");
            const isFault = ["INTERNAL", "UNKNOWN", "CANCELLED"].includes(error.code);
            expect(isFault ? error.message : "").toBe("");
          }
        }),
        { numRuns: 120 },
      );
    },
  );
});

async function* streamed(requests: readonly unknown[]): AsyncGenerator {
  yield* requests;
}
