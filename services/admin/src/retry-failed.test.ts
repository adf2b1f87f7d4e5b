/** Operations on many runs over a real gRPC port, with a real node: selectors, accounting, dry runs, waves, aborts, bad input. */
import {
  BulkKind,
  BulkStatus,
  FailureMode,
  type RetryFailedRequestSchema,
  type RetryOutcome,
  type RetryResult,
  RetryResultKind as Kind,
  RunStatus,
} from "@holdfast/proto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ActionError, type FailureModeName, typed, workflow } from "@holdfast/sdk";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type MemorySystem, memorySystem } from "./memory-system.js";

let broken = true;
const once = { retry: { maxAttempts: 1 } };
const fail = (mode: FailureModeName): number => {
  if (broken) throw new ActionError(mode, "it is broken");
  return 1;
};
const orders = workflow("orders", { input: typed<{ mode: FailureModeName }>() }).action(
  "load",
  once,
  ({ input }) => fail(input.mode),
);
const films = workflow("films", { queue: "gpu", input: typed<{ mode: FailureModeName }>() }).action(
  "cut",
  once,
  ({ input }) => fail(input.mode),
);
const held = workflow("held").waitForSignal("go", { signal: "go" });

let system: MemorySystem;
let admin: MemorySystem["admin"];
beforeEach(async () => {
  broken = true;
  system = await memorySystem([orders, films, held]);
  admin = system.admin;
});
afterEach(() => system.close());

async function failed(runIds: string[], mode: FailureModeName = "NETWORK", name = "orders"): Promise<void> {
  for (const runId of runIds)
    await admin.startRun({ workflow: name, runId, inputJson: JSON.stringify({ mode }) });
  for (const runId of runIds) await expect.poll(() => statusOf(runId)).toBe(RunStatus.FAILED);
}

const statusOf = async (runId: string): Promise<RunStatus | undefined> =>
  (await admin.getRun({ runId })).run?.summary?.status;

async function retry(request: MessageInitShape<typeof RetryFailedRequestSchema>) {
  const results: RetryResult[] = [];
  let outcome: RetryOutcome | undefined;
  let started = "";
  for await (const { kind } of admin.retryFailed(request)) {
    expect(outcome).toBeUndefined();
    if (kind.case === "started") started = kind.value.operationId;
    if (kind.case === "result") results.push(kind.value);
    if (kind.case === "outcome") outcome = kind.value;
  }
  if (outcome === undefined) throw new Error("the stream ended without an outcome");
  expect(started).not.toBe("");
  expect(outcome.matched).toBe(outcome.retried + outcome.raced + outcome.refused);
  expect(outcome.matched).toBe(BigInt(results.filter(({ kind }) => kind !== Kind.PRUNED).length));
  expect(outcome.refusedReasons.reduce((sum, { count }) => sum + count, 0n)).toBe(outcome.refused);
  return { results, outcome, started };
}

const ids = (count: number, prefix = "r"): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

