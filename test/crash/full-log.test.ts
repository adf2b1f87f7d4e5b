/** A log without room, and a log that is gone: told at once to whoever sends, shown by health, and over once its cause is. */
import { logStream } from "@holdfast/engine";
import { partitionOf } from "@holdfast/core";
import { RunStatus } from "@holdfast/proto";
import { RpcError } from "@holdfast/rpc";
import { type Holdfast, HoldfastError } from "@holdfast/sdk";
import { connect, headers, type JetStreamManager, type NatsConnection } from "nats";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Child } from "../support/child.js";
import { type Admin, PARTITIONS, System } from "../support/system.js";
import { until, within } from "../support/wait.js";

const ROOM = 300_000;
const MORE = 50_000_000;
/** Told at once, on a machine that does much else. The client's own time for it is 30 s. */
const AT_ONCE_MS = 10_000;
const WAIT_MS = 60_000;

let system: System;
let client: Holdfast;
let admin: Admin;
let nats: NatsConnection;
let streams: JetStreamManager["streams"];

beforeEach(async () => {
  system = await System.start();
  client = await system.connect();
  admin = await system.startAdmin();
  await system.startWorker({ modules: ["test/crash/workflows.ts"] });
  nats = await connect({ servers: system.url });
  system.onStop(() => nats.close());
  ({ streams } = await nats.jetstreamManager());
});
afterEach(() => system.stop());

const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
const later = () => new Date(Date.now() + 24 * 3_600_000);

async function health(node: Child): Promise<{ status: number; text: string }> {
  const answer = await fetch(`${node.ready[2]}/healthz`, { signal: AbortSignal.timeout(10_000) });
  return { status: answer.status, text: await answer.text() };
}

const failure = <T>(promise: Promise<T>): Promise<unknown> =>
  within(
    "an answer at once",
    promise.then(
      () => undefined,
      (error: unknown) => error,
    ),
    AT_ONCE_MS,
  );

test("a full log is told at once by every way in, and everything goes on once it has room", async () => {
  const done = await client.start("single", { n: 1, ms: 0 }, { runId: "before" });
  await done.ended();
  for (const partition of partitions) await streams.update(logStream(partition), { max_bytes: ROOM });
  let refused: unknown;
  for (let n = 0; refused === undefined && n < 5_000; n++) {
    const padded = { n, ms: 0, padding: "x".repeat(900) };
    refused = await failure(client.start("single", padded, { runId: `filling-${n}`, startAt: later() }));
  }
  expect(refused).toBeInstanceOf(HoldfastError);
  expect(refused).toMatchObject({ code: "OVERLOADED", retry: "safe" });
  expect(String(refused)).toMatch(
    /log of partition \d is full \(stream HOLDFAST_LOG_\d, 0\.\d of 0\.3 MiB\).*nats stream edit/,
  );
  const full = Number((refused as HoldfastError).details["partition"]);
  const runId = Array.from({ length: 1_000 }, (_, n) => `next-${n}`).find(
    (id) => partitionOf(id, PARTITIONS) === full,
  ) as string;

  const request = {
    workflow: "single",
    inputJson: JSON.stringify({ n: 1, ms: 0, padding: "x".repeat(20_000) }),
  };
  const overGrpc = await failure(admin.call.startRun({ ...request, runId }));
  expect(overGrpc).toBeInstanceOf(RpcError);
  expect(overGrpc).toMatchObject({ code: "RESOURCE_EXHAUSTED", details: { stream: logStream(full) } });

  // Published work is kept by NATS until there is room: nothing of it is lost, and health says why it waits.
  const published = Array.from({ length: 40 }, (_, n) => `published-${n}`);
  for (const id of published)
    nats.publish("holdfast.work.single", Buffer.from(request.inputJson), {
      headers: headersOf(id),
    });
  const told = await until(
    "health to tell it",
    async () => {
      const answer = await health(system.node);
      return answer.status === 503 && /log of partition \d is full/.test(answer.text) && answer;
    },
    WAIT_MS,
  );
  expect(told.text).toContain("nats stream edit");
  const { partitions: shown, warnings } = await admin.call.describeCluster({});
  expect(shown.filter(({ problem }) => problem.includes("is full")).length).toBeGreaterThan(0);
  expect(shown[full]?.logBytes).toBeGreaterThan(0n);
  expect(warnings.join("\n")).toContain("filling up");

  for (const partition of partitions) await streams.update(logStream(partition), { max_bytes: MORE });
  await until("health to be well", async () => (await health(system.node)).status === 200, WAIT_MS);
  await within(
    "a new run to end",
    (await client.start("single", { n: 1, ms: 0 }, { runId })).ended(),
    WAIT_MS,
  );
  for (const id of published)
    await until(
      `${id} to be done`,
      async () => (await client.get(id).catch(() => undefined))?.summary?.status === RunStatus.COMPLETED,
      WAIT_MS,
    );
});

function headersOf(runId: string) {
  const made = headers();
  made.set("Holdfast-Run-Id", runId);
  return made;
}

test("one log that is gone stops its partition alone, at the start of a node, too", async () => {
  await streams.delete(logStream(1));
  const others = partitions.filter((partition) => partition !== 1);
  const stopped = () =>
    until("it to be told", async () => (await health(system.node)).text.includes("is gone"), WAIT_MS);
  await until("health to tell it", async () => (await health(system.node)).status === 503, WAIT_MS);
  await system.node.stop();
  const node = await system.startNode();
  await stopped();
  const { partitions: shown } = await admin.call.describeCluster({});
  expect(shown.map(({ state }) => state)).toEqual(["acting", "stopped", "acting", "acting"]);
  expect(shown[1]?.problem).toMatch(/its log, the stream HOLDFAST_LOG_1, is gone.*bring the stream back/);
  expect((await fetch(`${node.ready[2]}/readyz`)).status).toBe(200);
  const ids = Array.from({ length: 30 }, (_, n) => `on-${n}`).filter((id) =>
    others.includes(partitionOf(id, PARTITIONS)),
  );
  const runs = await Promise.all(ids.map((id) => client.start("single", { n: 1, ms: 0 }, { runId: id })));
  await within("runs of the others to end", Promise.all(runs.map((run) => run.ended())), WAIT_MS);
});

test("health tells that NATS is away, and that it is back", async () => {
  await system.stopServer();
  const told = await until(
    "health to tell it",
    async () => {
      const answer = await health(system.node);
      return answer.status === 503 && answer;
    },
    WAIT_MS,
  );
  expect(told.text).toContain("no connection to NATS");
  expect((await fetch(`${system.node.ready[2]}/livez`)).status).toBe(200);
  await system.startServer();
  await until("health to be well", async () => (await health(system.node)).status === 200, WAIT_MS);
});
