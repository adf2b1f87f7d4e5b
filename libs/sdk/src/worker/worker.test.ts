/** What a worker does with what nodes send it, well-behaved or not, and with a log that does not take its reports. */
import { type Bus, type CommandLog, PortError, ROLL_CALL, WORKER_BEAT } from "@holdfast/engine";
import { MemoryCommandLog, MemoryDefinitions, MemoryNetwork, MemoryPayloads } from "@holdfast/engine/memory";
import {
  CommandBatchSchema,
  type Task,
  type TaskBatch,
  type TaskRef,
  TaskRefSchema,
  type TaskReport,
  TaskSchema,
  type WorkerBeat,
  WorkerBeatSchema,
  WorkerInboxSchema,
} from "@holdfast/proto";
import { decode, encode, init } from "@holdfast/proto/codec";
import { afterEach, describe, expect, it } from "vitest";
import { Holdfast } from "../client/holdfast.js";
import { type AnyWorkflow, workflow } from "../workflow/workflow.js";
import type { WorkerLimits } from "./limits.js";
import { createWorker, type Worker, type WorkerOptions } from "./worker.js";

const LIMITS: Partial<WorkerLimits> = { beatMs: 40, earlyBeatMs: 5, sweepMs: 2, reportAgainMs: 5 };

/** A node as a worker sees it: hears beats, sends batches, reads reports out of the log. */
class FakeNode {
  readonly beats: WorkerBeat[] = [];
  refuse: PortError | undefined;
  readonly #bus: Bus;
  readonly #log: CommandLog;
  #batches = 0;

  constructor(
    bus: Bus,
    log: CommandLog,
    readonly id = "node-1",
  ) {
    this.#bus = bus;
    this.#log = log;
    bus.subscribe(WORKER_BEAT, (message) => this.beats.push(decode(WorkerBeatSchema, message.data)));
  }

  get last(): WorkerBeat {
    const beat = this.beats.at(-1);
    if (beat === undefined) throw new Error("no worker was heard");
    return beat;
  }

  send(tasks: Task[], batch = ++this.#batches): void {
    const value: TaskBatch = {
      $typeName: "holdfast.v1.TaskBatch",
      node: this.id,
      batch: BigInt(batch),
      tasks,
    };
    this.#publish(
      encode(WorkerInboxSchema, { $typeName: "holdfast.v1.WorkerInbox", kind: { case: "tasks", value } }),
    );
  }

  cancel(tasks: TaskRef[]): void {
    const value = { $typeName: "holdfast.v1.TaskCancel" as const, tasks, reason: "not wanted", graceMs: 0 };
    this.#publish(
      encode(WorkerInboxSchema, { $typeName: "holdfast.v1.WorkerInbox", kind: { case: "cancel", value } }),
    );
  }

  garble(): void {
    this.#publish(Uint8Array.of(0xff, 0xff, 0xff));
  }

  rollCall(): void {
    this.#bus.publish(ROLL_CALL, new Uint8Array());
  }

  async reports(): Promise<TaskReport[]> {
    const reports: TaskReport[] = [];
    for (let partition = 0; partition < this.#log.partitions; partition++) {
      const { lastSeq } = await this.#log.info(partition);
      for (let seq = 1; seq <= lastSeq; seq++) {
        const entry = await this.#log.entry(partition, seq);
        for (const { kind } of decode(CommandBatchSchema, entry?.data ?? new Uint8Array()).commands) {
          if (kind.case === "taskReport") reports.push(kind.value);
        }
      }
    }
    return reports;
  }

  #publish(data: Uint8Array): void {
    this.#bus.publish(this.last.inbox, data);
  }
}

const workers: Worker[] = [];

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop()));
});

