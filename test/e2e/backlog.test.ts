/**
 * Far more runs than a node keeps ready wait for a worker, on a real log and a real store; one comes, and all of them end.
 * HOLDFAST_BACKLOG draws another number of runs.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { partitionOf } from "@holdfast/core";
import { CommandClient, QueryClient, startRunCommand } from "@holdfast/engine";
import { connectNats } from "@holdfast/nats";
import { startNatsServer } from "@holdfast/nats/managed-server";
import { createWorker, Holdfast, workflow } from "@holdfast/sdk";
import { createRegistry, silentLogger } from "@holdfast/telemetry";
import { startNode } from "@holdfast/workflow-service";
import { expect, onTestFinished, test } from "vitest";
import { until } from "../support/wait.js";

const RUNS = Number(process.env["HOLDFAST_BACKLOG"] ?? "2000");
const PARTITIONS = 4;
/** A quarter of it for each partition. */
const READY_TASKS_MAX = Math.max(40, Math.floor(RUNS / 500));

/** Two of one action, and two that go on in another queue. */
const WORKFLOWS = ["a", "b", "c", "d"].map((name, at) => {
  const first = workflow(name).action("first", () => 1);
  return at < 2 ? first : first.action("second", { after: ["first"], queue: "other" }, () => 2);
});

test("a backlog that is far beyond the ready queue is done to the last run once a worker comes", async () => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-backlog-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const server = await startNatsServer({ storeDir: join(folder, "nats") });
  onTestFinished(() => server.stop());
  const logger = silentLogger;
  const cluster = await connectNats({ servers: [server.url], name: "node", logger, partitions: PARTITIONS });
  onTestFinished(() => cluster.close());
  const registry = createRegistry();
  const limits = { readyTasksMax: READY_TASKS_MAX };
  const node = await startNode({ cluster, dataDir: folder, nodeId: "node", logger, registry, limits });
  onTestFinished(() => node.stop());
  const client = await Holdfast.connect({ url: server.url });
  onTestFinished(() => client.close());
  for (const each of WORKFLOWS) await client.register(each);

  const commands = new CommandClient({ log: cluster.log, bus: cluster.bus, producer: "client" });
  onTestFinished(() => commands.close());
  const sent: Promise<number>[] = [];
  for (let i = 0; i < RUNS; i++) {
    await commands.ready();
    const runId = `run-${i}`;
    const start = startRunCommand({ workflow: WORKFLOWS[i % WORKFLOWS.length]?.name ?? "", runId });
    sent.push(commands.send(partitionOf(runId, PARTITIONS), start));
  }
  await Promise.all(sent);

  const queries = new QueryClient({ bus: cluster.bus, partitions: PARTITIONS });
  // A node that is busy may answer late.
  const counts = () => until("the node counts its runs", () => queries.counts().catch(() => undefined));
  const active = async () => Number((await counts()).total.active);
  await until("all runs are begun", async () => (await active()) === RUNS);
  const begun = performance.now();
  const worker = await createWorker({ connection: client, workflows: WORKFLOWS, concurrency: 200 });
  onTestFinished(async () => void (await worker.stop()));
  // As long as it goes on, however slowly.
  const fewerThan = (before: number): Promise<number> =>
    until("more runs end", async () => {
      const left = await active();
      return left < before && { left };
    }).then(({ left }) => left);
  let left = RUNS;
  while (left > 0) left = await fewerThan(left);
  const tookS = (performance.now() - begun) / 1_000;
  if (RUNS > 10_000) process.stderr.write(`${RUNS} runs in ${tookS.toFixed(1)} s\n`);
  expect((await counts()).total.completed).toBe(BigInt(RUNS));
  expect(registry.render()).toContain("holdfast_stalls_total 0\n");
});
