/** Due work that stands still beside an idle worker, though by no fault that anybody may have: it is seen, mended, counted and told. */
import { create } from "@bufbuild/protobuf";
import { AttentionBatchSchema, type Task, WorkflowDefinitionSchema } from "@holdfast/proto";
import { decode } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import { startRunCommand } from "../client/index.js";
import { SlowStore } from "../partition/slow-store.js";
import { TestWorker, TestWorld } from "./testing.js";

const one = create(WorkflowDefinitionSchema, { name: "one", actions: [{ name: "only" }] });
const RUNS = 40;

async function backlogOf(
  readyTasksMax: number,
): Promise<{ world: TestWorld; store: SlowStore; told: string[] }> {
  const limits = { readyTasksMax, derivePage: 5, workerLeaseMs: 3_600_000 };
  const world = new TestWorld(limits, 1);
  const store = new SlowStore();
  world.store = store;
  await world.startNode();
  await world.define(one);
  for (let i = 0; i < RUNS; i++)
    void world.commands.send(0, startRunCommand({ workflow: "one", runId: `run-${i}` }));
  await world.clock.advance(100);
  const told: string[] = [];
  world.network.bus().subscribe("holdfast.attention.*", ({ data }) => {
    told.push(...decode(AttentionBatchSchema, data).attentions.map(({ message }) => message));
  });
  return { world, store, told };
}

/** Does all that a worker is given, for so many seconds; how many ended. */
async function work(world: TestWorld, worker: TestWorker, seconds: number): Promise<number> {
  let done = 0;
  for (let tenth = 0; tenth < seconds * 10; tenth++) {
    for (; done < worker.tasks.length; done++) await world.until(worker.succeed(worker.tasks[done] as Task));
    await world.clock.advance(100);
  }
  return done;
}

const stalls = (world: TestWorld): number =>
  Number(/^holdfast_stalls_total (\d+)$/m.exec(world.registry.render())?.[1]);

test("a look for due work that hangs is begun anew", async () => {
  const { world, store, told } = await backlogOf(6);
  world.processor(0).due.restart();
  let hung = 0;
  store.delay = ({ from }) =>
    from.startsWith("x") && hung++ === 0 ? new Promise(() => undefined) : Promise.resolve();
  expect(await work(world, new TestWorker(world, "worker-a", 5), 30)).toBe(RUNS);
  expect(hung).toBeGreaterThan(1);
  expect(world.node?.status()[0]).toMatchObject({ readyTasks: 0, inFlightTasks: 0 });
  expect([stalls(world), told.length]).toEqual([1, 1]);
});

test("a task that nobody knows any more is found, counted and told", async () => {
  const { world, told } = await backlogOf(1_000);
  const ready = world.node?.["dispatcher"]["ready"];
  expect(ready?.size).toBe(RUNS);
  ready?.remove("run-7/0/-1/1");
  ready?.remove("run-8/0/-1/1");
  expect(await work(world, new TestWorker(world, "worker-a", 5), 30)).toBe(RUNS);
  expect(stalls(world)).toBe(1);
  expect(told).toHaveLength(1);
  expect(told[0]).toContain('work of workflow "one" due in queue "default" while a worker of it was idle');
});

test("a partition that is done, or that no worker serves, is no defect, however long it stays so", async () => {
  const { world, told } = await backlogOf(6);
  await world.clock.advance(60_000);
  const worker = new TestWorker(world, "worker-a", 5);
  expect(await work(world, worker, 10)).toBe(RUNS);
  await world.clock.advance(120_000);
  expect([stalls(world), told]).toEqual([0, []]);
});
