/** Recoveries and guardrails as the owner of a partition drives them: what a task holds, and what becomes of attempts that nobody reports. */
import { create } from "@bufbuild/protobuf";
import { partitionOf } from "@holdfast/core";
import {
  ActionStatus,
  FailureMode,
  RunStatus,
  type Task,
  type WorkflowDefinition,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { describe, expect, test } from "vitest";
import { startRunCommand } from "../client/index.js";
import { TestWorker, TestWorld } from "./testing.js";

const retry = { maxAttempts: 3, initialBackoffMs: 100, jitterMilli: 0 };
const load = create(WorkflowDefinitionSchema, {
  name: "load",
  actions: [{ name: "row", retry, recover: true, timeouts: { startToCloseMs: 5_000 } }],
  guardrails: { maxDurationMs: 60_000n, stuckRevisitGap: 7 },
});

async function worldWith(definition: WorkflowDefinition, limits = {}): Promise<TestWorld> {
  const world = new TestWorld(limits);
  await world.startNode();
  await world.define(definition);
  return world;
}

/** A run whose recovery is in the hands of `worker`. */
async function recovering(world: TestWorld, worker: TestWorker): Promise<Task> {
  await world.start("load", "run-1");
  await world.clock.advance(100);
  await worker.fail(worker.tasks.at(-1) as Task, FailureMode.VALIDATION, "no such row");
  await world.clock.advance(100);
  return worker.tasks.at(-1) as Task;
}

const shown = async (world: TestWorld) => await world.until(world.queries.getRun("run-1"));

describe("a recovery", () => {
  test("is a task with the failure that it is to mend, and without attempts or steps that are left", async () => {
    const world = await worldWith(load);
    const worker = new TestWorker(world, "worker-a", 5);
    const task = await recovering(world, worker);
    expect(worker.tasks[0]).toMatchObject({ recover: undefined, attemptsLeft: 2, stuckRevisitGap: 7 });
    expect(task).toMatchObject({ actionName: "row", attempt: 2, attemptsLeft: 0, steps: [] });
    expect(task.recover).toMatchObject({ mode: FailureMode.VALIDATION, message: "no such row", attempt: 1 });
    await worker.succeed(task, "from the cache");
    await world.clock.advance(100);
    const run = await shown(world);
    expect(run.summary?.status).toBe(RunStatus.COMPLETED);
    expect(run.actions[0]?.detail).toBe("recovered from VALIDATION: no such row");
  });

  test("is found in state by a new owner, even where the state had to be folded anew", async () => {
    const world = await worldWith(load);
    const worker = new TestWorker(world, "worker-a", 5);
    const task = await recovering(world, worker);
    await world.until(world.node?.stop() ?? Promise.resolve());
    world.loseState();
    const before = worker.tasks.length;
    await world.startNode();
    await world.clock.advance(200);
    const [again] = worker.tasks.slice(before);
    expect(again).toMatchObject({ attempt: task.attempt, recover: { message: "no such row" } });
    await worker.succeed(again as Task);
    await world.clock.advance(100);
    expect((await shown(world)).summary?.status).toBe(RunStatus.COMPLETED);
  });

  test("of a lost worker has failed, and is not tried elsewhere", async () => {
    const world = await worldWith(load, { workerLeaseMs: 2_000 });
    const silent = new TestWorker(world, "worker-silent", 5);
    await recovering(world, silent);
    const second = new TestWorker(world, "worker-second", 5);
    for (let i = 0; i < 6; i++) {
      await world.clock.advance(500);
      second.beat();
    }
    expect(second.tasks).toEqual([]);
    const run = await shown(world);
    expect(run.summary?.status).toBe(RunStatus.FAILED);
    expect(run.failure?.message).toMatch(/^row: no such row; recovery failed: .*worker-silent/);
    expect(run.actions[0]?.recover).toMatchObject({
      original: { message: "no such row" },
      failed: { mode: FailureMode.WORKER_LOST },
    });
  });

  test("that takes too long is timed out, and has failed", async () => {
    const world = await worldWith(load, { timeoutGraceMs: 1_000 });
    const worker = new TestWorker(world, "worker-a", 5);
    const task = await recovering(world, worker);
    for (let i = 0; i < 7; i++) {
      await world.clock.advance(1_000);
      worker.beat();
    }
    const run = await shown(world);
    expect(run.summary?.status).toBe(RunStatus.FAILED);
    expect(run.actions[0]?.recover?.failed?.mode).toBe(FailureMode.TIMEOUT);
    await worker.succeed(task);
    await world.clock.advance(100);
    expect((await shown(world)).summary?.status).toBe(RunStatus.FAILED);
  });

  test("of an item is found by a new owner, too", async () => {
    const rows = create(WorkflowDefinitionSchema, {
      name: "load",
      actions: [
        {
          name: "row",
          retry: { maxAttempts: 1 },
          recover: true,
          forEach: { source: { case: "inputPointer", value: "" } },
        },
      ],
    });
    const world = await worldWith(rows);
    const worker = new TestWorker(world, "worker-a", 5);
    const body = { case: "inline" as const, value: new TextEncoder().encode("[10,20]") };
    const input = { $typeName: "holdfast.v1.Payload" as const, body, encoding: 0 };
    const start = startRunCommand({ workflow: "load", runId: "run-1", input });
    await world.until(world.commands.submit(partitionOf("run-1", world.partitions), start));
    await world.clock.advance(200);
    const odd = worker.tasks.find(({ item }) => item === 1) as Task;
    await worker.succeed(worker.tasks.find(({ item }) => item === 0) as Task, "a");
    await worker.fail(odd, FailureMode.VALIDATION, "odd");
    await world.clock.advance(200);
    await world.until(world.node?.stop() ?? Promise.resolve());
    const before = worker.tasks.length;
    await world.startNode();
    await world.clock.advance(200);
    const again = worker.tasks.slice(before);
    expect(again).toMatchObject([{ item: 1, attempt: 2, recover: { message: "odd" } }]);
    await worker.succeed(again[0] as Task, "mended");
    await world.clock.advance(200);
    expect((await shown(world)).summary?.status).toBe(RunStatus.COMPLETED);
  });
});

describe("a guardrail", () => {
  test("that time exceeds stops the run, also under a new owner, and tells the worker", async () => {
    const patient = create(WorkflowDefinitionSchema, {
      name: "load",
      actions: [{ name: "row", retry, recover: true }],
      guardrails: { maxDurationMs: 60_000n },
    });
    const world = await worldWith(patient);
    const worker = new TestWorker(world, "worker-a", 5);
    const task = await recovering(world, worker);
    worker.held = [task];
    await world.until(world.node?.stop() ?? Promise.resolve());
    await world.startNode();
    for (let i = 0; i < 61; i++) {
      await world.clock.advance(1_000);
      worker.beat();
    }
    expect(worker.cancelled).toEqual(["run-1"]);
    const run = await shown(world);
    expect(run.summary?.status).toBe(RunStatus.FAILED);
    expect(run.failure?.mode).toBe(FailureMode.POLICY_BUDGET);
    expect(run.guardrails?.exceeded).toMatch(/^guardrail max_duration exceeded/);
    expect(run.actions[0]?.status).toBe(ActionStatus.FAILED);
  });
});
