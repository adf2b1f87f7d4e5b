/** Task batches that get lost, answers that come late, partitions that go: no flight stays behind, and no run hangs. */
import { create } from "@bufbuild/protobuf";
import { RunStatus, type Task, WorkflowDefinitionSchema } from "@holdfast/proto";
import { describe, expect, test } from "vitest";
import {
  pauseRunCommand,
  pauseWorkflowCommand,
  resumeRunCommand,
  resumeWorkflowCommand,
} from "../client/index.js";
import { TestWorker, TestWorld } from "./testing.js";

const one = create(WorkflowDefinitionSchema, { name: "one", actions: [{ name: "only" }] });
const PARTITION = 0;

async function worldOf(): Promise<TestWorld> {
  const world = new TestWorld({ workerLeaseMs: 3_600_000 }, 1);
  await world.startNode();
  await world.define(one);
  return world;
}

const statusOf = async (world: TestWorld, runId: string): Promise<string | undefined> =>
  RunStatus[(await world.until(world.queries.getRun(runId))).summary?.status ?? 0];
const load = (world: TestWorld) => world.node?.status()[PARTITION];

/** A worker to which the second batch, with `run-2`, never comes. */
async function withLostBatch(world: TestWorld): Promise<TestWorker> {
  const worker = new TestWorker(world, "worker-a", 10);
  await world.start("one", "run-1");
  await world.clock.advance(100);
  worker.deaf = true;
  await world.start("one", "run-2");
  await world.clock.advance(100);
  worker.deaf = false;
  return worker;
}

const of = (world: TestWorld, id: string) => ({ id, who: "ann", reason: "", nowMs: world.clock.nowMs() });

describe("a lost batch", () => {
  test.each([
    [
      "run",
      (world: TestWorld) => pauseRunCommand({ runId: "run-2", ...of(world, "c-1") }),
      (world: TestWorld) => resumeRunCommand({ runId: "run-2", ...of(world, "c-2") }),
    ],
    [
      "workflow",
      (world: TestWorld) => pauseWorkflowCommand({ workflow: "one", ...of(world, "c-1") }),
      (world: TestWorld) => resumeWorkflowCommand({ workflow: "one", ...of(world, "c-2") }),
    ],
  ])("whose %s is paused when it is sent again goes out once that is over", async (_what, pause, resume) => {
    const world = await worldOf();
    const worker = await withLostBatch(world);
    await world.until(world.commands.submit(PARTITION, pause(world)));
    await world.clock.advance(1_500);
    worker.beat();
    await world.clock.advance(100);
    expect(worker.batches.map(({ batch, tasks }) => [batch, tasks.length])).toEqual([
      [2, 1],
      [3, 0],
    ]);
    expect(load(world)).toMatchObject({ inFlightTasks: 1 });

    await world.until(world.commands.submit(PARTITION, resume(world)));
    await world.clock.advance(1_000);
    const again = worker.tasks.filter(({ runId }) => runId === "run-2");
    expect(again.map(({ attempt }) => attempt)).toEqual([1]);
    await world.until(worker.succeed(again[0] as Task));
    await world.clock.advance(100);
    expect(await statusOf(world, "run-2")).toBe("COMPLETED");
  });

  test("of a partition that was lost meanwhile goes out when this node owns it again", async () => {
    const world = await worldOf();
    const worker = await withLostBatch(world);
    worker.held = [...worker.tasks];
    await world.loseOwnership(PARTITION);
    expect(load(world)).toMatchObject({ readyTasks: 0, inFlightTasks: 0 });
    await world.clock.advance(1_500);
    worker.beat();
    await world.clock.advance(100);
    await world.until(world.processor(PARTITION).own());
    await world.clock.advance(1_000);
    expect(worker.tasks.map(({ runId }) => runId)).toEqual(["run-1", "run-2"]);
  });
});

describe("what a worker says that it has", () => {
  test("takes no place at it once the attempt is over, or is another one", async () => {
    const world = await worldOf();
    const worker = new TestWorker(world, "worker-a", 2);
    await world.start("one", "run-1");
    await world.start("one", "run-2");
    await world.clock.advance(100);
    const [first, second] = worker.tasks as [Task, Task];
    await world.until(worker.succeed(first));
    await world.clock.advance(100);
    expect(load(world)).toMatchObject({ inFlightTasks: 1 });
    worker.held = [
      first,
      second,
      { ...second, attempt: 7 },
      { ...second, item: 3 },
      { ...second, runId: "no" },
    ];
    worker.beat({ rollCallAnswer: true });
    await world.clock.advance(100);
    expect(load(world)).toMatchObject({ inFlightTasks: 1 });
    await world.start("one", "run-3");
    await world.clock.advance(100);
    expect(worker.tasks.at(-1)?.runId).toBe("run-3");
  });

  test("is nothing to a node that does not act for its partition", async () => {
    const world = await worldOf();
    const worker = new TestWorker(world, "worker-a", 2);
    await world.start("one", "run-1");
    await world.clock.advance(100);
    worker.held = [...worker.tasks];
    await world.loseOwnership(PARTITION);
    worker.beat({ rollCallAnswer: true });
    await world.clock.advance(100);
    expect(load(world)).toMatchObject({ readyTasks: 0, inFlightTasks: 0 });
  });

  test("of a paused run stays with it: it is not sent to another when the run goes on", async () => {
    const world = await worldOf();
    const worker = new TestWorker(world, "worker-a", 2);
    await world.start("one", "run-1");
    await world.clock.advance(100);
    await world.until(
      world.commands.submit(PARTITION, pauseRunCommand({ runId: "run-1", ...of(world, "c-1") })),
    );
    worker.held = [...worker.tasks];
    await world.loseOwnership(PARTITION);
    await world.until(world.processor(PARTITION).own());
    await world.until(
      world.commands.submit(PARTITION, resumeRunCommand({ runId: "run-1", ...of(world, "c-2") })),
    );
    await world.clock.advance(1_000);
    expect(worker.tasks).toHaveLength(1);
    expect(load(world)).toMatchObject({ readyTasks: 0, inFlightTasks: 1 });
  });
});
