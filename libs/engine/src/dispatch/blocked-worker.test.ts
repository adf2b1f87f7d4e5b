/** A worker that is silent with its connection standing is blocked or stopped, not dead: it keeps its tasks for a bounded time, and that is said. */
import { create } from "@bufbuild/protobuf";
import { FailureMode, RunStatus, type Task, WorkflowDefinitionSchema } from "@holdfast/proto";
import { expect, test } from "vitest";
import { TestWorker, TestWorld } from "./testing.js";

const LEASE_MS = 10_000;
const BLOCKED_MS = 30_000;

const once = create(WorkflowDefinitionSchema, {
  name: "once",
  actions: [{ name: "only", retry: { maxAttempts: 1 } }],
});
const twice = create(WorkflowDefinitionSchema, {
  name: "twice",
  actions: [{ name: "only", retry: { maxAttempts: 2, initialBackoffMs: 100, jitterMilli: 0 } }],
});

async function begun(): Promise<TestWorld> {
  const world = new TestWorld({ workerLeaseMs: LEASE_MS, blockedLeaseMs: BLOCKED_MS });
  await world.startNode();
  await world.define(once);
  await world.define(twice);
  return world;
}

async function pass(world: TestWorld, ms: number, ...workers: readonly TestWorker[]): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    await world.clock.advance(500);
    for (const worker of workers) worker.beat();
  }
}

const warnings = (world: TestWorld): string => world.node?.warnings().join("\n") ?? "";
const run = async (world: TestWorld, id: string) => await world.until(world.queries.getRun(id));

test("a worker blocked beyond its lease keeps its tasks, gets no new ones, and is told of with what it runs", async () => {
  const world = await begun();
  const worker = new TestWorker(world, "worker-a", 5);
  await world.clock.advance(100);
  await world.start("once", "run-1");
  await pass(world, 2_000, worker);
  expect(worker.tasks).toHaveLength(1);
  expect(warnings(world)).toBe("");
  worker.block();
  await pass(world, LEASE_MS + 3_000);
  expect(warnings(world)).toMatch(/worker worker-a .*silent for 1[23] s.*only of run run-1/);
  // Once, however many partitions the node has.
  const told = (await world.until(world.queries.status())).flatMap(({ workerWarnings }) => workerWarnings);
  expect(told).toEqual([expect.stringContaining("worker-a")]);
  await world.start("once", "run-2");
  await pass(world, 1_000);
  expect(worker.tasks).toHaveLength(1);
  worker.goOn();
  await world.clock.advance(500);
  expect(warnings(world)).toBe("");
  expect(worker.tasks.map(({ runId, attempt }) => `${runId}#${attempt}`)).toEqual(["run-1#1", "run-2#1"]);
  for (const task of worker.tasks) await worker.succeed(task);
  await world.clock.advance(500);
  for (const id of ["run-1", "run-2"])
    expect((await run(world, id)).summary?.status).toBe(RunStatus.COMPLETED);
});

test("one that stays blocked loses its tasks at the bound, and the failure says who it was and for how long it had them", async () => {
  const world = await begun();
  const worker = new TestWorker(world, "worker-a", 5);
  worker.process = { host: "host-1", pid: 77 };
  worker.beat();
  await world.clock.advance(100);
  await world.start("once", "run-1");
  await pass(world, 1_000, worker);
  worker.block();
  await pass(world, BLOCKED_MS - 1_000);
  expect((await run(world, "run-1")).summary?.status).toBe(RunStatus.RUNNING);
  await pass(world, 4_000);
  const { summary, actions } = await run(world, "run-1");
  expect(summary?.status).toBe(RunStatus.FAILED);
  expect(actions[0]?.failure?.mode).toBe(FailureMode.WORKER_LOST);
  expect(actions[0]?.detail).toMatch(
    /worker-a \(pid 77 on host-1\) was lost: it was silent for 30\.\d s.*it had this task for 3\d\.\d s/,
  );
});

test("one whose connection is gone is lost after its lease", async () => {
  const world = await begun();
  const worker = new TestWorker(world, "worker-a", 5);
  await world.clock.advance(100);
  await world.start("once", "run-1");
  await pass(world, 1_000, worker);
  worker.disconnect();
  await pass(world, LEASE_MS + 2_000);
  expect((await run(world, "run-1")).actions[0]?.detail).toContain("its connection is gone");
});

test("what a lost worker held does not go back to it at once: another gets it, and without another it waits a while", async () => {
  const world = await begun();
  const worker = new TestWorker(world, "worker-a", 5);
  await world.clock.advance(100);
  await world.start("twice", "run-1");
  await world.start("twice", "run-2");
  await pass(world, 1_000, worker);
  expect(worker.tasks).toHaveLength(2);
  worker.block();
  await pass(world, BLOCKED_MS + 3_000);
  worker.goOn();
  await pass(world, 8_000, worker);
  expect(worker.tasks).toHaveLength(2);
  const other = new TestWorker(world, "worker-b", 1);
  await pass(world, 3_000, worker, other);
  expect(worker.tasks).toHaveLength(2);
  expect(other.tasks.map(({ attempt }) => attempt)).toEqual([2]);
  for (let passed = 0; passed < 30_000 && worker.tasks.length === 2; passed += 500)
    await pass(world, 500, worker, other);
  expect(worker.tasks.slice(2).map(({ attempt }) => attempt)).toEqual([2]);
  await other.succeed(other.tasks[0] as Task);
  await worker.succeed(worker.tasks[2] as Task);
  await world.clock.advance(500);
  for (const id of ["run-1", "run-2"])
    expect((await run(world, id)).summary?.status).toBe(RunStatus.COMPLETED);
});

test("a worker that beats and does not confirm is told of where an operator looks", async () => {
  const world = await begun();
  const worker = new TestWorker(world, "worker-a", 5);
  await world.clock.advance(100);
  worker.deaf = true;
  await world.start("once", "run-1");
  await pass(world, LEASE_MS + 2_000, worker);
  expect(warnings(world)).toMatch(/worker worker-a beats, but does not confirm/);
  const [status] = await world.until(world.queries.status());
  expect(status?.workerWarnings.join()).toContain("worker-a");
});
