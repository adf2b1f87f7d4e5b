/**
 * The whole way, with a real node, worker and client on ports in memory, and operators on a real gRPC port: a run fails in
 * part, shows what failed and why, and is healed by one call.
 */
import { CommandClient, Node, PayloadCodec, QueryClient, soleOwner, systemClock } from "@holdfast/engine";
import {
  MemoryCommandLog,
  MemoryDefinitions,
  MemoryNetwork,
  MemoryPayloads,
  MemoryStateStore,
  MemoryWorkQueue,
} from "@holdfast/engine/memory";
import { AdminService, FailureMode, ItemStatus, type RetryOutcome, RunStatus } from "@holdfast/proto";
import { createClient } from "@holdfast/rpc";
import { ActionError, createWorker, Holdfast, typed, workflow } from "@holdfast/sdk";
import { createRegistry, silentLogger } from "@holdfast/telemetry";
import { SchemaValidator } from "@holdfast/schema";
import { afterEach, beforeEach, expect, it } from "vitest";
import { serveAdmin } from "./serve-admin.js";

const PARTITIONS = 4;
const SCHEMA = { type: "object", required: ["rows"], properties: { rows: { type: "array" } } };

let broken = true;
const rows = workflow("rows", { input: typed<{ rows: number[] }>(SCHEMA) })
  .forEach("check", { items: "rows" }, ({ item }) => {
    if (broken && item % 7 === 0) throw new ActionError("VALIDATION", `row ${item} has no name`);
    return item * 2;
  })
  .action("sum", { after: ["check"] }, ({ check }) => check.reduce((sum, each) => sum + each, 0));

const closing: (() => Promise<unknown> | void)[] = [];
let admin: ReturnType<typeof createClient<typeof AdminService>>["call"];

beforeEach(async () => {
  broken = true;
  const network = new MemoryNetwork();
  const log = new MemoryCommandLog({ partitions: PARTITIONS, nowNs: () => BigInt(Date.now()) * 1_000_000n });
  const [definitions, payloads, work] = [
    new MemoryDefinitions(),
    new MemoryPayloads(),
    new MemoryWorkQueue(),
  ];
  const node = new Node({
    node: "node-1",
    log,
    store: new MemoryStateStore(),
    bus: network.bus(),
    payloads,
    ownership: soleOwner,
    logger: silentLogger,
    registry: createRegistry(),
  });
  await node.start();
  closing.push(() => node.stop());
  const connection = Holdfast.over({ log, bus: network.bus(), definitions, payloads, close: async () => {} });
  const worker = await createWorker({ connection, workflows: [rows] });
  closing.push(
    () => worker.stop(),
    () => connection.close(),
  );

  const bus = network.bus();
  const commands = new CommandClient({ log, bus, producer: "admin-1" });
  closing.push(() => commands.close());
  const server = await serveAdmin({
    address: "127.0.0.1:0",
    logger: silentLogger,
    parts: {
      commands,
      queries: new QueryClient({ bus, partitions: PARTITIONS }),
      definitions,
      work,
      payloads: new PayloadCodec(payloads),
      store: payloads,
      validator: new SchemaValidator(),
      clusterInfo: { version: "0.1.0", natsServerVersion: "none", warnings: [] },
      bus,
      clock: systemClock,
    },
  });
  closing.push(() => server.close());
  const client = createClient(AdminService, server.address, { user: "ann" });
  closing.push(() => client.close());
  admin = client.call;
});

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function settled(runId: string) {
  await expect
    .poll(async () => (await admin.getRun({ runId })).run?.summary?.endedAt, { timeout: 10_000 })
    .toBeDefined();
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

it("what is asked wrongly is told where it was asked", async () => {
  await expect(admin.getRun({ runId: "none" })).rejects.toMatchObject({ code: "NOT_FOUND" });
  await expect(admin.retryRun({ runId: "none" })).rejects.toMatchObject({ code: "NOT_FOUND" });
  await expect(admin.startRun({ workflow: "rows", inputJson: "{}" })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringContaining("must have required property 'rows'"),
  });
  const { partitions, workers } = await admin.describeCluster({});
  expect(partitions.map(({ owner }) => owner)).toEqual(Array.from({ length: PARTITIONS }, () => "node-1"));
  await expect.poll(async () => (await admin.describeCluster({})).workers.length, { timeout: 5_000 }).toBe(1);
  expect(workers.length).toBeLessThanOrEqual(1);
});
