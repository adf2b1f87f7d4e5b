/** Any request against a real node: an answer or a status that says what to do, naming the field; page tokens that were tampered with; deadlines. */
import { AdminService, RunStatus } from "@holdfast/proto";
import { RpcError } from "@holdfast/rpc";
import { ActionError, typed, workflow } from "@holdfast/sdk";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { requestOf } from "./any-request.js";
import { memorySystem, type MemorySystem } from "./memory-system.js";

const orders = workflow("orders", { input: typed<{ rows: number[] }>() }).forEach(
  "load",
  { items: "rows", retry: { maxAttempts: 1 } },
  ({ item }) => {
    if (item % 2 === 1) throw new ActionError("VALIDATION", `row ${item} is odd`);
    return item;
  },
);

let system: MemorySystem;
beforeAll(async () => {
  system = await memorySystem([orders]);
  for (const runId of ["r1", "r2", "r3"])
    await system.admin.startRun({ workflow: "orders", runId, inputJson: '{"rows":[1,2,3]}' });
  const ended = async () => (await system.admin.getRun({ runId: "r1" })).run?.summary?.status;
  await vi.waitUntil(async () => (await ended()) === RunStatus.COMPLETED_WITH_FAILURES, {
    timeout: 60_000,
  });
});
afterAll(() => system.close());

async function failureOf(call: Promise<unknown>): Promise<RpcError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof RpcError) return error;
  throw new Error(`expected an RpcError, got ${String(error)}`);
}

type Unary = (request: unknown) => Promise<unknown>;
const unary = AdminService.methods.filter(({ methodKind }) => methodKind === "unary");

describe("any request", () => {
  it.each(unary.map((method) => [method.name, method] as const))(
    "of %s is answered, or refused with what is wrong",
    async (_name, method) => {
      const call = system.admin[method.localName as keyof typeof system.admin] as unknown as Unary;
      await fc.assert(
        fc.asyncProperty(requestOf(method.input), async (request) => {
          try {
            await call(request);
          } catch (error) {
            if (!(error instanceof RpcError)) throw error;
            expect(error.message).not.toBe("");
            expect([error.code, error.message]).not.toEqual([
              expect.stringMatching(/^(INTERNAL|UNKNOWN|CANCELLED|DATA_LOSS|UNIMPLEMENTED)$/),
              error.message,
            ]);
            if (error.code !== "INVALID_ARGUMENT") return;
            // Who has to mend a request is told which part of it.
            const { field, reason } = error.details;
            expect(`${String(field ?? "")}${String(reason ?? "")}`).not.toBe("");
            if (field !== undefined) expect(error.message.startsWith(`${String(field)}: `)).toBe(true);
          }
        }),
        { numRuns: 60 },
      );
      // Whatever that was, the node still serves.
      expect((await system.admin.getRun({ runId: "r1" })).run?.summary?.runId).toBe("r1");
    },
  );
});

describe("a page token that was tampered with", () => {
  const lists: readonly (readonly [string, (pageToken: string) => Promise<unknown>, string])[] = [
    ["ListRuns", (pageToken) => system.admin.listRuns({ pageSize: 1, pageToken }), "runs"],
    ["ListItems", (pageToken) => system.admin.listItems({ runId: "r1", pageSize: 1, pageToken }), "items"],
    ["ListRejected", (pageToken) => system.admin.listRejected({ pageSize: 1, pageToken }), "rejected"],
    ["ListSchedules", (pageToken) => system.admin.listSchedules({ pageSize: 1, pageToken }), "schedules"],
    ["ListDeadLetters", (pageToken) => system.admin.listDeadLetters({ pageSize: 1, pageToken }), "letters"],
  ];

  it.each(lists)("of %s is refused by its name, or one of the list's", async (_name, list) => {
    const page = (await list("")) as { nextPageToken: string };
    const good = page.nextPageToken === "" ? "AAAA" : page.nextPageToken;
    const tampered = fc.oneof(
      fc.string({ unit: "binary", minLength: 1, maxLength: 60 }),
      fc.constantFrom("0", "-1", "1e9", "null", "{}", "x".repeat(100_000), "18446744073709551616"),
      fc
        .tuple(fc.nat({ max: good.length }), fc.string({ maxLength: 3 }))
        .map(([at, text]) => good.slice(0, at) + text),
    );
    await fc.assert(
      fc.asyncProperty(tampered, async (token) => {
        if (token === "") return;
        try {
          await list(token);
        } catch (error) {
          if (!(error instanceof RpcError)) throw error;
          expect([error.code, error.message]).toEqual([
            "INVALID_ARGUMENT",
            expect.stringMatching(/page.?token/i),
          ]);
        }
      }),
      { numRuns: 100 },
    );
  });
});

it("a call whose time is over already is DEADLINE_EXCEEDED, and disturbs nothing", async () => {
  for (const timeoutMs of [0, -5, 1]) {
    const error = await failureOf(
      Promise.all(Array.from({ length: 200 }, () => system.admin.listRuns({}, { timeoutMs }))),
    );
    expect(["DEADLINE_EXCEEDED", "UNAVAILABLE"]).toContain(error.code);
  }
  expect((await system.admin.listRuns({})).runs.length).toBeGreaterThanOrEqual(3);
});
