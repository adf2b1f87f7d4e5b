/** What nobody will finish is ended, with a reason, also across a change of owner. */
import { create } from "@bufbuild/protobuf";
import { ActionStatus, FailureMode, type RunView, Source, WorkflowDefinitionSchema } from "@holdfast/proto";
import { beforeEach, expect, test } from "vitest";
import { TestWorker, TestWorld } from "./testing.js";

const DEFINITION = create(WorkflowDefinitionSchema, {
  name: "one",
  actions: [
    {
      name: "only",
      retry: { maxAttempts: 2, initialBackoffMs: 100, jitterMilli: 0 },
      timeouts: { startToCloseMs: 10_000, scheduleToStartMs: 3_000 },
    },
  ],
});

let world: TestWorld;
beforeEach(async () => {
  world = new TestWorld({ workerLeaseMs: 600_000 });
  await world.startNode();
  await world.define(DEFINITION);
});
const run = (): Promise<RunView> => world.until(world.queries.getRun("r1"));

test("an attempt that no worker began is retried, then fails, and says who was missing", async () => {
  await world.start("one", "r1");
  await world.clock.advance(2_000);
  expect((await run()).actions[0]?.note).toBe(
    'no worker serves queue "default" for this workflow: start one',
  );
  await world.clock.advance(1_200);
  expect((await run()).actions[0]).toMatchObject({ attempt: 2 });
  await world.clock.advance(3_200);
  const { failure, status, detail } = (await run()).actions[0] ?? {};
  expect(status).toBe(ActionStatus.FAILED);
  expect(failure).toMatchObject({ mode: FailureMode.TIMEOUT, source: Source.TIMEOUT });
  expect(detail).toBe(
    'TIMEOUT: no worker began it within 3000 ms (schedule_to_start): no worker serves queue "default" for this workflow',
  );
});

test("one that waits behind others says that the workers have no room", async () => {
  const worker = new TestWorker(world, "worker-a", 1);
  await world.start("one", "other");
  await world.clock.advance(100);
  await world.start("one", "r1");
  await world.clock.advance(3_200);
  expect(worker.tasks).toHaveLength(1);
  const { events } = await world.until(world.queries.getRun("r1", { full: true }));
  expect(events.find(({ type }) => type === "attempt_failed")?.detail).toContain(
    'the worker of queue "default" has no room',
  );
});

test("one that a worker has is left alone, however long ago it was due", async () => {
  const worker = new TestWorker(world, "worker-a", 1);
  await world.start("one", "r1");
  await world.clock.advance(9_000);
  expect(worker.tasks).toHaveLength(1);
  expect((await run()).actions[0]).toMatchObject({ attempt: 1, status: ActionStatus.RUNNING, note: "" });
});

test("a new owner, also one without state, still ends what no worker begins", async () => {
  await world.start("one", "r1");
  await world.until(world.node?.stop() ?? Promise.resolve());
  world.loseState();
  await world.clock.advance(60_000);
  await world.startNode();
  await world.clock.advance(8_000);
  expect((await run()).actions[0]?.failure?.message).toContain("schedule_to_start");
});

test("a new owner counts what an attempt has run already", async () => {
  const worker = new TestWorker(world, "worker-a", 1);
  await world.start("one", "r1");
  await world.clock.advance(100);
  worker.held = worker.tasks.map((task) => ({ ...task }));
  worker.runningMs = 9_000;
  await world.until(world.node?.stop() ?? Promise.resolve());
  await world.startNode();
  await world.clock.advance(3_500);
  expect((await run()).actions[0]?.attempt).toBe(2);
});
