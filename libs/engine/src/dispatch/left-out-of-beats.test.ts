/** A bad entry of a worker's beat, and one too many, is left out alone: it is counted and told, and the others count. */
import { create } from "@bufbuild/protobuf";
import {
  QueueCapacitySchema,
  RunStatus,
  TaskRefSchema,
  type WorkerBeat,
  WorkerBeatSchema,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { encode, type Init, init } from "@holdfast/proto/codec";
import { describe, expect, test } from "vitest";
import { WORKER_BEAT } from "../subjects.js";
import { QUEUES_A_WORKER_MAX, readBeat, TASKS_A_BEAT_MAX, WORKFLOWS_A_WORKER_MAX } from "./beats.js";
import { TestWorker, TestWorld } from "./testing.js";

const bytesOf = (fields: Init<WorkerBeat>): Uint8Array =>
  encode(WorkerBeatSchema, init(WorkerBeatSchema, { worker: "worker-a", inbox: "_INBOX.a", ...fields }));
function read(fields: Init<WorkerBeat>) {
  const beat = readBeat(bytesOf(fields), "node");
  return typeof beat === "string" ? expect.fail(beat) : beat;
}
const queue = (name: string) => init(QueueCapacitySchema, { queue: name, capacity: 1 });
const task = (runId: string) => init(TaskRefSchema, { runId, attempt: 1 });
const names = (count: number) => Array.from({ length: count }, (_, n) => `n${n}`);

describe("of a beat", () => {
  test("nothing is left out where all is right", () => {
    const all = { queues: [queue("default")], workflows: ["one"], tasks: [task("r1")] };
    expect(read(all)).toMatchObject({ ...all, leftOut: [] });
  });

  test("bad entries are left out, the others kept, and the first bad one is told bounded", () => {
    const beat = read({
      queues: [queue("a b"), queue("default"), queue("")],
      workflows: ["x".repeat(1_000_000), "one"],
      tasks: [task("r1"), task("\0"), task("r2"), task("")],
    });
    expect(beat.queues.map((each) => each.queue)).toEqual(["default"]);
    expect(beat.workflows).toEqual(["one"]);
    expect(beat.tasks.map(({ runId }) => runId)).toEqual(["r1", "r2"]);
    expect(beat.partial).toBe(false);
    expect(beat.leftOut).toEqual([
      { list: "queues", count: 2, why: '"a b" is no name of a queue' },
      {
        list: "workflows",
        count: 1,
        why: `"${"x".repeat(60)}…" (1000000 characters) is no name of a workflow`,
      },
      { list: "tasks", count: 2, why: '"\\u0000" is no run id' },
    ]);
  });

  test("surplus ones are left out; a bad one takes nobody's place; what is cut is missed at nobody", () => {
    const beat = read({
      queues: [queue("a b"), ...names(QUEUES_A_WORKER_MAX + 2).map(queue)],
      workflows: names(WORKFLOWS_A_WORKER_MAX + 1),
      tasks: names(TASKS_A_BEAT_MAX + 3).map(task),
    });
    expect(beat.queues.at(-1)?.queue).toBe(`n${QUEUES_A_WORKER_MAX - 1}`);
    expect([beat.workflows.length, beat.tasks.length]).toEqual([WORKFLOWS_A_WORKER_MAX, TASKS_A_BEAT_MAX]);
    expect(beat.partial).toBe(true);
    expect(beat.leftOut).toEqual([
      {
        list: "queues",
        count: 3,
        why: `"a b" is no name of a queue; there are more than ${QUEUES_A_WORKER_MAX}`,
      },
      { list: "workflows", count: 1, why: `there are more than ${WORKFLOWS_A_WORKER_MAX}` },
      { list: "tasks", count: 3, why: `there are more than ${TASKS_A_BEAT_MAX}` },
    ]);
  });
});

describe("at a node", () => {
  const one = create(WorkflowDefinitionSchema, { name: "one", actions: [{ name: "only" }] });
  const worldOf = async (): Promise<TestWorld> => {
    const world = new TestWorld();
    await world.startNode();
    await world.define(one);
    return world;
  };
  const leftOut = (world: TestWorld): string[] =>
    world.registry
      .render()
      .split("\n")
      .filter((line) => line.startsWith("holdfast_beat_entries_left_out_total{"));

  test("what is left out is counted by its list, and the worker's good entries count", async () => {
    const world = await worldOf();
    const worker = new TestWorker(world, "worker-a", 10, "default", ["one", "a b"]);
    await world.clock.advance(100);
    await world.start("one", "r1");
    await world.clock.advance(200);
    for (const each of worker.tasks) await worker.succeed(each);
    await world.clock.advance(200);
    expect((await world.until(world.queries.getRun("r1"))).summary?.status).toBe(RunStatus.COMPLETED);
    const [line, ...others] = leftOut(world);
    expect(line).toMatch(/list="workflows"\} [1-9]/);
    expect(others).toEqual([]);
  });

  test("a worker that names bad workflows alone gets no task of any", async () => {
    const world = await worldOf();
    const worker = new TestWorker(world, "worker-a", 10, "default", ["a b"]);
    await world.clock.advance(100);
    await world.start("one", "r1");
    await world.clock.advance(2_000);
    expect(worker.tasks).toEqual([]);
  });

  test("good tasks of an answer to a roll call are adopted beside bad ones", async () => {
    const world = await worldOf();
    const worker = new TestWorker(world, "worker-a", 10);
    await world.clock.advance(100);
    worker.beat({ draining: true });
    await world.start("one", "r1");
    await world.clock.advance(100);
    const tasks = [task("a/b"), task("r1"), task("")];
    const queues = [queue("default")];
    world.network
      .bus()
      .publish(WORKER_BEAT, bytesOf({ inbox: worker.inbox, queues, rollCallAnswer: true, tasks }));
    await world.clock.advance(100);
    expect(leftOut(world)).toEqual([expect.stringMatching(/list="tasks"\} 2$/)]);
    const other = new TestWorker(world, "worker-b", 10);
    await world.clock.advance(1_000);
    // It is in flight at the worker that named it.
    expect(other.tasks).toEqual([]);
  });
});
