/** Beats and answers that somebody forges in a worker's name: they may delay what they name, and never hang or fail it. */
import { create } from "@bufbuild/protobuf";
import {
  BatchMarkSchema,
  CommandBatchSchema,
  CommandSchema,
  OwnerStampSchema,
  QueueCapacitySchema,
  RunStatus,
  TaskRefSchema,
  TimersFiredSchema,
  type WorkerBeat,
  WorkerBeatSchema,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { encode, type Init, init } from "@holdfast/proto/codec";
import { beforeEach, expect, test } from "vitest";
import { WORKER_BEAT } from "../subjects.js";
import { TestWorker, TestWorld } from "./testing.js";
import { WORKERS_MAX } from "./workers.js";

/** One attempt: whatever is taken for lost is a failed run. */
const once = create(WorkflowDefinitionSchema, {
  name: "once",
  actions: [{ name: "only", retry: { maxAttempts: 1 }, timeouts: { startToCloseMs: 600_000 } }],
});

let world: TestWorld;

beforeEach(async () => {
  world = new TestWorld();
  await world.startNode();
  await world.define(once);
});

function forge(fields: Init<WorkerBeat>): void {
  const queues = [init(QueueCapacitySchema, { queue: "default", capacity: 100 })];
  const beat = init(WorkerBeatSchema, { queues, inbox: "_INBOX.nobody", ...fields });
  world.network.bus().publish(WORKER_BEAT, encode(WorkerBeatSchema, beat));
}

const marks = (batch: bigint) => [init(BatchMarkSchema, { node: world.nodeId, batch })];

/** Beats, and reports whatever it has been given, until the runs have ended. */
async function work(worker: TestWorker, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    worker.held = worker.tasks.filter((task) => !reported.has(task));
    for (const task of worker.held) {
      reported.add(task);
      await worker.succeed(task);
    }
    worker.held = [];
    await world.clock.advance(1_000);
    worker.beat();
  }
}
const reported = new Set<unknown>();

async function expectCompleted(...runIds: string[]): Promise<void> {
  for (const runId of runIds) {
    const { summary } = await world.until(world.queries.getRun(runId));
    expect([runId, summary?.status]).toEqual([runId, RunStatus.COMPLETED]);
  }
}

test("an invented worker that nobody is gets no task, and a task that it says it holds is given to one who is there", async () => {
  const named = init(TaskRefSchema, { runId: "r1", action: 0, attempt: 1, runningMs: 0xffff_ffff });
  await world.start("once", "r1");
  forge({ worker: "worker-invented", rollCallAnswer: true, tasks: [named] });
  await world.clock.advance(100);
  const worker = new TestWorker(world, "worker-a", 10);
  for (let n = 0; n < 20; n++) {
    forge({ worker: "worker-invented" });
    await work(worker, 1);
  }
  await expectCompleted("r1");
});

test("a task that is said to be at a worker which does not have it is given out again", async () => {
  const worker = new TestWorker(world, "worker-a", 10);
  await world.clock.advance(100);
  worker.beat({ draining: true });
  await world.start("once", "r1");
  await world.clock.advance(100);
  const named = init(TaskRefSchema, { runId: "r1", action: 0, attempt: 1 });
  forge({
    worker: "worker-a",
    inbox: worker.inbox,
    rollCallAnswer: true,
    tasks: [named],
    received: marks(1n),
  });
  await work(worker, 40);
  await expectCompleted("r1");
});

test("a batch that never arrived, but that somebody confirms, is given out again", async () => {
  const worker = new TestWorker(world, "worker-a", 10);
  await world.clock.advance(100);
  worker.deaf = true;
  await world.start("once", "r1");
  await world.clock.advance(100);
  forge({ worker: "worker-a", inbox: worker.inbox, received: marks(2n) });
  await world.clock.advance(100);
  worker.deaf = false;
  await work(worker, 40);
  await expectCompleted("r1");
});

test.each([0n, 1n, 3n, 1_000n, 2n ** 40n, 2n ** 63n])(
  "a confirmation of batch %s, forged, does not keep a worker from what comes after",
  async (batch) => {
    const worker = new TestWorker(world, "worker-a", 10);
    await world.clock.advance(100);
    await world.start("once", "r1");
    await work(worker, 2);
    forge({ worker: "worker-a", inbox: worker.inbox, received: marks(batch) });
    await world.start("once", "r2");
    await work(worker, 5);
    await world.start("once", "r3");
    await work(worker, 30);
    await expectCompleted("r1", "r2", "r3");
  },
);

