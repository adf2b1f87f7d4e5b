/** What anybody may publish does not disturb a node: it is refused where it came in, and honest work goes on. */
import { create } from "@bufbuild/protobuf";
import { FailureMode, QueryErrorCode, RunStatus, WorkflowDefinitionSchema } from "@holdfast/proto";
import {
  ListSignaturesQuerySchema,
  QueryRequestSchema,
  QueryResponseSchema,
  QueueCapacitySchema,
  WorkerBeatSchema,
} from "@holdfast/proto";
import { decode, encode, init } from "@holdfast/proto/codec";
import { describe, expect, test } from "vitest";
import { TestWorker, TestWorld } from "../dispatch/testing.js";
import { querySubject, WORKER_BEAT } from "../subjects.js";

const one = create(WorkflowDefinitionSchema, { name: "one", actions: [{ name: "only" }] });

async function worldWith(limits = {}): Promise<TestWorld> {
  const world = new TestWorld(limits);
  await world.startNode();
  await world.define(one);
  return world;
}

function publishBeat(world: TestWorld, inbox: string, worker = "worker-forged", capacity = 100): void {
  const queues = [init(QueueCapacitySchema, { queue: "default", capacity })];
  const beat = init(WorkerBeatSchema, { worker, inbox, queues });
  world.network.bus().publish(WORKER_BEAT, encode(WorkerBeatSchema, beat));
}

async function expectHonestRun(world: TestWorld, runId: string): Promise<void> {
  const worker = new TestWorker(world, `worker-of-${runId}`, 10);
  await world.start("one", runId);
  await world.clock.advance(200);
  for (const task of worker.tasks) await worker.succeed(task);
  await world.clock.advance(200);
  const { summary } = await world.until(world.queries.getRun(runId));
  expect(summary?.status).toBe(RunStatus.COMPLETED);
}

describe("a beat whose inbox can't be one", () => {
  test.each([
    ["is empty", ""],
    ["holds a space", "a b"],
    ["holds a line break", "a\r\nb"],
    ["is a wildcard", "a.*"],
    ["is everything", ">"],
    ["has an empty token", "a..b"],
    ["is 10 kB long", "x".repeat(10_000)],
    ["would have a stream deleted", "$JS.API.STREAM.DELETE.HOLDFAST_LOG_0"],
    ["would be written to the log", "holdfast.log.0"],
    ["would be published work", "holdfast.work.one"],
  ])("%s: it gets no task, and an honest run beside it ends", async (_, inbox) => {
    const world = await worldWith();
    const heard: string[] = [];
    world.network.bus().subscribe(">", ({ subject }) => void heard.push(subject));
    await world.start("one", "before");
    publishBeat(world, inbox);
    await world.clock.advance(1_000);
    expect(heard.filter((subject) => subject === inbox)).toEqual([]);
    await expectHonestRun(world, "honest");
  });
});

test("commands that name NATS's or Holdfast's own subjects as their inbox are folded, and nothing is published there", async () => {
  const world = await worldWith();
  const heard: string[] = [];
  world.network.bus().subscribe(">", ({ subject }) => void heard.push(subject));
  for (const replyInbox of ["$JS.API.STREAM.PURGE.HOLDFAST_LOG_0", "holdfast.log.1", "holdfast.work.one"]) {
    await world.appendStart("one", `run-${heard.length}`, replyInbox);
    await world.clock.advance(100);
    expect(heard.filter((subject) => subject === replyInbox)).toEqual([]);
  }
  await expectHonestRun(world, "honest");
});

test("a question with numbers that no answer can hold is answered with what is wrong with it", async () => {
  const world = await worldWith();
  const ask = async (untilHour: bigint, id = "") => {
    const value = init(ListSignaturesQuerySchema, { id, untilHour, workflow: "one" });
    const request = init(QueryRequestSchema, { kind: { case: "listSignatures", value } });
    const bytes = encode(QueryRequestSchema, request);
    const answer = await world.until(world.network.bus().request(querySubject(0), bytes, 2_000));
    return decode(QueryResponseSchema, answer).result;
  };
  const worker = new TestWorker(world, "worker-a", 100);
  for (let i = 0; i < 4; i++) await world.start("one", `run-${i}`);
  await world.clock.advance(200);
  for (const task of worker.tasks) await worker.fail(task, FailureMode.VALIDATION, "no such row");
  await world.clock.advance(200);
  for (const hour of [2n ** 63n - 1n, 2n ** 64n - 1n]) {
    const result = await ask(hour);
    expect(result).toMatchObject({ case: "error", value: { code: QueryErrorCode.INVALID } });
    expect(JSON.stringify(result.value)).toContain("until_hour");
  }
  expect((await ask(480_000n)).case).toBe("signatures");
});

test("a question that can't be read is answered as such", async () => {
  const world = await worldWith();
  const answer = await world.until(
    world.network.bus().request(querySubject(1), Uint8Array.of(0xff, 0xff, 0xff), 2_000),
  );
  expect(decode(QueryResponseSchema, answer).result).toMatchObject({
    case: "error",
    value: { code: QueryErrorCode.INVALID },
  });
});
