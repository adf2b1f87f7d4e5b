/** Compensation as the owner of a partition drives it: what a task holds, and what becomes of attempts that nobody reports. */
import { create } from "@bufbuild/protobuf";
import { partitionOf } from "@holdfast/core";
import { FailureMode, RunStatus, type Task, UndoStatus, WorkflowDefinitionSchema } from "@holdfast/proto";
import { describe, expect, test } from "vitest";
import { cancelRunCommand } from "../client/index.js";
import { TestWorker, TestWorld } from "./testing.js";

const retry = { maxAttempts: 2, initialBackoffMs: 100, jitterMilli: 0 };
const trip = create(WorkflowDefinitionSchema, {
  name: "trip",
  actions: [
    { name: "flight", retry, undo: {}, timeouts: { startToCloseMs: 5_000 } },
    { name: "pay", retry: { maxAttempts: 1 }, after: ["flight"] },
  ],
});

/** A run whose only undo is in the hands of `worker`. */
async function undoing(world: TestWorld, worker: TestWorker): Promise<Task> {
  await world.start("trip", "run-1");
  await world.clock.advance(100);
  await worker.succeed(worker.tasks.at(-1) as Task, "seat 12A");
  await world.clock.advance(100);
  await worker.fail(worker.tasks.at(-1) as Task, FailureMode.VALIDATION, "the card was refused");
  await world.clock.advance(100);
  return worker.tasks.at(-1) as Task;
}

const textOf = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();

async function worldWith(limits = {}): Promise<TestWorld> {
  const world = new TestWorld(limits);
  await world.startNode();
  await world.define(trip);
  return world;
}

const shown = async (world: TestWorld) => await world.until(world.queries.getRun("run-1"));

describe("an undo", () => {
  test("is a task that says so, with what is to be undone and why", async () => {
    const world = await worldWith();
    const task = await undoing(world, new TestWorker(world, "worker-a", 5));
    expect(task).toMatchObject({ actionName: "flight", attempt: 2, attemptsLeft: 1, generation: 1 });
    expect(task.undo).toMatchObject({
      now: true,
      times: 0,
      cause: { mode: FailureMode.VALIDATION, message: "pay: the card was refused" },
    });
    const { body } = task.undo?.output ?? {};
    expect(body?.case === "inline" ? textOf(body.value) : "").toBe('"seat 12A"');
  });

  test("is found in state by a new owner, even where the state had to be folded anew", async () => {
    const world = await worldWith();
    const worker = new TestWorker(world, "worker-a", 5);
    const task = await undoing(world, worker);
    await world.until(world.node?.stop() ?? Promise.resolve());
    world.loseState();
    const before = worker.tasks.length;
    await world.startNode();
    await world.clock.advance(200);
    // It said that it holds nothing.
    const again = worker.tasks.slice(before);
    expect(again.map(({ attempt, undo }) => [attempt, undo?.now])).toEqual([[task.attempt, true]]);
    await worker.succeed(again[0] as Task);
    await world.clock.advance(100);
    expect((await shown(world)).summary).toMatchObject({
      status: RunStatus.FAILED,
      detail: "pay: the card was refused; undone: flight",
    });
  });

  test("stays with the worker that has it when the owner changes", async () => {
    const world = await worldWith();
    const worker = new TestWorker(world, "worker-a", 5);
    const task = await undoing(world, worker);
    worker.held = [task];
    await world.until(world.node?.stop() ?? Promise.resolve());
    await world.startNode();
    const other = new TestWorker(world, "worker-b", 5);
    await world.clock.advance(500);
    expect(other.tasks).toEqual([]);
    await worker.succeed(task);
    await world.clock.advance(100);
    expect((await shown(world)).summary?.status).toBe(RunStatus.FAILED);
  });

  test("of a lost worker is tried elsewhere, and given up as the policy says", async () => {
    const world = await worldWith({ workerLeaseMs: 2_000 });
    await undoing(world, new TestWorker(world, "worker-silent", 5));
    const second = new TestWorker(world, "worker-second", 5);
    for (let i = 0; i < 6; i++) {
      await world.clock.advance(500);
      if (i < 5) second.beat();
    }
    expect(second.tasks.map(({ attempt, attemptsLeft }) => [attempt, attemptsLeft])).toEqual([[3, 0]]);
    const [flight] = (await shown(world)).actions;
    expect(flight?.undo).toMatchObject({ status: UndoStatus.RUNNING, attempts: 2 });
    await world.clock.advance(4_000);
    const run = await shown(world);
    expect(run.summary?.status).toBe(RunStatus.FAILED);
    expect(run.failure?.message).toMatch(
      /^pay: the card was refused; could not be undone: flight \(WORKER_LOST: .*worker-second/,
    );
  });

  test("that takes too long is timed out", async () => {
    const world = await worldWith({ timeoutGraceMs: 1_000 });
    const worker = new TestWorker(world, "worker-a", 5);
    const task = await undoing(world, worker);
    for (let i = 0; i < 7; i++) {
      await world.clock.advance(1_000);
      worker.beat();
    }
    const late = worker.tasks.at(-1);
    expect(late).toMatchObject({ attempt: task.attempt + 1, undo: { now: true } });
    expect((await shown(world)).actions[0]?.undo).toMatchObject({ status: UndoStatus.RUNNING, attempts: 2 });
    await worker.succeed(task);
    await world.clock.advance(100);
    expect((await shown(world)).actions[0]?.undo?.status).toBe(UndoStatus.RUNNING);
    await worker.succeed(late as Task);
    await world.clock.advance(100);
    expect((await shown(world)).actions[0]?.undo?.status).toBe(UndoStatus.DONE);
  });

  test("of a run that was cancelled says by whom it was led to", async () => {
    const world = await worldWith();
    const worker = new TestWorker(world, "worker-a", 5);
    await world.start("trip", "run-1");
    await world.clock.advance(100);
    await worker.succeed(worker.tasks[0] as Task);
    await world.clock.advance(100);
    const cancel = cancelRunCommand({
      graceMs: 0,
      id: "cancel-1",
      nowMs: world.clock.nowMs(),
      runId: "run-1",
      reason: "no longer wanted",
      who: "ann",
    });
    await world.until(world.commands.submit(partitionOf("run-1", 2), cancel));
    await world.clock.advance(100);
    expect(worker.tasks.at(-1)?.undo?.cause).toMatchObject({
      mode: FailureMode.CANCELLED,
      message: "cancelled: no longer wanted",
    });
  });
});
