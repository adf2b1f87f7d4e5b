/**
 * JetStream's folder is an older copy, or another's, or empty, under a newer LevelDB. The node notices and says so; it never folds
 * over the gap, and harms nothing.
 */
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { partitionOf } from "@holdfast/core";
import { logStream, startRunCommand } from "@holdfast/engine";
import { type Holdfast, HoldfastError } from "@holdfast/sdk";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Child } from "../support/child.js";
import { type Snapshot, snapshot } from "../support/snapshot.js";
import { PARTITIONS, System } from "../support/system.js";
import { pause, until, within } from "../support/wait.js";

const ASK_MS = 1_500;
const MORE = 40;
/** Longer than a node takes to store what it has folded. */
const COMMIT_MS = 500;

let system: System;
let client: Holdfast;
/** What the older copy of the log holds. */
let older: Snapshot;
let newer: Snapshot;

const jetStream = (): string => join(system.natsDir, "jetstream");
const copy = (name: string): string => join(system.folder, `jetstream-${name}`);

async function startRuns(from: number, count: number): Promise<void> {
  const handles = await Promise.all(
    Array.from({ length: count }, (_, n) =>
      client.start("single", { n, ms: 0 }, { runId: `run-${from + n}` }),
    ),
  );
  await Promise.all(handles.map((handle) => handle.ended()));
}

/** Node and server down; the worker and the client wait. What was folded is on the node's disk, else it would not be newer. */
async function stopAll(): Promise<void> {
  await pause(COMMIT_MS);
  await system.node.kill();
  await system.stopServer();
}

async function bringBack(name: string): Promise<void> {
  await rm(jetStream(), { recursive: true, force: true });
  await cp(copy(name), jetStream(), { recursive: true });
}

const askFor = (runId: string): Promise<unknown> =>
  client.queries.getRun(runId, { timeoutMs: ASK_MS }).then(
    () => "answered",
    (error: unknown) => error,
  );

const stoppedPartitions = (node: Child): number[] =>
  node
    .logged("fatal")
    .filter(({ msg }) => msg === "the partition stopped")
    .map(({ partition }) => Number(partition))
    .toSorted((a, b) => a - b);

/** Its log comes by another stream than its readiness, so it may come a little later. */
async function expectStopped(node: Child, partitions: readonly number[]): Promise<void> {
  await until(
    "partitions to say that they stopped",
    () => stoppedPartitions(node).length >= partitions.length,
  );
  expect(stoppedPartitions(node)).toEqual(partitions);
}

const allPartitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);

beforeEach(async () => {
  system = await System.start();
  client = await system.connect();
  await system.startWorker({ modules: ["test/crash/workflows.ts"] });
  await startRuns(0, MORE);
  older = await snapshot(client);
  await stopAll();
  await cp(jetStream(), copy("older"), { recursive: true });
  await system.startServer();
  await system.startNode();
  await startRuns(MORE, MORE);
  newer = await snapshot(client);
  await stopAll();
  await cp(jetStream(), copy("newer"), { recursive: true });
});
afterEach(async () => {
  await system.stop();
});

