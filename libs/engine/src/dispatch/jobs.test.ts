/** External batch actions as the owner of a partition drives them: what a task holds, and what a new owner finds. */
import { create } from "@bufbuild/protobuf";
import { partitionOf } from "@holdfast/core";
import {
  BatchCheckSchema,
  BatchPhase,
  BatchReportSchema,
  BatchResultSchema,
  FailureMode,
  JobStep,
  type Payload,
  PayloadSchema,
  RunStatus,
  type Task,
  TaskSuccessSchema,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { describe, expect, test } from "vitest";
import {
  cancelRunCommand,
  pauseWorkflowCommand,
  resumeWorkflowCommand,
  startRunCommand,
} from "../client/index.js";
import { TestWorker, TestWorld } from "./testing.js";

const batch = {
  poll: { initialBackoffMs: 1_000, maxBackoffMs: 1_000, jitterMilli: 0 },
  cancellable: true,
};
const definition = create(WorkflowDefinitionSchema, {
  name: "score",
  actions: [
    {
      name: "rows",
      forEach: { source: { case: "inputPointer", value: "" } },
      retry: { maxAttempts: 3, initialBackoffMs: 100, jitterMilli: 0 },
      timeouts: { startToCloseMs: 5_000 },
      batch,
    },
  ],
});

const bytesOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const inline = (value: unknown): Payload =>
  init(PayloadSchema, { body: { case: "inline", value: bytesOf(value) } });
const jsonOf = (payload: Payload | undefined): unknown =>
  payload?.body.case === "inline"
    ? JSON.parse(Buffer.from(payload.body.value).toString())
    : payload?.body.case;
const last = (worker: TestWorker): Task => worker.tasks.at(-1) as Task;
const shown = async (world: TestWorld) => await world.until(world.queries.getRun("run-1", { full: true }));

async function begun(rows: unknown[], limits = {}): Promise<{ world: TestWorld; worker: TestWorker }> {
  const world = new TestWorld(limits);
  await world.startNode();
  await world.define(definition);
  const worker = new TestWorker(world, "worker-a", 5);
  const start = startRunCommand({ workflow: "score", runId: "run-1", input: bytesOf(rows) });
  await world.until(world.commands.submit(partitionOf("run-1", world.partitions), start));
  await world.clock.advance(200);
  return { world, worker };
}

async function submit(world: TestWorld, worker: TestWorker, task = last(worker)): Promise<void> {
  const step = { case: "submitted" as const, value: inline("job-17") };
  await worker.report(task, { case: "batch", value: init(BatchReportSchema, { step }) });
  await world.clock.advance(100);
}

async function answer(
  worker: TestWorker,
  task: Task,
  done: boolean,
  indices: readonly number[],
): Promise<void> {
  const results = indices.map((index) => {
    const value = init(TaskSuccessSchema, { effect: 1, output: inline(index) });
    return init(BatchResultSchema, { index, outcome: { case: "success", value } });
  });
  const step = { case: "checked" as const, value: init(BatchCheckSchema, { done, results }) };
  await worker.report(task, { case: "batch", value: init(BatchReportSchema, { step }) });
}

/** Long enough for the next check. */
const untilCheck = async (world: TestWorld, worker: TestWorker): Promise<void> => {
  for (let i = 0; i < 14; i++) {
    await world.clock.advance(100);
    worker.beat();
  }
};

describe("a job", () => {
  test("is a task to submit with its items, then tasks to check with its handle alone", async () => {
    const { world, worker } = await begun(["a", { b: 1 }]);
    const task = last(worker);
    expect([task.item, task.job?.step, task.job?.job, task.attemptsLeft]).toEqual([
      undefined,
      JobStep.SUBMIT,
      1,
      2,
    ]);
    expect(jsonOf(task.job?.items)).toEqual([
      { index: 0, item: "a" },
      { index: 1, item: { b: 1 } },
    ]);
    expect(jsonOf(task.input)).toEqual(["a", { b: 1 }]);
    await submit(world, worker);
    await untilCheck(world, worker);
    const check = last(worker);
    expect(worker.tasks).toHaveLength(2);
    expect([
      check.attempt,
      check.job?.step,
      jsonOf(check.job?.handle),
      check.input,
      check.job?.items,
    ]).toEqual([2, JobStep.CHECK, "job-17", undefined, undefined]);
    await answer(worker, check, true, [0, 1]);
    await world.clock.advance(100);
    expect((await shown(world)).summary?.status).toBe(RunStatus.COMPLETED);
  });

  test("of many items gives them by reference", async () => {
    const { worker } = await begun(Array.from({ length: 108 }, () => "x".repeat(1_200)));
    expect(jsonOf(last(worker).job?.items)).toBe("ref");
  });

  test("is checked again by another worker where one is lost in a check", async () => {
    const { world, worker } = await begun([1, 2], { workerLeaseMs: 2_000 });
    await submit(world, worker);
    await untilCheck(world, worker);
    expect(last(worker).job?.step).toBe(JobStep.CHECK);
    const other = new TestWorker(world, "worker-b", 5);
    for (let i = 0; i < 30; i++) {
      await world.clock.advance(100);
      other.beat();
    }
    expect([last(other).job?.step, last(other).attempt, jsonOf(last(other).job?.handle)]).toEqual([
      JobStep.CHECK,
      3,
      "job-17",
    ]);
    await answer(other, last(other), true, [0, 1]);
    await world.clock.advance(100);
    const run = await shown(world);
    expect(run.summary?.status).toBe(RunStatus.COMPLETED);
    expect(run.events.find(({ type }) => type === "attempt_failed")?.detail).toContain("WORKER_LOST");
  });

  test.each(["while it is submitted", "between two checks", "while it is checked"])(
    "goes on under a new owner that folded everything anew, %s",
    async (when) => {
      const { world, worker } = await begun([7]);
      if (when !== "while it is submitted") await submit(world, worker);
      if (when === "while it is checked") await untilCheck(world, worker);
      const before = worker.tasks.length;
      await world.until(world.node?.stop() ?? Promise.resolve());
      world.loseState();
      await world.startNode();
      await world.clock.advance(400);
      worker.beat();
      await world.clock.advance(200);
      if (when === "while it is submitted") {
        expect(last(worker).job?.step).toBe(JobStep.SUBMIT);
        await submit(world, worker);
      }
      await untilCheck(world, worker);
      expect(worker.tasks.length).toBeGreaterThan(before);
      expect([last(worker).job?.step, last(worker).attempt]).toEqual([JobStep.CHECK, 2]);
      await answer(worker, last(worker), true, [0]);
      await world.clock.advance(100);
      expect((await shown(world)).summary?.status).toBe(RunStatus.COMPLETED);
    },
  );

  test("is not checked while its workflow is paused, and is once that goes on", async () => {
    const { world, worker } = await begun([1]);
    await submit(world, worker);
    const all = { workflow: "score", who: "ann", nowMs: world.clock.nowMs() };
    const partition = partitionOf("run-1", world.partitions);
    const pause = pauseWorkflowCommand({ ...all, id: "p-1", reason: "quota" });
    await world.until(world.commands.submit(partition, pause));
    await untilCheck(world, worker);
    await untilCheck(world, worker);
    expect(last(worker).job?.step).toBe(JobStep.SUBMIT);
    const resume = resumeWorkflowCommand({ ...all, id: "p-2" });
    await world.until(world.commands.submit(partition, resume));
    await untilCheck(world, worker);
    expect(last(worker).job?.step).toBe(JobStep.CHECK);
    await answer(worker, last(worker), true, [0]);
    await world.clock.advance(100);
    expect((await shown(world)).summary?.status).toBe(RunStatus.COMPLETED);
  });

  test("that is not wanted any more is cancelled outside, also under an owner that came later", async () => {
    const { world, worker } = await begun([1]);
    await submit(world, worker);
    const cancel = cancelRunCommand({
      id: "c-1",
      runId: "run-1",
      who: "ann",
      reason: "a typo",
      nowMs: world.clock.nowMs(),
    });
    await world.until(world.commands.submit(partitionOf("run-1", world.partitions), cancel));
    await world.clock.advance(100);
    const first = last(worker);
    expect([first.job?.step, first.job?.reason, jsonOf(first.job?.handle)]).toEqual([
      JobStep.CANCEL,
      "a typo",
      "job-17",
    ]);
    await worker.fail(first, FailureMode.NETWORK, "off");
    await world.until(world.node?.stop() ?? Promise.resolve());
    await world.startNode();
    for (let i = 0; i < 10; i++) {
      await world.clock.advance(100);
      worker.beat();
    }
    expect([last(worker).job?.step, last(worker).attempt]).toEqual([JobStep.CANCEL, first.attempt + 1]);
    await worker.succeed(last(worker));
    await world.clock.advance(100);
    const run = await shown(world);
    expect(run.summary?.status).toBe(RunStatus.CANCELLED);
    expect(run.actions[0]?.batch).toMatchObject({ phase: BatchPhase.UNSPECIFIED, cancels: 0 });
    expect(run.events.at(-1)?.detail).toBe("batch job job-17 was cancelled: a typo");
  });
});
