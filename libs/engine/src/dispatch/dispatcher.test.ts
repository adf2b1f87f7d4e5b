import { create } from "@bufbuild/protobuf";
import { partitionOf } from "@holdfast/core";
import { ActionStatus, FailureMode, RunStatus, type Task, WorkflowDefinitionSchema } from "@holdfast/proto";
import { describe, expect, test } from "vitest";
import { cancelRunCommand } from "../client/index.js";
import { TestWorker, TestWorld } from "./testing.js";

const one = create(WorkflowDefinitionSchema, {
  name: "one",
  actions: [
    {
      name: "only",
      retry: { maxAttempts: 3, initialBackoffMs: 100, jitterMilli: 0 },
      timeouts: { startToCloseMs: 5_000 },
    },
  ],
});

async function worldWith(limits = {}): Promise<TestWorld> {
  const world = new TestWorld(limits);
  await world.startNode();
  await world.define(one);
  return world;
}

const shown = async (world: TestWorld, runId: string) => await world.until(world.queries.getRun(runId));

describe("the dispatcher", () => {
  test("never gives a worker more than it takes, and the next task when a report is folded", async () => {
    const world = await worldWith();
    const worker = new TestWorker(world, "worker-a", 3);
    for (let i = 0; i < 10; i++) await world.start("one", `run-${i}`);
    await world.clock.advance(100);
    expect(worker.tasks).toHaveLength(3);
    for (let done = 0; done < 10; done++) {
      await worker.succeed(worker.tasks[done] as Task);
      await world.clock.advance(100);
      expect(worker.tasks).toHaveLength(Math.min(10, done + 4));
    }
    for (let i = 0; i < 10; i++)
      expect((await shown(world, `run-${i}`)).summary?.status).toBe(RunStatus.COMPLETED);
  });

  test("a silent worker loses its tasks: the next attempt goes to another, and the detail names the lost one", async () => {
    const world = await worldWith({ workerLeaseMs: 2_000 });
    const silent = new TestWorker(world, "worker-silent", 5);
    await world.start("one", "run-1");
    await world.clock.advance(100);
    expect(silent.tasks).toHaveLength(1);
    await world.clock.advance(1_500);
    const other = new TestWorker(world, "worker-other", 5);
    for (let i = 0; i < 4; i++) {
      await world.clock.advance(500);
      other.beat();
    }
    expect(other.tasks.map((task) => task.attempt)).toEqual([2]);
    await other.succeed(other.tasks[0] as Task);
    await world.clock.advance(100);
    const run = await shown(world, "run-1");
    expect(run.summary?.status).toBe(RunStatus.COMPLETED);
    const events = (await world.until(world.queries.getRun("run-1", { full: true }))).events;
    expect(events.some((event) => event.detail.includes("worker-silent was lost"))).toBe(true);
    // What the lost worker says now counts for nothing.
    await silent.fail(silent.tasks[0] as Task, FailureMode.VALIDATION, "too late");
    await world.clock.advance(100);
    expect((await shown(world, "run-1")).summary?.status).toBe(RunStatus.COMPLETED);
  });

  test("an attempt without an end is timed out by the owner, and retried as its policy says", async () => {
    const world = await worldWith({ timeoutGraceMs: 1_000 });
    const worker = new TestWorker(world, "worker-a", 5);
    await world.start("one", "run-1");
    for (let i = 0; i < 30; i++) {
      await world.clock.advance(1_000);
      worker.beat();
    }
    expect(worker.tasks.map((task) => task.attempt)).toEqual([1, 2, 3]);
    const run = await shown(world, "run-1");
    expect(run.summary?.status).toBe(RunStatus.FAILED);
    expect(run.actions[0]?.status).toBe(ActionStatus.FAILED);
    expect(run.actions[0]?.failure?.mode).toBe(FailureMode.TIMEOUT);
    expect(run.actions[0]?.detail).toMatch(
      /no result within 5000 ms \(start_to_close\) from worker worker-a/,
    );
  });

  test("a batch that was lost on the way is sent again under its number, and nothing else is", async () => {
    const world = await worldWith();
    const worker = new TestWorker(world, "worker-a", 10);
    await world.start("one", "run-1");
    await world.clock.advance(100);
    worker.deaf = true;
    await world.start("one", "run-2");
    await world.clock.advance(100);
    worker.deaf = false;
    await world.start("one", "run-3");
    await world.clock.advance(1_500);
    expect(worker.batches.map((batch) => batch.batch)).toEqual([2, 4]);
    worker.beat();
    await world.clock.advance(100);
    const again = worker.batches.filter((batch) => batch.batch === 3);
    expect(again.flatMap((batch) => batch.tasks.map((task) => task.runId))).toEqual(["run-2"]);
  });

  test("a new node asks workers what they run before it gives that to anybody", async () => {
    const world = await worldWith();
    const worker = new TestWorker(world, "worker-a", 10);
    await world.start("one", "run-1");
    await world.start("one", "run-2");
    await world.clock.advance(100);
    worker.held = worker.tasks.filter((task) => task.runId === "run-1");
    await world.until(world.node?.stop() ?? Promise.resolve());
    await world.startNode();
    await world.clock.advance(200);
    const counts = new Map<string, number>();
    for (const task of worker.tasks) counts.set(task.runId, (counts.get(task.runId) ?? 0) + 1);
    expect(counts).toEqual(
      new Map([
        ["run-1", 1],
        ["run-2", 2],
      ]),
    );
    for (const task of worker.tasks.slice(0, 2)) await worker.succeed(task);
    await world.clock.advance(100);
    for (const id of ["run-1", "run-2"])
      expect((await shown(world, id)).summary?.status).toBe(RunStatus.COMPLETED);
  });

  test("more due tasks than fit in memory are all found again", async () => {
    const world = await worldWith({ readyTasksMax: 6, derivePage: 4 });
    for (let i = 0; i < 60; i++) await world.start("one", `run-${i}`);
    const worker = new TestWorker(world, "worker-a", 2);
    let done = 0;
    for (let turn = 0; turn < 200 && done < 60; turn++) {
      await world.clock.advance(60);
      worker.beat();
      for (; done < worker.tasks.length; done++) await worker.succeed(worker.tasks[done] as Task);
    }
    await world.clock.advance(100);
    expect(new Set(worker.tasks.map((task) => task.runId)).size).toBe(60);
    expect(worker.tasks).toHaveLength(60);
  });

  test("a worker that says it is draining gets nothing more; one that is gone loses what it has not reported", async () => {
    const world = await worldWith();
    const first = new TestWorker(world, "worker-a", 5);
    await world.start("one", "run-1");
    await world.clock.advance(100);
    first.beat({ draining: true });
    await world.clock.advance(100);
    await world.start("one", "run-2");
    await world.clock.advance(500);
    expect(first.tasks.map((task) => task.runId)).toEqual(["run-1"]);
    const second = new TestWorker(world, "worker-b", 5);
    first.beat({ gone: true });
    // Its last reports may still be on their way.
    await world.clock.advance(500);
    expect(second.tasks.map((task) => task.runId)).toEqual(["run-2"]);
    await world.clock.advance(1_500);
    expect(second.tasks.map((task) => `${task.runId}#${task.attempt}`).sort()).toEqual([
      "run-1#2",
      "run-2#1",
    ]);
  });

  test("a worker gets tasks of the workflows it has handlers for alone, and others' tasks don't hold its own up", async () => {
    const world = await worldWith();
    await world.define(create(WorkflowDefinitionSchema, { name: "two", actions: [{ name: "only" }] }));
    for (let i = 0; i < 5; i++) await world.start("two", `two-${i}`);
    const first = new TestWorker(world, "worker-one", 3, "default", ["one"]);
    await world.start("one", "run-1");
    await world.clock.advance(200);
    expect(first.tasks.map((task) => task.workflow)).toEqual(["one"]);
    const second = new TestWorker(world, "worker-two", 10, "default", ["two", "three"]);
    await world.clock.advance(200);
    expect(second.tasks.map((task) => task.workflow)).toEqual(["two", "two", "two", "two", "two"]);
    expect(first.tasks).toHaveLength(1);
  });

  test("a backlog that no worker takes does not shut another workflow out", async () => {
    const world = await worldWith({ readyTasksMax: 8, derivePage: 4 });
    await world.define(create(WorkflowDefinitionSchema, { name: "abandoned", actions: [{ name: "only" }] }));
    for (let i = 0; i < 40; i++) await world.start("abandoned", `old-${i}`);
    for (let i = 0; i < 20; i++) await world.start("one", `run-${i}`);
    const worker = new TestWorker(world, "worker-a", 2, "default", ["one"]);
    let done = 0;
    for (let turn = 0; turn < 200 && done < 20; turn++) {
      await world.clock.advance(200);
      worker.beat();
      for (; done < worker.tasks.length; done++) await worker.succeed(worker.tasks[done] as Task);
    }
    expect(new Set(worker.tasks.map((task) => task.workflow))).toEqual(new Set(["one"]));
    expect(worker.tasks).toHaveLength(20);
  });

  test("a cancelled run's workers are told, and their place is free", async () => {
    const world = await worldWith();
    const worker = new TestWorker(world, "worker-a", 1);
    await world.start("one", "run-1");
    await world.start("one", "run-2");
    await world.clock.advance(100);
    const running = worker.tasks[0]?.runId as string;
    const cancel = cancelRunCommand({
      graceMs: 0,
      runId: running,
      id: "c-1",
      who: "",
      reason: "",
      nowMs: world.clock.nowMs(),
    });
    await world.until(world.commands.submit(partitionOf(running, world.log.partitions), cancel));
    await world.clock.advance(100);
    expect(worker.cancelled).toEqual([running]);
    expect(worker.tasks).toHaveLength(2);
  });
});
