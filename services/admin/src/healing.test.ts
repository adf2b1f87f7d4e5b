/**
 * The whole way, with a real node, worker and client on ports in memory, and operators on a real gRPC port: a run fails in
 * part, shows what failed and why, and is healed by one call.
 */
import { FailureMode, ItemStatus, RecoveryStrategy, type RetryOutcome, RunStatus } from "@holdfast/proto";
import { ActionError, typed, workflow } from "@holdfast/sdk";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type MemorySystem, memorySystem, PARTITIONS } from "./memory-system.js";

const SCHEMA = { type: "object", required: ["rows"], properties: { rows: { type: "array" } } };

let broken = true;
const rows = workflow("rows", { input: typed<{ rows: number[] }>(SCHEMA) })
  .forEach("check", { items: "rows" }, ({ item }) => {
    if (broken && item % 7 === 0) throw new ActionError("VALIDATION", `row ${item} has no name`);
    return item * 2;
  })
  .action("sum", { after: ["check"] }, ({ check }) => check.reduce((sum, each) => sum + each, 0));

let system: MemorySystem;
let admin: MemorySystem["admin"];
beforeEach(async () => {
  broken = true;
  system = await memorySystem([rows]);
  admin = system.admin;
});
afterEach(() => system.close());

async function settled(runId: string) {
  await expect.poll(async () => (await admin.getRun({ runId })).run?.summary?.endedAt).toBeDefined();
  const { run } = await admin.getRun({ runId });
  if (run?.summary === undefined) throw new Error("a run without a summary");
  return { ...run, summary: run.summary };
}

it("a partly failed run is shown as it is, and healed by RetryFailed", async () => {
  const inputJson = JSON.stringify({ rows: Array.from({ length: 20 }, (_, n) => n + 1) });
  const { runId } = await admin.startRun({ workflow: "rows", runId: "r1", inputJson });
  const failed = await settled(runId);
  expect(failed.summary).toMatchObject({
    status: RunStatus.COMPLETED_WITH_FAILURES,
    failureMode: FailureMode.VALIDATION,
    items: { total: 20, succeeded: 18, failed: 2 },
  });
  expect(failed.summary.retryableUntil).toBeDefined();
  expect(Buffer.from(failed.input?.body.value as Uint8Array).toString()).toBe(inputJson);

  const { action, items, counts } = await admin.listItems({ runId, statuses: [ItemStatus.FAILED] });
  expect(action).toBe("check");
  expect(counts?.failed).toBe(2);
  expect(items.map(({ index, inputSnapshot, failure }) => [index, inputSnapshot, failure?.message])).toEqual([
    [6, "7", "row 7 has no name"],
    [13, "14", "row 14 has no name"],
  ]);
  expect((await admin.listRuns({ workflow: "rows" })).runs.map((run) => run.runId)).toEqual(["r1"]);
  expect((await admin.getCounts({})).total).toMatchObject({ completedWithFailures: 1n });

  broken = false;
  const outcomes: RetryOutcome[] = [];
  for await (const { kind } of admin.retryFailed({ workflow: "rows", reason: "mended" })) {
    if (kind.case === "outcome") outcomes.push(kind.value);
  }
  expect(outcomes).toMatchObject([{ matched: 1n, retried: 1n, raced: 0n, refused: 0n }]);
  await expect
    .poll(async () => (await admin.getRun({ runId })).run?.summary?.status)
    .toBe(RunStatus.COMPLETED);
  const healed = await settled(runId);
  expect(healed.summary).toMatchObject({ generation: 2, items: { succeeded: 20, failed: 0 } });
  const sum = healed.actions.find(({ name }) => name === "sum");
  expect(Buffer.from(sum?.output?.body.value as Uint8Array).toString()).toBe("420");

  await expect(admin.retryRun({ runId })).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
    message: expect.stringContaining("it is COMPLETED"),
  });
  await expect(admin.cancelRun({ runId })).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
});