describe("RetryFailed", () => {
  it.each<[MessageInitShape<typeof RetryFailedRequestSchema>, RegExp]>([
    [{}, /no selector was given; give exactly one selector: workflow, queue, signature or run_ids/],
    [{ workflow: "orders", runIds: ["a"] }, /workflow and run_ids were given together/],
    [{ workflow: "orders", queue: "gpu" }, /workflow and queue were given together/],
    [{ workflow: "a.*" }, /workflow name "a\.\*" is not valid/],
    [{ runIds: ["a b"] }, /run id "a b" is not valid/],
    [{ runIds: ids(10_001) }, /10001 run ids are more than the 10000/],
    [{ signature: "nonsense" }, /no failure signature/],
    [{ workflow: "orders", modes: [999 as FailureMode] }, /modes/],
    [{ workflow: "orders", canaryThen: 5 }, /canary\.then needs canary\.first/],
    [{ workflow: "orders", operationId: "a b" }, /operation_id/],
    [{ workflow: "orders", reason: "x".repeat(513) }, /reason/],
  ])("refuses %j", async (request, message) => {
    await expect(retry(request)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(message),
    });
  });

  it("does not know a workflow that nobody has registered", async () => {
    await expect(retry({ workflow: "nowhere" })).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("accounts for every run that it matches, by workflow, by queue, by signature and by ids", async () => {
    await failed(ids(3));
    await failed(ids(2, "p"), "POLICY_SECURITY");
    await failed(ids(2, "f"), "TIMEOUT", "films");
    const dry = await retry({ workflow: "orders", dryRun: true });
    expect(dry.outcome).toMatchObject({ matched: 5n, retried: 3n, refused: 2n, dryRun: true });
    expect(dry.outcome.refusedReasons).toMatchObject([
      { reason: "POLICY_SECURITY: needs a person", count: 2n },
    ]);
    expect((await retry({ queue: "gpu", dryRun: true })).outcome).toMatchObject({ matched: 2n, retried: 2n });
    const { signatures } = await admin.listFailureSignatures({ workflow: "films" });
    const signature = signatures[0]?.id ?? "";
    expect((await retry({ signature, dryRun: true })).outcome).toMatchObject({ matched: 2n, retried: 2n });
    const timedOut = await retry({ workflow: "films", modes: [FailureMode.NETWORK], dryRun: true });
    expect(timedOut.outcome.matched).toBe(0n);
    broken = false;
    const named = await retry({ runIds: ["r0", "r0", "p0", "nobody"], reason: "mended" });
    expect(named.outcome).toMatchObject({ matched: 3n, retried: 1n, raced: 0n, refused: 2n });
    await expect.poll(() => statusOf("r0")).toBe(RunStatus.COMPLETED);
    expect((await retry({ runIds: ["r0"] })).outcome).toMatchObject({ matched: 1n, raced: 1n });
    const { outcome } = await retry({ workflow: "orders", limit: 1, force: true });
    expect(outcome).toMatchObject({ matched: 1n, retried: 1n, limited: true });
  });

  it("refuses what of a list can be no run id by its place, and retries the others", async () => {
    await failed(ids(2));
    broken = false;
    const list = { runIds: ["r0", "a b", "r1", "", "r0", "x".repeat(1_000_000)] };
    const expected = { matched: 5n, retried: 2n, raced: 0n, refused: 3n };
    const dry = await retry({ ...list, dryRun: true });
    expect(dry.outcome).toMatchObject({ ...expected, dryRun: true });
    const { outcome, results, started } = await retry(list);
    expect(outcome).toMatchObject(expected);
    expect(outcome.refusedReasons).toMatchObject([{ reason: "not a run id", count: 3n }]);
    const refused = results.filter(({ kind }) => kind === Kind.REFUSED);
    const rule = "is not valid: use 1 to 128 of A-Z a-z 0-9 _ -";
    expect(refused).toMatchObject([
      { runId: '"a b"', reason: `number 2 of the 6 run ids ${rule}` },
      { runId: '"" (empty)', reason: `number 4 of the 6 run ids ${rule}` },
      { runId: `"${"x".repeat(60)}…" (1000000 characters)`, reason: `number 6 of the 6 run ids ${rule}` },
    ]);
    const { operation } = await admin.getBulkOperation({ operationId: started, pageSize: 100 });
    expect(operation).toMatchObject({ found: 5n, total: 5n, wrongIds: 3 });
    await expect.poll(() => statusOf("r1")).toBe(RunStatus.COMPLETED);
    await expect(retry({ runIds: ["a b", "c d"] })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it("begins one operation, however often it is sent under one id", async () => {
    await failed(ids(2));
    broken = false;
    const first = await retry({ workflow: "orders", operationId: "once" });
    const again = await retry({ workflow: "orders", operationId: "once" });
    expect(again.outcome).toMatchObject({ matched: 2n, retried: 2n });
    expect(again.results).toEqual(first.results);
    const { run } = await admin.getRun({ runId: "r0" });
    expect(run?.summary?.generation).toBe(2);
  });

  it("goes on when its caller has gone", async () => {
    await failed(ids(6));
    broken = false;
    for await (const { kind } of admin.retryFailed({ workflow: "orders", operationId: "left" }))
      if (kind.case === "started") break;
    await expect
      .poll(async () => (await admin.getBulkOperation({ operationId: "left" })).operation?.status)
      .toBe(BulkStatus.COMPLETED);
    expect((await admin.getBulkOperation({ operationId: "left" })).operation?.counts?.done).toBe(6n);
  });

  it("halts where its canary is no better", async () => {
    await failed(ids(6));
    const { outcome } = await retry({ workflow: "orders", canaryFirst: 2 });
    expect(outcome).toMatchObject({
      matched: 2n,
      operation: {
        status: BulkStatus.HALTED,
        left: 4n,
        detail: "halted: of the 2 that wave 1 set off, 2 are no better than before",
      },
    });
  });
});

describe("operations on many runs", () => {
  const ended = async (operationId: string): Promise<void> => {
    await expect
      .poll(async () => (await admin.getBulkOperation({ operationId })).operation?.endedAt)
      .toBeDefined();
  };

  it("cancel, put aside and discard, are listed, and are shown with their results", async () => {
    for (const runId of ids(3, "h")) await admin.startRun({ workflow: "held", runId });
    const cancel = {
      kind: BulkKind.CANCEL,
      workflow: "held",
      reason: "wrong release",
      operationId: "cancel",
    };
    await admin.startBulkOperation({ ...cancel, graceMs: 0 });
    await ended("cancel");
    for (const runId of ids(3, "h")) expect(await statusOf(runId)).toBe(RunStatus.CANCELLED);

    await failed(ids(2));
    const move = { kind: BulkKind.MOVE_TO_DEAD_LETTERS, workflow: "orders", operationId: "move" };
    await admin.startBulkOperation({ ...move, reason: "poison" });
    await ended("move");
    expect((await admin.listDeadLetters({ workflow: "orders" })).letters.length).toBe(2);
    const discard = { kind: BulkKind.DISCARD, queue: "default", operationId: "discard" };
    await expect(admin.startBulkOperation(discard)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("a discard needs a reason"),
    });
    await admin.startBulkOperation({ ...discard, reason: "a test's" });
    await ended("discard");
    expect((await admin.listDeadLetters({ workflow: "orders" })).letters).toEqual([]);

    const { operations } = await admin.listBulkOperations({});
    expect(operations.map(({ operationId }) => operationId).toSorted()).toEqual([
      "cancel",
      "discard",
      "move",
    ]);
    const shown = await admin.getBulkOperation({ operationId: "cancel", pageSize: 100 });
    expect(shown.operation?.spec).toMatchObject({ who: "ann", reason: "wrong release" });
    expect(shown.results.map(({ runId }) => runId).toSorted()).toEqual(ids(3, "h"));
  });

  it("are aborted, once", async () => {
    await failed(ids(3));
    await admin.startBulkRetry({ retry: { workflow: "orders", canaryFirst: 1, operationId: "waves" } });
    // The first wave fails again, or was aborted before.
    const aborting = admin
      .abortBulkOperation({ operationId: "waves", reason: "enough" })
      .catch(() => undefined);
    await aborting;
    await ended("waves");
    await expect(admin.abortBulkOperation({ operationId: "waves" })).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
    });
    await expect(admin.abortBulkOperation({ operationId: "none" })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
  });

  it("are refused where what is asked makes no sense", async () => {
    await expect(admin.getBulkOperation({ operationId: "none" })).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringContaining('there is no bulk operation "none"'),
    });
    await expect(admin.getBulkOperation({ operationId: "a b" })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    await expect(admin.getBulkOperation({ operationId: "a", pageToken: "x" })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    await expect(
      admin.startBulkOperation({ kind: BulkKind.RETRY, workflow: "orders" }),
    ).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("StartBulkRetry retries"),
    });
    await expect(admin.startBulkRetry({})).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});
