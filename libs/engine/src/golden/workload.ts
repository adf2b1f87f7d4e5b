/**
 * What happens in a golden store: runs in every state that a run can be in, before and after the moment whose state is kept.
 *
 * Golden stores of later schemas add what is new in a function of their own, and leave these as they are.
 */
import { create } from "@bufbuild/protobuf";
import { partitionOf } from "@holdfast/core";
import {
  CheckpointStepSchema,
  type Command,
  FailureMode,
  type Task,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import {
  cancelRunCommand,
  command,
  inlinePayload,
  decideApprovalCommand,
  retryRunCommand,
  startRunCommand,
} from "../client/index.js";
import type { TestWorker, TestWorld } from "../dispatch/testing.js";

const once = { maxAttempts: 1 };
const HOUR_MS = 3_600_000;

export const GOLDEN_WORKFLOWS = [
  create(WorkflowDefinitionSchema, {
    name: "one",
    actions: [{ name: "only", retry: once }],
    retention: { completedRetentionS: 7_200 },
  }),
  create(WorkflowDefinitionSchema, {
    name: "list",
    actions: [
      { name: "each", forEach: { source: { case: "inputPointer", value: "" } }, retry: once },
      { name: "after", after: ["each"], retry: once },
    ],
    retention: { failedRetentionS: 1_209_600 },
  }),
  create(WorkflowDefinitionSchema, {
    name: "later",
    actions: [{ name: "again", retry: { maxAttempts: 5, initialBackoffMs: HOUR_MS, maxBackoffMs: HOUR_MS } }],
  }),
  create(WorkflowDefinitionSchema, {
    name: "asked",
    actions: [
      { name: "first", retry: once },
      {
        name: "ask",
        after: ["first"],
        wait: { for: { case: "approval", value: { prompt: "go on?" } } },
      },
      { name: "nap", after: ["ask"], wait: { for: { case: "sleepMs", value: BigInt(HOUR_MS) } } },
    ],
  }),
  create(WorkflowDefinitionSchema, {
    name: "mends",
    actions: [{ name: "only", retry: once }],
    recovery: { auto: true, maxAttempts: 2, backoff: { initialBackoffMs: HOUR_MS } },
  }),
] as const;

/** What a worker makes of a task: by the name of its run, and for items by what they are. */
function outcomeOf(task: Task): "succeed" | "fail" | "hold" {
  if (task.runId.includes("held")) return "hold";
  if (task.item !== undefined) return text(task).includes("bad") ? "fail" : "succeed";
  return task.runId.includes("bad") ? "fail" : "succeed";
}

const text = ({ itemInput }: Task): string =>
  itemInput?.body.case === "inline" ? new TextDecoder().decode(itemInput.body.value) : "";

/** Drives a world; keeps which tasks were answered. */
export class Workload {
  private answered = 0;
  private ids = 0;

  constructor(
    readonly world: TestWorld,
    readonly worker: TestWorker,
  ) {}

  /** Lets the node send its tasks, and answers those that are new. */
  async work(): Promise<void> {
    for (let turn = 0; turn < 4; turn++) {
      await this.world.clock.advance(500);
      const { tasks } = this.worker;
      for (; this.answered < tasks.length; this.answered++) await this.answer(tasks[this.answered] as Task);
    }
    await this.world.clock.advance(500);
  }

  private async answer(task: Task): Promise<void> {
    const { worker } = this;
    const outcome = outcomeOf(task);
    if (outcome === "succeed") await worker.succeed(task, { did: task.runId, much: "x".repeat(200) });
    const mode = task.runId.includes("net") ? FailureMode.NETWORK : FailureMode.VALIDATION;
    if (outcome === "fail") await worker.fail(task, mode, `row ${text(task)} is bad`);
  }

  async send(runId: string, wanted: Command): Promise<void> {
    const { world } = this;
    await world.until(world.commands.submit(partitionOf(runId, world.partitions), wanted));
  }

  async start(workflow: string, runId: string, input?: unknown, startInMs = 0): Promise<void> {
    const bytes = input === undefined ? undefined : new TextEncoder().encode(JSON.stringify(input));
    const startAtMs = startInMs === 0 ? undefined : this.world.clock.nowMs() + startInMs;
    await this.send(runId, startRunCommand({ workflow, runId, input: bytes, startAtMs }));
  }

  /** A step that the first attempt of an action without items has done. */
  async step(runId: string, index: number): Promise<void> {
    const result = inlinePayload(new TextEncoder().encode(`${index}`));
    const value = init(CheckpointStepSchema, { runId, attempt: 1, index, name: `step-${index}`, result });
    await this.send(runId, command({ case: "checkpointStep", value }));
  }

  control(runId: string): { id: string; runId: string; who: string; reason: string; nowMs: number } {
    const id = `control-${++this.ids}`;
    return { id, runId, who: "ann", reason: "for the golden store", nowMs: this.world.clock.nowMs() };
  }
}

/** Up to the moment whose state is kept. */
export async function before(load: Workload): Promise<void> {
  for (const definition of GOLDEN_WORKFLOWS) await load.world.define(definition);
  for (let i = 0; i < 6; i++) await load.start("one", `one-${i}`);
  for (let i = 0; i < 3; i++) await load.start("one", `one-bad-${i}`);
  for (let i = 0; i < 2; i++) await load.start("one", `one-held-${i}`);
  for (let i = 0; i < 3; i++) await load.start("list", `list-${i}`, [`a${i}`, `b${i}`]);
  for (let i = 0; i < 3; i++)
    await load.start("list", `list-part-${i}`, [`good${i}`, `bad${i}`, `good${i + 1}`]);
  await load.start("list", "list-none", ["bad", "bad"]);
  await load.start(
    "list",
    "list-big",
    Array.from({ length: 1_100 }, (_, item) => (item % 300 === 7 ? "bad" : item)),
  );
  await load.start("list", "list-stored", ["x".repeat(40_000), "bad"]);
  for (let i = 0; i < 3; i++) await load.start("asked", `asked-${i}`);
  await load.start("later", "later-net-bad-0");
  await load.start("later", "later-0");
  await load.start("mends", "mends-net-bad-0");
  for (let index = 0; index < 3; index++) await load.step("one-held-0", index);
  await load.start("one", "one-delayed", undefined, 10 * HOUR_MS);
  await load.work();
  await load.send("list-part-0", retryRunCommand(load.control("list-part-0")));
  await load.send("one-bad-0", retryRunCommand(load.control("one-bad-0")));
  await load.send(
    "asked-0",
    decideApprovalCommand({ ...load.control("asked-0"), action: "", approved: true, comment: "" }),
  );
  await load.send(
    "asked-1",
    decideApprovalCommand({ ...load.control("asked-1"), action: "", approved: false, comment: "no" }),
  );
  await load.start("one", "one-cancelled");
  await load.send("one-cancelled", cancelRunCommand({ ...load.control("one-cancelled"), graceMs: 0 }));
  await load.start("list", "list-held-cancelled", ["good", "bad"]);
  await load.work();
  await load.send(
    "list-held-cancelled",
    cancelRunCommand({ ...load.control("list-held-cancelled"), graceMs: 0 }),
  );
  await load.work();
}

/** The tail of the log: what was open ends, what had ended is set off again, and new runs come. */
export async function after(load: Workload): Promise<void> {
  for (let i = 10; i < 13; i++) await load.start("one", `one-${i}`);
  await load.start("one", "one-bad-10");
  await load.start("list", "list-part-10", ["good", "bad"]);
  await load.work();
  await load.send("one-bad-1", retryRunCommand(load.control("one-bad-1")));
  await load.send("list-part-1", retryRunCommand(load.control("list-part-1")));
  await load.send(
    "asked-2",
    decideApprovalCommand({ ...load.control("asked-2"), action: "", approved: false, comment: "no" }),
  );
  await load.send("later-net-bad-0", cancelRunCommand(load.control("later-net-bad-0")));
  await load.work();
}