async function setUp(flow: AnyWorkflow, options: Partial<WorkerOptions> = {}) {
  const log = new MemoryCommandLog({ partitions: 2, nowNs: () => BigInt(Date.now()) * 1_000_000n });
  const network = new MemoryNetwork();
  const node = new FakeNode(network.bus(), log);
  const gated: CommandLog = {
    partitions: log.partitions,
    maxEntryBytes: log.maxEntryBytes,
    append: (partition, data) =>
      node.refuse === undefined ? log.append(partition, data) : Promise.reject(node.refuse),
    info: (partition) => log.info(partition),
    entry: (partition, seq) => log.entry(partition, seq),
    read: (partition, fromSeq, signal) => log.read(partition, fromSeq, signal),
  };
  const holdfast = Holdfast.over({
    log: gated,
    bus: network.bus(),
    definitions: new MemoryDefinitions(),
    payloads: new MemoryPayloads(),
    close: () => Promise.resolve(),
  });
  const worker = await createWorker({
    connection: holdfast,
    workflows: [flow],
    stopTimeout: 100,
    ...options,
    limits: { ...LIMITS, ...options.limits },
  });
  workers.push(worker);
  await expect.poll(() => node.beats.length).toBeGreaterThan(0);
  return { node, worker, log };
}

const task = (runId: string, over: Partial<Task> = {}): Task =>
  init(TaskSchema, {
    runId,
    attempt: 1,
    epoch: 1n,
    workflow: "flow",
    actionName: "act",
    startToCloseMs: 60_000,
    queue: "default",
    ...over,
  });

const refOf = (runId: string): TaskRef => init(TaskRefSchema, { runId, action: 0, attempt: 1 });
const runs = (reports: readonly TaskReport[]): string[] => reports.map((report) => report.runId).toSorted();

/** A flow whose handler runs until its run is let go. */
function gatedFlow() {
  const open = new Map<string, (value: string) => void>();
  const calls: string[] = [];
  const flow = workflow("flow").action("act", (_args, ctx) => {
    calls.push(ctx.runId);
    return new Promise<string>((resolve) => open.set(ctx.runId, resolve));
  });
  return { flow, calls, letGo: (runId: string) => open.get(runId)?.("done") };
}

const quick = workflow("flow").action("act", (_args, ctx) => ctx.runId);

describe("batches", () => {
  it("that are sent twice, lost and out of order are each worked on once", async () => {
    const { node, worker } = await setUp(quick);
    node.send([task("a")], 1);
    node.send([task("a")], 1);
    node.send([task("c")], 3);
    await expect.poll(() => node.last.received[0]?.batch).toBe(1n);
    node.send([task("b")], 2);
    node.send([task("c")], 3);
    await expect.poll(() => node.last.received[0]?.batch).toBe(3n);
    await expect.poll(() => worker.stats.reported).toBe(3);
    expect(runs(await node.reports())).toEqual(["a", "b", "c"]);
  });

  it("beyond what the worker holds are refused, and come again", async () => {
    const { flow, letGo, calls } = gatedFlow();
    const { node, worker } = await setUp(flow, { limits: { maxHeld: 2, ...LIMITS } });
    node.send([task("a"), task("b")], 1);
    node.send([task("c")], 2);
    await expect.poll(() => node.last.received[0]?.batch).toBe(1n);
    expect(worker.stats.held).toBe(2);
    letGo("a");
    await expect.poll(() => worker.stats.held).toBe(1);
    node.send([task("c")], 2);
    await expect.poll(() => calls).toEqual(["a", "b", "c"]);
    letGo("b");
    letGo("c");
  });

  it("that can't be read disturb nothing", async () => {
    const { node, worker } = await setUp(quick);
    node.garble();
    node.send([task("a")]);
    await expect.poll(() => worker.stats.reported).toBe(1);
  });
});