test("a worker keeps its tasks when somebody says in its name that it is gone, or listens elsewhere", async () => {
  const worker = new TestWorker(world, "worker-a", 10);
  await world.start("once", "r1");
  await world.clock.advance(100);
  worker.held = worker.tasks;
  for (const fields of [
    { gone: true },
    { inbox: "_INBOX.elsewhere" },
    { draining: true, inbox: worker.inbox },
  ]) {
    forge({ worker: "worker-a", ...fields });
    await world.clock.advance(1_500);
    worker.beat();
    await world.clock.advance(500);
  }
  await world.start("once", "r2");
  await world.clock.advance(200);
  expect(worker.tasks.map(({ runId }) => runId)).toEqual(["r1", "r2"]);
  await work(worker, 3);
  await expectCompleted("r1", "r2");
});

test("however many workers are invented, one that is there gets in", async () => {
  for (let n = 0; n < WORKERS_MAX + 500; n++) forge({ worker: `worker-invented-${n}` });
  await world.clock.advance(100);
  const worker = new TestWorker(world, "worker-a", 10);
  await world.clock.advance(100);
  await world.start("once", "r1");
  await work(worker, 3);
  await expectCompleted("r1");
});

test.each([1n, 2n, 1_000n, 2n ** 64n - 1n])(
  "an owner's entry that the owner did not write, %s numbers ahead, does not silence the owner",
  async (ahead) => {
    const sleep = create(WorkflowDefinitionSchema, {
      name: "twice",
      actions: [{ name: "only", retry: { maxAttempts: 2, initialBackoffMs: 500, jitterMilli: 0 } }],
    });
    await world.define(sleep);
    const worker = new TestWorker(world, "worker-a", 10);
    await world.clock.advance(100);
    for (let partition = 0; partition < world.partitions; partition++) {
      const { epoch } = (await world.until(world.queries.status()))[partition] ?? { epoch: 1n };
      const fired = init(CommandSchema, { kind: { case: "timersFired", value: init(TimersFiredSchema) } });
      const owner = init(OwnerStampSchema, { epoch, n: ahead });
      const batch = init(CommandBatchSchema, { producer: "anybody", owner, commands: [fired] });
      await world.log.append(partition, encode(CommandBatchSchema, batch));
    }
    await world.clock.advance(100);
    for (const runId of ["t1", "t2", "t3", "t4"]) await world.start("twice", runId);
    await world.clock.advance(200);
    for (const task of worker.tasks) await worker.fail(task, 2, "the first time");
    const first = worker.tasks.length;
    expect(first).toBe(4);
    for (let n = 0; n < 20; n++) {
      await world.clock.advance(1_000);
      worker.beat();
    }
    for (const task of worker.tasks.slice(first)) await worker.succeed(task);
    await world.clock.advance(500);
    await expectCompleted("t1", "t2", "t3", "t4");
  },
);

test("while the owner's next number is forged again and again, timers fire and retries come within a second or two", async () => {
  const twice = create(WorkflowDefinitionSchema, {
    name: "twice",
    actions: [{ name: "only", retry: { maxAttempts: 2, initialBackoffMs: 200, jitterMilli: 0 } }],
  });
  await world.define(twice);
  const worker = new TestWorker(world, "worker-a", 10);
  await world.clock.advance(100);
  const forgeEntries = async (): Promise<void> => {
    for (let partition = 0; partition < world.partitions; partition++) {
      const processor = world.node?.["processors"][partition];
      const { applied } = processor as unknown as {
        applied: { ownerEpoch: bigint; ownerN: bigint };
      };
      const n = applied.ownerN + 1n;
      const fired = init(CommandSchema, { kind: { case: "timersFired", value: init(TimersFiredSchema) } });
      const owner = init(OwnerStampSchema, { epoch: applied.ownerEpoch, n });
      const batch = init(CommandBatchSchema, { producer: "anybody", owner, commands: [fired] });
      await world.log.append(partition, encode(CommandBatchSchema, batch));
    }
  };
  for (let round = 0; round < 10; round++) {
    const ids = [`a-${round}`, `b-${round}`, `c-${round}`];
    for (const runId of ids) await world.start("twice", runId);
    for (let twentieth = 0; twentieth < 40; twentieth++) {
      await forgeEntries();
      await world.clock.advance(50);
      for (const task of worker.tasks.splice(0))
        await (task.attempt === 1 ? worker.fail(task, 2, "the first time") : worker.succeed(task));
      worker.beat();
    }
    await expectCompleted(...ids);
  }
  expect(world.node?.status().every(({ state, epoch }) => state === "acting" && epoch === 1n)).toBe(true);
});
