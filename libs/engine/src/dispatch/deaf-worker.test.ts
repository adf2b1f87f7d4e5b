/** A worker that beats but never confirms what it is sent does not keep its tasks: others get them, unspent, until it confirms again. */
import { create } from "@bufbuild/protobuf";
import { RunStatus, type Task, WorkflowDefinitionSchema } from "@holdfast/proto";
import { expect, test } from "vitest";
import { TestWorker, TestWorld } from "./testing.js";

const TASKS = 20;
const LEASE_MS = 10_000;

const once = create(WorkflowDefinitionSchema, {
  name: "once",
  actions: [{ name: "only", retry: { maxAttempts: 1 } }],
});

const metric = (world: TestWorld, name: string): number => {
  const line = world.registry
    .render()
    .split("\n")
    .find((each) => each.startsWith(`${name} `));
  return Number(line?.split(" ")[1]);
};

async function pass(world: TestWorld, ms: number, ...workers: readonly TestWorker[]): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    await world.clock.advance(500);
    for (const worker of workers) worker.beat();
  }
}

test("what a worker does not confirm for a lease goes to another, and it is used again once it confirms", async () => {
  const world = new TestWorld({ workerLeaseMs: LEASE_MS });
  await world.startNode();
  await world.define(once);
  const deaf = new TestWorker(world, "worker-deaf", TASKS);
  await world.clock.advance(100);
  deaf.deaf = true;
  for (let n = 0; n < TASKS; n++) await world.start("once", `run-${n}`);
  const idle = new TestWorker(world, "worker-idle", TASKS);
  await pass(world, LEASE_MS - 2_000, deaf, idle);
  expect(idle.tasks).toEqual([]);
  await pass(world, 4_000, deaf, idle);
  expect(idle.tasks.map(({ attempt }) => attempt)).toEqual(Array<number>(TASKS).fill(1));
  expect(metric(world, "holdfast_deaf_workers")).toBe(1);
  for (const task of idle.tasks) await idle.succeed(task);
  await world.clock.advance(200);
  for (let n = 0; n < TASKS; n++)
    expect((await world.until(world.queries.getRun(`run-${n}`))).summary?.status).toBe(RunStatus.COMPLETED);

  // It is not spoken to as before: one batch at a time, seldom.
  idle.beat({ draining: true });
  await world.start("once", "later");
  await pass(world, 20_000, deaf);
  expect(deaf.tasks).toEqual([]);
  deaf.deaf = false;
  await pass(world, 20_000, deaf);
  expect(metric(world, "holdfast_deaf_workers")).toBe(0);
  // This one never says that it holds it, so that it may be given out more than once.
  expect(new Set(deaf.tasks.map(({ runId, attempt }) => `${runId}#${attempt}`))).toEqual(
    new Set(["later#1"]),
  );
  await deaf.succeed(deaf.tasks[0] as Task);
  await world.clock.advance(200);
  expect((await world.until(world.queries.getRun("later"))).summary?.status).toBe(RunStatus.COMPLETED);
});

test("a batch that does not arrive is sent again ever later", async () => {
  const world = new TestWorld({ workerLeaseMs: LEASE_MS });
  await world.startNode();
  await world.define(once);
  const worker = new TestWorker(world, "worker-a", 5);
  worker.deaf = true;
  let sent = 0;
  world.network.bus().subscribe(worker.inbox, () => {
    sent += 1;
  });
  await world.start("once", "run-1");
  await pass(world, 40_000, worker);
  expect(sent).toBeGreaterThan(3);
  expect(sent).toBeLessThan(12);
});
