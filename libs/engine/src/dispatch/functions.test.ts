/** A task goes only to a worker that has its function; without one it waits, spends nothing, and is told. */
import { create } from "@bufbuild/protobuf";
import { partitionOf } from "@holdfast/core";
import {
  AttentionKind,
  FailureMode,
  ListAttentionQuerySchema,
  RunStatus,
  type Task,
  TaskReturnSchema,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { describe, expect, test } from "vitest";
import { ROLE } from "../partition/needed.js";
import { TestWorker, TestWorld } from "./testing.js";

const retry = { maxAttempts: 1 };
const order = create(WorkflowDefinitionSchema, {
  name: "order",
  actions: [
    { name: "pay", retry, undo: {} },
    { name: "ship", retry, recover: true, after: ["pay"] },
    { name: "close", retry, after: ["ship"] },
  ],
});
const ALL = { pay: ROLE.handler | ROLE.undo, ship: ROLE.handler | ROLE.recover, close: ROLE.handler };

async function worldWith(limits = {}): Promise<TestWorld> {
  const world = new TestWorld(limits);
  await world.startNode();
  await world.define(order);
  return world;
}

const worker = (world: TestWorld, id: string, capacity: number, actions: Record<string, number>) =>
  new TestWorker(world, id, capacity, "default", ["order"], { order: actions });
const namesOf = ({ tasks }: TestWorker): string[] =>
  tasks.map(({ runId, actionName, attempt }) => `${runId} ${actionName}#${attempt}`);
const statusOf = async (world: TestWorld, runId: string) =>
  (await world.until(world.queries.getRun(runId))).summary?.status;
const last = ({ tasks }: TestWorker): Task => tasks.at(-1) as Task;

function metric(world: TestWorld, name: string): number {
  const line = world.registry
    .render()
    .split("\n")
    .find((each) => each.startsWith(`${name} `));
  return Number(line?.split(" ")[1]);
}

describe("a task", () => {
  test("goes to the worker that has its function, however busy that is and however idle the others", async () => {
    const world = await worldWith();
    const newer = worker(world, "worker-new", 10, { pay: ROLE.handler });
    const older = worker(world, "worker-old", 1, ALL);
    await world.clock.advance(100);
    for (let n = 0; n < 3; n++) await world.start("order", `run-${n}`);
    for (let done = 0; done < 30; done++) {
      await world.clock.advance(100);
      for (const each of [newer, older]) for (const task of each.tasks.splice(0)) void task;
      const open = [newer, older].flatMap((each) => each.batches.splice(0).map((batch) => ({ each, batch })));
      for (const { each, batch } of open)
        for (const task of batch.tasks) {
          if (task.actionName !== "pay") expect(each).toBe(older);
          await each.succeed(task);
        }
      newer.beat();
      older.beat();
    }
    for (let n = 0; n < 3; n++) expect(await statusOf(world, `run-${n}`)).toBe(RunStatus.COMPLETED);
  });

  test("that nobody has the function for waits, is counted and told, and goes to the first that comes with it", async () => {
    const world = await worldWith({ stuckAfterMs: 20_000 });
    const newer = worker(world, "worker-new", 10, { pay: ROLE.handler });
    await world.clock.advance(100);
    await world.start("order", "run-1");
    await world.clock.advance(100);
    await newer.succeed(last(newer));
    for (let passed = 0; passed < 60; passed++) {
      await world.clock.advance(1_000);
      newer.beat();
    }
    expect(namesOf(newer)).toEqual(["run-1 pay#1"]);
    expect(metric(world, "holdfast_unserved_tasks")).toBe(1);
    const value = init(ListAttentionQuerySchema, {});
    const of = partitionOf("run-1", world.partitions);
    const answer = await world.until(world.queries.query(of, { case: "listAttention", value }));
    if (answer.case !== "attention") throw new Error(`it answered with ${answer.case}`);
    const [stuck] = answer.value.attentions;
    expect(stuck?.kind).toBe(AttentionKind.STUCK);
    expect(stuck?.message).toMatch(
      /no worker of queue "default" has the handler of action "ship" of workflow "order" \(definition [0-9a-f]{8}\): start one of the version that has it/,
    );
    const noted = async () =>
      (await world.until(world.queries.getRun("run-1"))).actions.map(({ name, note }) => [name, note]);
    expect(await noted()).toEqual([
      ["pay", ""],
      [
        "ship",
        expect.stringMatching(
          /^no worker of queue "default" has the handler of action "ship" of .*: start one of the version that has it$/,
        ),
      ],
      ["close", ""],
    ]);
    const older = worker(world, "worker-old", 10, ALL);
    await world.clock.advance(200);
    expect((await noted()).map(([, note]) => note)).toEqual(["", "", ""]);
    expect(namesOf(older)).toEqual(["run-1 ship#1"]);
    expect(metric(world, "holdfast_unserved_tasks")).toBe(0);
  });

  test("to undo or to recover needs a function of its own", async () => {
    const world = await worldWith();
    const handlers = worker(world, "worker-handlers", 5, {
      pay: ROLE.handler,
      ship: ROLE.handler,
      close: ROLE.handler,
    });
    await world.clock.advance(100);
    await world.start("order", "run-1");
    await world.clock.advance(100);
    await handlers.succeed(last(handlers), 1);
    await world.clock.advance(100);
    await handlers.fail(last(handlers), FailureMode.VALIDATION, "no such street");
    await world.clock.advance(2_000);
    handlers.beat();
    expect(namesOf(handlers)).toEqual(["run-1 pay#1", "run-1 ship#1"]);
    const others = worker(world, "worker-others", 5, { pay: ROLE.undo, ship: ROLE.recover });
    await world.clock.advance(200);
    expect(others.tasks.map(({ actionName, recover }) => [actionName, recover?.message])).toEqual([
      ["ship", "no such street"],
    ]);
    await others.fail(last(others), FailureMode.VALIDATION, "nor another");
    await world.clock.advance(200);
    expect(last(others)).toMatchObject({ actionName: "pay", undo: { now: true } });
  });

  test("that is given back for want of a function is not spent, and goes to another", async () => {
    const world = await worldWith();
    // It says nothing of functions, as workers of other languages may.
    const first = new TestWorker(world, "worker-a", 5);
    await world.start("order", "run-1");
    await world.clock.advance(100);
    const returned = init(TaskReturnSchema, { reason: "it has no handler", noFunction: true });
    await first.report(last(first), { case: "returned", value: returned });
    await world.clock.advance(3_000);
    first.beat();
    await world.clock.advance(3_000);
    first.beat();
    expect(namesOf(first)).toEqual(["run-1 pay#1"]);
    const second = new TestWorker(world, "worker-b", 5);
    await world.clock.advance(200);
    expect(namesOf(second)).toEqual(["run-1 pay#1"]);
    await second.succeed(last(second));
    await world.clock.advance(200);
    // Of another action it is as good as any.
    expect([...namesOf(first), ...namesOf(second)]).toContain("run-1 ship#1");
  });

  test("that is given back for another reason comes again after a while, to the same worker too", async () => {
    const world = await worldWith();
    const only = new TestWorker(world, "worker-a", 5);
    await world.start("order", "run-1");
    await world.clock.advance(100);
    await only.report(last(only), { case: "returned", value: init(TaskReturnSchema, { reason: "not now" }) });
    await world.clock.advance(200);
    expect(only.tasks).toHaveLength(1);
    await world.clock.advance(2_000);
    expect(namesOf(only)).toEqual(["run-1 pay#1", "run-1 pay#1"]);
  });

  test("that nobody has the function for takes no room of others", async () => {
    const world = await worldWith({ readyTasksMax: 16, derivePage: 8 });
    const newer = worker(world, "worker-new", 4, { pay: ROLE.handler });
    await world.clock.advance(100);
    let paid = 0;
    for (let n = 0; n < 60; n++) await world.start("order", `run-${n}`);
    for (let turn = 0; turn < 400 && paid < 60; turn++) {
      await world.clock.advance(100);
      newer.beat();
      for (const { tasks } of newer.batches.splice(0))
        for (const task of tasks) {
          expect(task.actionName).toBe("pay");
          paid += 1;
          await newer.succeed(task);
        }
    }
    expect(paid).toBe(60);
  });
});

test("a worker that a node does not know the functions of is asked, and gets nothing before it tells", async () => {
  const world = await worldWith();
  const one = worker(world, "worker-a", 5, { ship: ROLE.handler });
  await world.start("order", "run-1");
  await world.clock.advance(1_000);
  expect(one.asked).toBe(1);
  expect(one.tasks).toEqual([]);
  for (let n = 0; n < 5; n++) one.beat();
  await world.clock.advance(1_000);
  expect(one.asked).toBe(1);
});
