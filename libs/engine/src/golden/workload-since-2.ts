/** What golden stores of schema 2 and later hold beside: children, undos, a breaker that holds, what is paused, what was pruned. */
import { create } from "@bufbuild/protobuf";
import { WorkflowDefinitionSchema } from "@holdfast/proto";
import { pauseRunCommand, pauseWorkflowCommand } from "../client/index.js";
import type { Workload } from "./workload.js";

const once = { maxAttempts: 1 };
const SWEEP_MS = 60_000;

const WORKFLOWS = [
  create(WorkflowDefinitionSchema, {
    name: "parent",
    actions: [
      { name: "sub", child: { workflow: "one" }, retry: once },
      { name: "after", after: ["sub"] },
    ],
  }),
  create(WorkflowDefinitionSchema, {
    name: "undone",
    actions: [
      { name: "first", undo: {}, retry: once },
      // Nobody has this workflow: it fails, and what was done is undone.
      { name: "second", after: ["first"], child: { workflow: "nobodys" }, retry: once },
    ],
  }),
  create(WorkflowDefinitionSchema, {
    name: "breaks",
    actions: [{ name: "only", retry: once, breaker: { minSamples: 2, openForMs: 3_600_000 } }],
  }),
  create(WorkflowDefinitionSchema, {
    name: "quick",
    actions: [{ name: "each", forEach: { source: { case: "inputPointer", value: "" } }, retry: once }],
    retention: { completedRetentionS: 1, failedRetentionS: 2 },
  }),
  create(WorkflowDefinitionSchema, { name: "stopped", actions: [{ name: "only", retry: once }] }),
];

export async function beforeSince2(load: Workload): Promise<void> {
  const { world } = load;
  for (const definition of WORKFLOWS) await world.define(definition);
  for (let i = 0; i < 3; i++) await load.start("quick", `quick-${i}`, ["good", i === 0 ? "bad" : "good"]);
  for (let i = 0; i < 2; i++) await load.start("parent", `parent-${i}`);
  for (let i = 0; i < 2; i++) await load.start("undone", `undone-${i}`);
  for (let i = 0; i < 12; i++) await load.start("breaks", `breaks-net-bad-${i}`);
  await load.work();
  for (let i = 20; i < 24; i++) await load.start("breaks", `breaks-${i}`);
  await load.start("one", "one-held-paused");
  await load.send("one-held-paused", pauseRunCommand(load.control("one-held-paused")));
  for (let partition = 0; partition < world.partitions; partition++) {
    const command = pauseWorkflowCommand({ ...load.control(""), workflow: "stopped" });
    await world.until(world.commands.submit(partition, command));
  }
  await load.start("stopped", "stopped-0");
  await load.work();
  // What is quick is pruned.
  await world.clock.advance(SWEEP_MS);
  for (let i = 10; i < 12; i++) await load.start("quick", `quick-${i}`, ["good"]);
  await load.work();
}

export async function afterSince2(load: Workload): Promise<void> {
  await load.start("parent", "parent-10");
  await load.work();
  await load.world.clock.advance(SWEEP_MS);
}
