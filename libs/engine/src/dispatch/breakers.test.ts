/** Breakers on a whole node: a dependency that is dead for an hour, what it gets meanwhile, and what becomes of the work. */
import { create } from "@bufbuild/protobuf";
import { partitionOf } from "@holdfast/core";
import {
  BreakerStatus,
  type BreakerView,
  FailureMode,
  ItemStatus,
  ListBreakersQuerySchema,
  RunStatus,
  type Task,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import { startRunCommand } from "../client/index.js";
import { TestWorker, TestWorld } from "./testing.js";

const ITEMS = 50_000;
const WINDOW = 500;
const PROBES = 3;

const definition = (items: boolean) =>
  create(WorkflowDefinitionSchema, {
    name: "charge",
    actions: [
      {
        name: "card",
        ...(items ? { forEach: { source: { case: "inputPointer", value: "" }, window: WINDOW } } : {}),
        retry: { maxAttempts: 3, initialBackoffMs: 1_000, maxBackoffMs: 5_000 },
        breaker: { minSamples: 10, openForMs: 60_000, maxOpenForMs: 600_000, probes: PROBES },
      },
    ],
  });

/** A worker whose handlers all ask one dependency. */
class Charging {
  readonly worker: TestWorker;
  dead = false;
  /** What the dependency was asked while it was dead. */
  asked = 0;
  private done = 0;

  constructor(
    private readonly world: TestWorld,
    capacity: number,
    id = "worker-a",
  ) {
    this.worker = new TestWorker(world, id, capacity);
  }

  /** Answers all it has got. False where that was nothing. */
  work(): boolean {
    const { batches } = this.worker;
    const fresh: Task[] = batches.slice(this.done).flatMap(({ tasks }) => [...tasks]);
    this.done = batches.length;
    for (const task of fresh) {
      if (this.dead) this.asked += 1;
      void (this.dead
        ? this.worker.fail(task, FailureMode.UNAVAILABLE, "no answer")
        : this.worker.succeed(task));
    }
    this.worker.beat();
    return fresh.length > 0;
  }

  async pass(ms: number, stepMs: number): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.work();
      await this.world.clock.advance(stepMs);
    }
  }
}

async function breakerOf(world: TestWorld, runId: string): Promise<BreakerView | undefined> {
  const value = init(ListBreakersQuerySchema, { workflow: "charge", action: "card", key: "", limit: 1 });
  const partition = partitionOf(runId, world.partitions);
  const answer = await world.until(world.queries.query(partition, { case: "listBreakers", value }));
  return answer.case === "breakers" ? answer.value.breakers[0] : undefined;
}

test("a dependency that is dead for an hour under 50,000 items loses none, and gets no more than the probes", {
  timeout: 900_000,
}, async () => {
  const world = new TestWorld({ workerLeaseMs: 7_200_000 });
  await world.startNode();
  await world.define(definition(true));
  const charging = new Charging(world, WINDOW);
  const input = Buffer.from(`[${Array.from({ length: ITEMS }, () => 1).join(",")}]`);
  const command = startRunCommand({ workflow: "charge", runId: "r1", input });
  await world.until(world.commands.submit(partitionOf("r1", world.partitions), command));
  await charging.pass(60, 20);
  const healthy = charging.worker.tasks.length;
  charging.dead = true;
  await charging.pass(2_000, 20);
  const opened = await breakerOf(world, "r1");
  expect(opened?.status).toBe(BreakerStatus.OPEN);
  // As many failures as successes before it, what workers had when it opened, and nothing since.
  expect(charging.asked).toBeLessThanOrEqual(healthy + 2 * WINDOW);
  const before = charging.asked;
  const counted = (await world.until(world.queries.getRun("r1"))).actions[0]?.items;
  await charging.pass(3_600_000, 5_000);
  const later = await world.until(world.queries.getRun("r1"));
  const openings = (await breakerOf(world, "r1"))?.opened ?? 0;
  expect(openings).toBeGreaterThan(5);
  expect(charging.asked - before).toBeLessThanOrEqual(openings * PROBES);
  expect(charging.asked - before).toBeGreaterThan(0);
  // Only probes have failed since, and what failed as a probe has spent no attempt: no item ran out of them.
  expect(later.actions[0]?.items?.failed).toBe(counted?.failed);
  const now = /^breaker (open until|half open)/;
  expect(later.actions[0]?.detail).toMatch(now);
  // Not what was said when they were first held.
  const untilText = (await breakerOf(world, "r1"))?.text ?? "";
  expect(later.actions[0]?.detail).toContain(untilText);
  const wanted = { action: "card", statuses: [ItemStatus.PENDING], pageSize: 10 };
  const { items } = await world.until(world.queries.listItems("r1", wanted));
  expect(items.map(({ detail }) => detail)).toEqual(Array.from({ length: 10 }, () => untilText));
  charging.dead = false;
  for (let step = 0; step < 4_000; step++) {
    const busy = charging.work();
    await world.clock.advance(busy ? 20 : 2_000);
    if (step % 50 !== 0) continue;
    const { summary } = await world.until(world.queries.getRun("r1"));
    if (summary?.status !== RunStatus.RUNNING) break;
  }
  const run = await world.until(world.queries.getRun("r1"));
  expect(run.summary?.status).toBe(RunStatus.COMPLETED);
  expect(run.actions[0]?.items).toMatchObject({ total: ITEMS, succeeded: ITEMS, failed: 0 });
  expect((await breakerOf(world, "r1"))?.status).toBe(BreakerStatus.CLOSED);
});

