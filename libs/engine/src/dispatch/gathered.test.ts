/** What tasks are given of upstream actions over items, and of lists that they are a part of. */
import { create } from "@bufbuild/protobuf";
import { FailureMode, RunStatus, type Task, WorkflowDefinitionSchema } from "@holdfast/proto";
import { expect, test } from "vitest";
import { partitionOf } from "@holdfast/core";
import { inlinePayload, startRunCommand } from "../client/index.js";
import { PortError } from "../ports/errors.js";
import { TestWorker, TestWorld } from "./testing.js";

const retry = { maxAttempts: 1 };
const flow = create(WorkflowDefinitionSchema, {
  name: "flow",
  actions: [
    { name: "check", forEach: { source: { case: "inputPointer", value: "" } }, retry },
    { name: "report", after: ["check"], retry },
  ],
});
const listed = create(WorkflowDefinitionSchema, {
  name: "listed",
  actions: [
    { name: "extract", retry },
    { name: "alone", forEach: { source: { case: "outputOf", value: { action: "extract" } } }, retry },
    {
      name: "beside",
      after: ["extract"],
      forEach: { source: { case: "outputOf", value: { action: "extract" } } },
      retry,
    },
  ],
});

async function begin(
  name: "flow" | "listed",
  input: unknown,
): Promise<{ world: TestWorld; worker: TestWorker }> {
  const world = new TestWorld();
  await world.startNode();
  await world.define(name === "flow" ? flow : listed);
  const worker = new TestWorker(world, "worker-a", 10);
  const body = inlinePayload(Buffer.from(JSON.stringify(input)));
  const command = startRunCommand({ workflow: name, runId: "r", input: body });
  await world.until(world.commands.submit(partitionOf("r", world.partitions), command));
  await world.clock.advance(200);
  return { world, worker };
}

const bodyOf = (task: Task | undefined, name: string): unknown => {
  const body = task?.upstream.find((one) => one.name === name)?.payload?.body;
  return body?.case === "inline" ? JSON.parse(Buffer.from(body.value).toString()) : body?.case;
};

test("a dependant gets the successes' outputs as one array, in the order of their indices", async () => {
  const { world, worker } = await begin("flow", [1, 2, 3]);
  for (const task of worker.tasks.toReversed()) {
    if (task.item === 1) await worker.fail(task, FailureMode.VALIDATION, "bad");
    else await worker.succeed(task, `of ${task.item}`);
  }
  await world.clock.advance(200);
  expect(bodyOf(worker.tasks.at(-1), "check")).toEqual(["of 0", "of 2"]);
});

test("what can never be gathered fails the attempt with the reason, once and for good", async () => {
  const { world, worker } = await begin("flow", [1, 2]);
  world.payloads.putStream = () =>
    Promise.reject(new PortError("too-large", "the outputs of action check are too much"));
  for (const task of worker.tasks) await worker.succeed(task, "x".repeat(100 * 1024));
  await world.clock.advance(1_000);
  const failed = await world.until(world.queries.getRun("r"));
  expect(RunStatus[failed.summary?.status ?? 0]).toBe("FAILED");
  expect(failed.actions[1]?.failure).toMatchObject({
    mode: FailureMode.VALIDATION,
    message: "the outputs of action check are too much",
  });
});

test("what can't be gathered just now is gathered later", async () => {
  const { world, worker } = await begin("flow", [1, 2]);
  const putStream = world.payloads.putStream.bind(world.payloads);
  let away = 3;
  world.payloads.putStream = (pieces) =>
    away-- > 0 ? Promise.reject(new PortError("unavailable", "NATS is away")) : putStream(pieces);
  for (const task of worker.tasks) await worker.succeed(task, "x".repeat(100 * 1024));
  await world.clock.advance(2_000);
  expect(bodyOf(worker.tasks.at(-1), "check")).toBe("ref");
});

test("an item is not given the whole list that it is a part of, unless its action asks for it by name", async () => {
  const { world, worker } = await begin("listed", null);
  await worker.succeed(worker.tasks[0] as Task, ["a", "b"]);
  await world.clock.advance(300);
  const items = worker.tasks.slice(1);
  expect(items.map(({ actionName, item }) => `${actionName}#${item}`).toSorted()).toEqual([
    "alone#0",
    "alone#1",
    "beside#0",
    "beside#1",
  ]);
  for (const task of items)
    expect(bodyOf(task, "extract")).toEqual(task.actionName === "beside" ? ["a", "b"] : undefined);
});