it("the same retry under one request id is done once", async () => {
  await admin.startRun({ workflow: "rows", runId: "r2", inputJson: '{"rows": [7, 8]}' });
  await settled("r2");
  const first = await admin.retryRun({ runId: "r2", requestId: "once" });
  expect(first).toMatchObject({ items: 1, actions: 1 });
  await settled("r2");
  const again = await admin.retryRun({ runId: "r2", requestId: "once" });
  expect(again).toMatchObject({ items: first.items, actions: first.actions });
  expect((await settled("r2")).summary.generation).toBe(2);
});

it("single items are retried, and the others left as they are; items in the dead letters too", async () => {
  await admin.startRun({ workflow: "rows", runId: "r3", inputJson: '{"rows": [7, 14, 21, 1]}' });
  await settled("r3");
  for (const [request, code, message] of [
    [{ items: [0] }, "INVALID_ARGUMENT", "name the action"],
    [{ action: "check" }, "INVALID_ARGUMENT", "names no item"],
    [{ action: "no way", items: [0] }, "INVALID_ARGUMENT", "action"],
    [{ action: "check", items: Array.from({ length: 1_001 }, (_, i) => i) }, "INVALID_ARGUMENT", "1,?000"],
    [{ action: "check", items: [9] }, "NOT_FOUND", "has no item 9"],
    [{ action: "zz", items: [0] }, "NOT_FOUND", 'has no action "zz"'],
    [{ action: "check", items: [3] }, "FAILED_PRECONDITION", "is not failed: it is SUCCEEDED"],
    [
      { action: "check", items: [0], strategy: RecoveryStrategy.RETRY_ALL },
      "INVALID_ARGUMENT",
      "sets off more",
    ],
    [{ deadLetters: true }, "FAILED_PRECONDITION", "is not in the dead letters"],
  ] as const) {
    const asked = admin.retryRun({
      runId: "r3",
      ...request,
      items: [...("items" in request ? request.items : [])],
    });
    await expect(asked).rejects.toMatchObject({
      code,
      message: expect.stringMatching(new RegExp(message)),
    });
  }
  broken = false;
  expect(await admin.retryRun({ runId: "r3", action: "check", items: [1] })).toMatchObject({
    items: 1,
    actions: 1,
  });
  expect((await settled("r3")).summary.items).toMatchObject({ succeeded: 2, failed: 2 });
  const { items } = await admin.listItems({ runId: "r3", statuses: [ItemStatus.FAILED] });
  expect(items.map(({ index, inputSnapshot, attempts }) => [index, inputSnapshot, attempts])).toEqual([
    [0, "7", 1],
    [2, "21", 1],
  ]);
  await admin.moveToDeadLetters({ runId: "r3", action: "check", items: [2], reason: "asked" });
  expect(await admin.retryRun({ runId: "r3", deadLetters: true })).toMatchObject({ items: 1 });
  const healed = await settled("r3");
  expect(healed.summary).toMatchObject({ generation: 3, items: { succeeded: 3, failed: 1 } });
  expect(healed.deadLetters).toEqual([]);
});

it("what is asked wrongly is told where it was asked", async () => {
  await expect(admin.getRun({ runId: "none" })).rejects.toMatchObject({ code: "NOT_FOUND" });
  await expect(admin.retryRun({ runId: "none" })).rejects.toMatchObject({ code: "NOT_FOUND" });
  await expect(admin.startRun({ workflow: "rows", inputJson: "{}" })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringContaining("must have required property 'rows'"),
  });
  const { partitions, workers } = await admin.describeCluster({});
  expect(partitions.map(({ owner }) => owner)).toEqual(Array.from({ length: PARTITIONS }, () => "node-1"));
  await expect.poll(async () => (await admin.describeCluster({})).workers.length).toBe(1);
  expect(workers.length).toBeLessThanOrEqual(1);
});