test("an older copy of the whole log stops every partition, loudly; the right log, or no state, starts it again", async () => {
  await bringBack("older");
  await system.startServer();
  await system.startNode();
  await expectStopped(system.node, allPartitions);
  const shown = await until("the problems to be printed", () => {
    const lines = system.node.lines.filter((line) => line.startsWith("not served: "));
    return lines.length === PARTITIONS && lines;
  });
  for (const line of shown) expect(line).toContain("the log lost its tail");
  for (const runId of ["run-0", `run-${MORE}`]) {
    const problem = await askFor(runId);
    expect(problem).toMatchObject({ code: "UNAVAILABLE" });
    expect(String(problem)).toContain("the log lost its tail");
  }
  const statuses = await client.queries.status();
  expect(statuses.map(({ state }) => state)).toEqual(allPartitions.map(() => "stopped"));

  // A log that was written on since has the right length and the wrong entries.
  const sent = Array.from({ length: 400 }, (_, n) => {
    const runId = `stranger-${n}`;
    const command = startRunCommand({ runId, workflow: "single", definitionHash: "" });
    return client.commands
      .send(partitionOf(runId, PARTITIONS), command)
      .then(() =>
        client.commands.send(
          n % PARTITIONS,
          startRunCommand({ runId, workflow: "single", definitionHash: "" }),
        ),
      );
  });
  await Promise.all(sent);
  await system.node.kill();
  await system.startNode();
  await expectStopped(system.node, allPartitions);
  await system.node.kill();

  // Nothing of the state was harmed: with its own log it serves again.
  await system.stopServer();
  await bringBack("newer");
  await system.startServer();
  await system.startNode();
  expect(await snapshot(client)).toEqual(newer);

  // And without it, it starts from the older log.
  await stopAll();
  await bringBack("older");
  await rm(system.dataDir, { recursive: true });
  await system.startServer();
  await system.startNode();
  expect(await snapshot(client)).toEqual(older);
  await within("new work on the older log", startRuns(500, 10));
});

test("one partition's older log stops that partition alone", async () => {
  const runs = Object.keys(newer.runs);
  const home = (runId: string): number => partitionOf(runId, PARTITIONS);
  const stream = join("$G", "streams", logStream(1));
  await rm(join(jetStream(), stream), { recursive: true });
  await cp(join(copy("older"), stream), join(jetStream(), stream), { recursive: true });
  await system.startServer();
  await system.startNode();
  await expectStopped(system.node, [1]);
  const statuses = await client.queries.status();
  expect(statuses.map(({ state }) => state)).toEqual(["acting", "stopped", "acting", "acting"]);

  const lost = runs.find((runId) => home(runId) === 1) ?? "";
  const problem = await askFor(lost);
  expect(String(problem)).toContain("partition 1");
  expect(String(problem)).toContain("the log lost its tail");
  // Lists need all partitions: they say which one is missing, they don't leave runs out in silence.
  const listed = await client.list().catch((error: unknown) => error);
  expect(listed).toBeInstanceOf(HoldfastError);
  expect(String(listed)).toContain("partition 1");

  const served = runs.filter((runId) => home(runId) !== 1);
  for (const runId of served) expect((await client.get(runId)).summary?.status).toBeGreaterThan(0);
  const fresh = Array.from({ length: 50 }, (_, n) => `fresh-${n}`).filter((runId) => home(runId) !== 1);
  const handles = await Promise.all(fresh.map((runId, n) => client.start("single", { n, ms: 0 }, { runId })));
  await within("new runs of the other partitions", Promise.all(handles.map((handle) => handle.ended())));
});

test("an empty JetStream folder is a log that was created anew, not one to go on with", async () => {
  await rm(jetStream(), { recursive: true });
  await system.startServer();
  await system.startNode();
  await expectStopped(system.node, allPartitions);
  const problem = await askFor("run-0");
  expect(problem).toMatchObject({ code: "UNAVAILABLE" });
  expect(String(problem)).toContain("created anew");
  await system.node.kill();

  await system.stopServer();
  await bringBack("newer");
  await system.startServer();
  await system.startNode();
  expect(await snapshot(client)).toEqual(newer);
});

test("a node that is up while the server comes back with an older log stops too", async () => {
  await system.startServer();
  const node = await system.startNode();
  // Each partition has folded at least this start's own announcement, which the older copy does not have.
  await system.stopServer();
  await bringBack("older");
  await system.startServer();
  await until("every partition to stop", () => stoppedPartitions(node).length === PARTITIONS);
  const problem = await askFor("run-0");
  expect(problem).toMatchObject({ code: "UNAVAILABLE" });
  expect(String(problem)).toContain("lost");
});
