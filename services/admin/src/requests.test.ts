/** Whatever is asked, the answer is an answer or a status that says what to do: never INTERNAL, never UNKNOWN. */
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { create, ScalarType } from "@bufbuild/protobuf";
import { AdminService, BulkStatus, type QueryRequest, type RejectCode, RunViewSchema } from "@holdfast/proto";
import { RpcError } from "@holdfast/rpc";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
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

const text = fc.oneof(
  fc.constantFrom(
    "",
    "orders",
    "r1",
    "load",
    "null",
    "{}",
    '{"a":',
    "a.b",
    "*",
    ">",
    "..",
    "a/b",
    "a\0b",
    "x".repeat(10_000),
  ),
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.json({ maxDepth: 3 }),
);

const scalars: Partial<Record<ScalarType, fc.Arbitrary<unknown>>> = {
  [ScalarType.STRING]: text,
  [ScalarType.BOOL]: fc.boolean(),
  [ScalarType.BYTES]: fc.uint8Array({ maxLength: 40 }),
  [ScalarType.INT32]: fc.oneof(
    fc.integer({ min: -2, max: 1_002 }),
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  ),
  [ScalarType.UINT32]: fc.oneof(fc.integer({ min: 0, max: 1_002 }), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
  [ScalarType.INT64]: fc.oneof(
    fc.bigInt({ min: -2n, max: 5_000_000_000n }),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  ),
  [ScalarType.UINT64]: fc.oneof(fc.bigInt({ min: 0n, max: 9n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
};

function valueOf(field: DescField): fc.Arbitrary<unknown> {
  const one = (scalar: ScalarType): fc.Arbitrary<unknown> => {
    const arbitrary = scalars[scalar];
    if (arbitrary === undefined) throw new Error(`no values for ${field.toString()}`);
    return arbitrary;
  };
  const numbers = fc.oneof(
    fc.integer({ min: 0, max: 20 }),
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  );
  switch (field.fieldKind) {
    case "scalar":
      return one(field.scalar);
    case "enum":
      return numbers;
    case "message":
      return requestOf(field.message);
    case "list":
      if (field.listKind === "message") return fc.array(requestOf(field.message), { maxLength: 3 });
      return fc.array(field.listKind === "enum" ? numbers : one(field.scalar), { maxLength: 40 });
    default:
      throw new Error(`no values for ${field.toString()}`);
  }
}

/** Any message of that type: each field present or not, with likely and unlikely values. */
function requestOf(schema: DescMessage): fc.Arbitrary<Record<string, unknown>> {
  const plain = schema.fields
    .filter((field) => field.oneof === undefined)
    .map((field) => [field.localName, valueOf(field)] as const);
  const choices = schema.oneofs.map(({ localName, fields }) => {
    const cases = fields.map((field) =>
      fc.record({ case: fc.constant(field.localName), value: valueOf(field) }),
    );
    return [localName, fc.oneof(...cases)] as const;
  });
  return fc.record(Object.fromEntries<fc.Arbitrary<unknown>>([...plain, ...choices]), { requiredKeys: [] });
}

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
