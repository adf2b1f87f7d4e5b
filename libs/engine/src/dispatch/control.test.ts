/** Pausing and cancelling, as the dispatcher acts on it. */
import { create } from "@bufbuild/protobuf";
import { partitionOf } from "@holdfast/core";
import {
  type Command,
  type Outcome,
  RunStatus,
  type RunView,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { beforeEach, expect, test } from "vitest";
import {
  cancelRunCommand,
  pauseRunCommand,
  pauseWorkflowCommand,
  resumeRunCommand,
  resumeWorkflowCommand,
} from "../client/index.js";
import { TestWorker, TestWorld } from "./testing.js";

const CHAIN = create(WorkflowDefinitionSchema, {
  name: "chain",
  actions: [{ name: "first" }, { name: "second", after: ["first"] }],
});

let world: TestWorld;
let ids = 0;
beforeEach(async () => {
  world = new TestWorld({ workerLeaseMs: 600_000 });
  await world.startNode();
  await world.define(CHAIN);
});

const fields = (runId = "r1") => ({
  id: `control-${++ids}`,
  runId,
  who: "ann",
  reason: "why not",
  nowMs: world.clock.nowMs(),
});
async function send(command: Command, runId = "r1"): Promise<Outcome> {
  return await world.until(world.commands.submit(partitionOf(runId, world.partitions), command));
}
async function sendToAll(command: Command): Promise<void> {
  for (let partition = 0; partition < world.partitions; partition++)
    await world.until(world.commands.submit(partition, command));
}
const run = (runId = "r1"): Promise<RunView> => world.until(world.queries.getRun(runId));
const sent = (worker: TestWorker): string[] =>
  worker.tasks.map(({ runId, actionName }) => `${runId}/${actionName}`);

test("a paused run's task that waited for room is not sent until it is resumed", async () => {
  await world.start("chain", "r1");
  await send(pauseRunCommand(fields()));
  const worker = new TestWorker(world, "worker-a", 10);
  await world.clock.advance(2_000);
  expect(sent(worker)).toEqual([]);
  await send(resumeRunCommand(fields()));
  await world.clock.advance(100);
  expect(sent(worker)).toEqual(["r1/first"]);
});

test("a new owner sends nothing of a paused run either, and all of it once it is resumed", async () => {
  await world.start("chain", "r1");
  await send(pauseRunCommand(fields()));
  await world.until(world.node?.stop() ?? Promise.resolve());
  world.loseState();
  await world.startNode();
  const worker = new TestWorker(world, "worker-a", 10);
  await world.clock.advance(2_000);
  expect(sent(worker)).toEqual([]);
  expect((await run()).summary?.detail).toBe("paused by ann: why not");
  await send(resumeRunCommand(fields()));
  await world.clock.advance(100);
  expect(sent(worker)).toEqual(["r1/first"]);
});

test("of a paused workflow nothing is sent, what is under way counts, and new runs wait", async () => {
  const worker = new TestWorker(world, "worker-a", 10);
  await world.start("chain", "r1");
  await world.clock.advance(100);
  const { id, who, reason, nowMs } = fields();
  await sendToAll(pauseWorkflowCommand({ workflow: "chain", id, who, reason, nowMs }));
  await world.until(worker.succeed(worker.tasks[0] as TestWorker["tasks"][number]));
  await world.start("chain", "r2");
  await world.clock.advance(2_000);
  expect(sent(worker)).toEqual(["r1/first"]);
  expect((await run()).workflowPaused).toMatch(/^workflow "chain" is paused by ann since .+ UTC: why not$/);
  await world.until(world.node?.stop() ?? Promise.resolve());
  await world.startNode();
  worker.beat();
  await world.clock.advance(2_000);
  expect(sent(worker)).toEqual(["r1/first"]);
  await sendToAll(resumeWorkflowCommand({ workflow: "chain", id: "again", who, nowMs: world.clock.nowMs() }));
  await world.clock.advance(2_000);
  expect(sent(worker).toSorted()).toEqual(["r1/first", "r1/second", "r2/first"]);
});

test("a cancel does not wait for what no worker has", async () => {
  await world.start("chain", "r1");
  await send(cancelRunCommand({ ...fields(), graceMs: 60_000 }));
  await world.clock.advance(100);
  const { summary, actions } = await run();
  expect(summary?.status).toBe(RunStatus.CANCELLED);
  expect(actions.map(({ detail }) => detail)).toEqual(["cancelled: why not", "cancelled: why not"]);
});

test("a cancel waits for what a worker has, and for no worker that is lost", async () => {
  const worker = new TestWorker(world, "worker-a", 10);
  await world.start("chain", "r1");
  await world.clock.advance(100);
  await send(cancelRunCommand({ ...fields(), graceMs: 60_000 }));
  await world.clock.advance(5_000);
  expect(worker.cancelled).toEqual(["r1"]);
  expect((await run()).summary?.status).toBe(RunStatus.RUNNING);
  worker.beat({ gone: true });
  await world.clock.advance(5_000);
  expect((await run()).summary?.status).toBe(RunStatus.CANCELLED);
});
