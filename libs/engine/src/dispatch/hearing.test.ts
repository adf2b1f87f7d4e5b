/** A node that hears nothing judges nobody: its own deafness is no worker's death, however it came about. */
import { create } from "@bufbuild/protobuf";
import { partitionOf } from "@holdfast/core";
import {
  AttentionKind,
  ListAttentionQuerySchema,
  RunStatus,
  type Task,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { describe, expect, test } from "vitest";
import { TestWorker, TestWorld } from "./testing.js";

const LEASE_MS = 4_000;

const once = create(WorkflowDefinitionSchema, {
  name: "once",
  actions: [{ name: "only", retry: { maxAttempts: 1 }, timeouts: { startToCloseMs: 30_000 } }],
});

async function worldWith(limits = {}): Promise<TestWorld> {
  const world = new TestWorld({ workerLeaseMs: LEASE_MS, ...limits });
  await world.startNode();
  await world.define(once);
  return world;
}

const shown = async (world: TestWorld, runId: string) =>
  (await world.until(world.queries.getRun(runId))).summary;

/** Time passes in which a worker says that it is there. */
async function pass(world: TestWorld, ms: number, ...workers: readonly TestWorker[]): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    await world.clock.advance(500);
    for (const worker of workers) worker.beat();
  }
}

describe("a node that is cut off", () => {
  test.each([
    { how: "and told that it is connected again", told: true },
    { how: "by a connection that is open and silent", told: false },
  ])("$how takes no worker for lost, and the work that went on counts", async ({ told }) => {
    const world = await worldWith();
    const worker = new TestWorker(world, "worker-a", 5);
    await world.start("once", "run-1");
    await pass(world, 1_000, worker);
    expect(worker.tasks).toHaveLength(1);
    world.bus.cutOff();
    await pass(world, LEASE_MS * 5, worker);
    world.bus.restore();
    if (told) world.bus.reconnected();
    // Nearly a lease passes before the worker is heard.
    await world.clock.advance(LEASE_MS - 600);
    worker.beat();
    await world.clock.advance(LEASE_MS - 600);
    await worker.succeed(worker.tasks[0] as Task);
    await world.clock.advance(500);
    expect(await shown(world, "run-1")).toMatchObject({ status: RunStatus.COMPLETED });
  });

  test("still finds the worker dead that stays silent when it hears again, though it is deaf time and again", async () => {
    const world = await worldWith();
    const worker = new TestWorker(world, "worker-a", 5);
    await world.start("once", "run-1");
    await pass(world, 1_000, worker);
    world.bus.cutOff();
    await world.clock.advance(LEASE_MS * 3);
    for (let turn = 0; turn < 12; turn++) {
      world.bus.restore();
      await world.clock.advance(1_000);
      world.bus.cutOff();
      await world.clock.advance(LEASE_MS);
    }
    world.bus.restore();
    await world.clock.advance(1_000);
    expect(await shown(world, "run-1")).toMatchObject({ status: RunStatus.FAILED });
  });

  test("calls no attempt overdue whose end could not be told it", async () => {
    const world = await worldWith({ timeoutGraceMs: 500 });
    const worker = new TestWorker(world, "worker-a", 5);
    await world.start("once", "run-1");
    await pass(world, 25_000, worker);
    world.bus.cutOff();
    await pass(world, 20_000, worker);
    world.bus.restore();
    await pass(world, LEASE_MS / 2, worker);
    await worker.succeed(worker.tasks[0] as Task);
    await world.clock.advance(500);
    expect(await shown(world, "run-1")).toMatchObject({ status: RunStatus.COMPLETED });
  });

  test("ends nothing as never begun that no worker could be given", async () => {
    const world = await worldWith();
    await world.define(
      create(WorkflowDefinitionSchema, {
        name: "soon",
        actions: [{ name: "only", retry: { maxAttempts: 1 }, timeouts: { scheduleToStartMs: 8_000 } }],
      }),
    );
    await world.start("soon", "run-1");
    world.bus.cutOff();
    await world.clock.advance(30_000);
    const worker = new TestWorker(world, "worker-a", 5);
    world.bus.restore();
    await world.clock.advance(1_000);
    worker.beat();
    await world.clock.advance(200);
    expect(worker.tasks).toHaveLength(1);
    await worker.succeed(worker.tasks[0] as Task);
    await world.clock.advance(500);
    expect(await shown(world, "run-1")).toMatchObject({ status: RunStatus.COMPLETED });
    // A judgement that was put off is made: nobody is there for the next.
    worker.beat({ gone: true });
    await world.start("soon", "run-2");
    await world.clock.advance(7_000);
    world.bus.cutOff();
    await world.clock.advance(3_000);
    world.bus.restore();
    await world.clock.advance(LEASE_MS + 2_000);
    expect(await shown(world, "run-2")).toMatchObject({ status: RunStatus.FAILED });
  });

  test("tells of no stuck work that workers could not take meanwhile", async () => {
    const world = await worldWith({ stuckAfterMs: 60_000 });
    await world.start("once", "run-1");
    world.bus.cutOff();
    await world.clock.advance(120_000);
    world.bus.restore();
    await world.clock.advance(2_000);
    const stuck = async () => {
      const value = init(ListAttentionQuerySchema, {});
      const of = partitionOf("run-1", world.partitions);
      const answer = await world.until(world.queries.query(of, { case: "listAttention", value }));
      if (answer.case !== "attention") throw new Error(`it answered with ${answer.case}`);
      return answer.value.attentions.filter(({ kind }) => kind === AttentionKind.STUCK);
    };
    expect(await stuck()).toEqual([]);
    await world.clock.advance(30_000);
    expect(await stuck()).toHaveLength(1);
  });

  test("asks again what workers run before it gives anything away, where it was deaf when it started", async () => {
    const world = await worldWith();
    const worker = new TestWorker(world, "worker-a", 5);
    await world.start("once", "run-1");
    await world.clock.advance(200);
    worker.held = [...worker.tasks];
    await world.until(world.node?.stop() ?? Promise.resolve());
    const starting = world.startNode({ cutOff: true });
    await world.clock.advance(20_000);
    world.bus.restore();
    await starting;
    await pass(world, 2_000, worker);
    expect(worker.tasks).toHaveLength(1);
  });
});