test("a node that dies while half open loses its data folder, and neither the breaker, nor what it holds, nor a probe", async () => {
  const world = new TestWorld({ workerLeaseMs: 7_200_000 }, 1);
  await world.startNode();
  await world.define(definition(false));
  const charging = new Charging(world, 100);
  charging.dead = true;
  for (let i = 0; i < 20; i++) await world.start("charge", `r${i}`);
  await charging.pass(2_000, 20);
  expect((await breakerOf(world, "r0"))?.status).toBe(BreakerStatus.OPEN);
  for (let at = 0; at < 70 && (await breakerOf(world, "r0"))?.status !== BreakerStatus.HALF_OPEN; at++)
    await world.clock.advance(1_000);
  const before = await breakerOf(world, "r0");
  expect(before).toMatchObject({ status: BreakerStatus.HALF_OPEN, probesOut: PROBES });
  const out = charging.worker.tasks.length;
  await world.until(world.node?.stop() ?? Promise.resolve());
  world.loseState();
  await world.startNode();
  const after = await breakerOf(world, "r0");
  expect(after).toMatchObject({ status: BreakerStatus.HALF_OPEN, probesOut: PROBES, held: before?.held });
  await world.clock.advance(2_000);
  const probes = new Set(
    charging.worker.tasks.slice(out - PROBES).map(({ runId, attempt }) => `${runId}/${attempt}`),
  );
  expect(probes.size).toBe(PROBES);
  charging.dead = false;
  for (let step = 0; step < 200; step++) {
    charging.work();
    await world.clock.advance(200);
  }
  for (let i = 0; i < 20; i++) {
    const { summary } = await world.until(world.queries.getRun(`r${i}`));
    expect([`r${i}`, RunStatus[summary?.status ?? 0]]).toEqual([`r${i}`, "COMPLETED"]);
  }
  expect(await breakerOf(world, "r0")).toMatchObject({ status: BreakerStatus.CLOSED, held: 0 });
});

test("tasks that wait for room when the breaker opens are not sent, and not spent", async () => {
  const world = new TestWorld({ workerLeaseMs: 7_200_000 }, 1);
  await world.startNode();
  await world.define(definition(false));
  for (let i = 0; i < 40; i++) await world.start("charge", `r${i}`);
  const charging = new Charging(world, 10);
  charging.dead = true;
  await charging.pass(10_000, 20);
  expect(charging.asked).toBeLessThanOrEqual(20);
  const breaker = await breakerOf(world, "r0");
  expect(breaker).toMatchObject({ status: BreakerStatus.OPEN, held: 40 });
  const waiting = await world.until(world.queries.getRun("r39"));
  expect(waiting.actions[0]?.detail).toMatch(/^breaker open until/);
  expect(waiting.summary?.detail).toMatch(/^card: breaker open until/);
  const { runs } = await world.until(world.queries.listRuns({ workflow: "charge", pageSize: 100 }));
  expect(runs.filter(({ detail }) => detail.startsWith("card: breaker open until"))).toHaveLength(40);
  charging.dead = false;
  for (let step = 0; step < 600; step++) {
    charging.work();
    await world.clock.advance(200);
  }
  const { summary } = await world.until(world.queries.getRun("r39"));
  expect(summary?.status).toBe(RunStatus.COMPLETED);
});