describe("a task", () => {
  it("of an owner that another has followed is dropped", async () => {
    const { node, worker } = await setUp(quick);
    node.send([task("a", { epoch: 5n }), task("b", { epoch: 4n }), task("c", { epoch: 4n, partition: 1 })]);
    await expect.poll(() => worker.stats.reported).toBe(2);
    expect(runs(await node.reports())).toEqual(["a", "c"]);
  });

  it("that is sent again while it runs, or after its report, is not run again; its next attempt is", async () => {
    const { flow, calls, letGo } = gatedFlow();
    const { node, worker } = await setUp(flow);
    node.send([task("a")]);
    node.send([task("a")]);
    await expect.poll(() => calls).toEqual(["a"]);
    letGo("a");
    await expect.poll(() => worker.stats.reported).toBe(1);
    node.send([task("a"), task("a", { attempt: 2 })]);
    await expect.poll(() => calls).toEqual(["a", "a"]);
    letGo("a");
  });

  it("without a handler is given back, so that another worker may have it", async () => {
    const { node } = await setUp(quick);
    node.send([task("a", { actionName: "other" }), task("b", { workflow: "other" })]);
    await expect.poll(async () => (await node.reports()).length).toBe(2);
    for (const { outcome } of await node.reports()) {
      expect(outcome.case).toBe("returned");
      expect(outcome.value).toMatchObject({
        noFunction: true,
        reason: expect.stringContaining("no handler") as string,
      });
    }
  });

  it("that is cancelled while it waits is reported and never run", async () => {
    const { flow, calls, letGo } = gatedFlow();
    const { node, worker } = await setUp(flow, { concurrency: 1 });
    node.send([task("a"), task("b")]);
    node.cancel([refOf("b"), refOf("never-seen")]);
    await expect.poll(() => worker.stats.reported).toBe(1);
    letGo("a");
    await expect.poll(() => worker.stats.held).toBe(0);
    expect(calls).toEqual(["a"]);
  });

  it("that is cancelled and never ends is given up after a while", async () => {
    const { flow, calls } = gatedFlow();
    const { node, worker } = await setUp(flow, { limits: { ...LIMITS, cancelGraceMs: 10 } });
    node.send([task("a")]);
    await expect.poll(() => calls).toEqual(["a"]);
    node.cancel([refOf("a")]);
    await expect.poll(() => worker.stats.held).toBe(0);
    expect((await node.reports())[0]?.outcome).toMatchObject({
      case: "failure",
      value: { message: "not wanted" },
    });
  });
});

describe("presence", () => {
  it("answers a roll call with everything it holds", async () => {
    const { flow, letGo } = gatedFlow();
    const { node, worker } = await setUp(flow, { concurrency: 1 });
    node.send([task("a"), task("b", { item: 7 })]);
    await expect.poll(() => worker.stats.held).toBe(2);
    node.rollCall();
    await expect.poll(() => node.beats.some((beat) => beat.rollCallAnswer)).toBe(true);
    const answer = node.beats.find((beat) => beat.rollCallAnswer);
    expect(answer?.tasks).toMatchObject([{ runId: "a" }, { runId: "b", item: 7 }]);
    letGo("a");
    await expect.poll(() => worker.stats.reported).toBe(1);
    letGo("b");
  });

  it("announces its queues, drains, and says goodbye last", async () => {
    const flow = workflow("flow", { queue: "main" })
      .action("act", () => 1)
      .action("slow", { queue: "slow" }, () => 1);
    const { node, worker } = await setUp(flow, { concurrency: 5 });
    expect(node.last.queues).toMatchObject([
      { queue: "main", capacity: 5 },
      { queue: "slow", capacity: 5 },
    ]);
    await worker.stop();
    await expect.poll(() => node.last.gone).toBe(true);
    expect(node.beats.at(-2)).toMatchObject({ draining: true, gone: false });
    const count = node.beats.length;
    node.rollCall();
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(node.beats.length).toBe(count);
  });
});

describe("a log that does not take reports", () => {
  it("gets them once it does, and meanwhile no more tasks are begun than may wait", async () => {
    const { node, worker } = await setUp(quick, { limits: { ...LIMITS, maxUnreported: 3 } });
    node.refuse = new PortError("unavailable", "no leader");
    node.send(Array.from({ length: 10 }, (_, i) => task(`r-${i}`)));
    await expect.poll(() => worker.stats.held).toBe(10);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(worker.stats).toMatchObject({ held: 10, reported: 0, running: 0 });
    node.refuse = undefined;
    await expect.poll(() => worker.stats.reported).toBe(10);
    expect(new Set(runs(await node.reports())).size).toBe(10);
  });

  it("for good is said loudly, and tried again", async () => {
    const { node, worker } = await setUp(quick);
    node.refuse = new PortError("io", "broken");
    node.send([task("a")]);
    await expect.poll(() => worker.stats.held).toBe(1);
    node.refuse = undefined;
    await expect.poll(() => worker.stats.reported).toBe(1);
  });
});
