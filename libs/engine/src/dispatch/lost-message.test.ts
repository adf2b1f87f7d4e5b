/** What people are told, by the action's failure message, where the engine ends an attempt: the worker was lost, or took too long. */
import { create } from "@bufbuild/protobuf";
import { partitionOf } from "@holdfast/core";
import { FailureMode, type WorkflowDefinition, WorkflowDefinitionSchema } from "@holdfast/proto";
import { expect, test } from "vitest";
import { startRunCommand } from "../client/index.js";
import { TestWorker, TestWorld } from "./testing.js";

const LEASE_MS = 4_000;
const input = { table: "films", user: { name: "Ann" }, rows: [{ id: 7 }] };
const once = { retry: { maxAttempts: 1 }, timeouts: { startToCloseMs: 10_000 } };

const whole = create(WorkflowDefinitionSchema, {
  name: "whole",
  actions: [{ name: "load", ...once, failureMessage: "{table} of {user.name}, {nothing}" }],
});
const each = create(WorkflowDefinitionSchema, {
  name: "each",
  actions: [
    {
      name: "load",
      ...once,
      forEach: { source: { case: "inputPointer", value: "/rows" } },
      failureMessage: "row {item.id} ({index}) of {table} for {user.name}",
    },
  ],
});

test.each([
  ["lost", whole, FailureMode.WORKER_LOST, "films of Ann, {nothing}"],
  ["lost", each, FailureMode.WORKER_LOST, "row 7 (0) of films for Ann"],
  ["too slow", whole, FailureMode.TIMEOUT, "films of Ann, {nothing}"],
  ["too slow", each, FailureMode.TIMEOUT, "row 7 (0) of films for Ann"],
] as const)("where the worker is %s", async (why, flow: WorkflowDefinition, mode, shown) => {
  const world = new TestWorld({ workerLeaseMs: LEASE_MS });
  await world.startNode();
  await world.define(flow);
  const worker = new TestWorker(world, "worker-a", 5);
  const command = startRunCommand({
    workflow: flow.name,
    runId: "run-1",
    input: new TextEncoder().encode(JSON.stringify(input)),
  });
  await world.until(world.commands.submit(partitionOf("run-1", world.partitions), command));
  await world.clock.advance(2_000);
  expect(worker.tasks).toHaveLength(1);
  worker.held = worker.tasks;
  if (why === "lost") worker.disconnect();
  for (let passed = 0; passed < 15_000; passed += 500) {
    await world.clock.advance(500);
    worker.beat();
  }
  const run = await world.until(world.queries.getRun("run-1"));
  const items =
    flow === each ? (await world.until(world.queries.listItems("run-1", { action: "load" }))).items : [];
  const failure = (items[0] ?? run.actions[0])?.failure;
  expect(failure).toMatchObject({ mode, shown });
  expect(failure?.message).toContain("worker-a");
});
