/** Ownership that is lost to another node and won again, by a node that goes on all the while. */
import { create } from "@bufbuild/protobuf";
import {
  AnnounceOwnerSchema,
  CommandBatchSchema,
  CommandSchema,
  RunStatus,
  type Task,
  TimersFiredSchema,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { encode, init } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import { startRunCommand } from "../client/index.js";
import { TestWorker, TestWorld } from "../dispatch/testing.js";
import { ManualClock, MemoryCommandLog } from "../memory/index.js";
import { OwnerWriter } from "./owner-writer.js";
import type { Processor } from "./processor.js";

const PARTITION = 0;
const one = create(WorkflowDefinitionSchema, { name: "one", actions: [{ name: "only" }] });
const late = create(WorkflowDefinitionSchema, {
  name: "late",
  actions: [{ name: "rest", wait: { for: { case: "sleepMs", value: 10_000n } } }],
});

async function begun(): Promise<{ world: TestWorld; worker: TestWorker; processor: Processor }> {
  const world = new TestWorld({ workerLeaseMs: 3_600_000 }, 1);
  await world.startNode();
  await world.define(one);
  await world.define(late);
  const processor = world.node?.["processors"][PARTITION];
  if (processor === undefined) throw new Error("the node has no processor");
  return { world, worker: new TestWorker(world, "worker-a", 10), processor };
}

/** Another node says that it is the owner now. It never acts. */
async function other(world: TestWorld, epoch: bigint): Promise<void> {
  const value = init(AnnounceOwnerSchema, { node: "other", epoch });
  const commands = [init(CommandSchema, { kind: { case: "announceOwner", value } })];
  await world.log.append(
    PARTITION,
    encode(CommandBatchSchema, init(CommandBatchSchema, { producer: "other", commands })),
  );
}

async function lose(world: TestWorld, processor: Processor): Promise<void> {
  await other(world, processor.epoch + 1n);
  await world.clock.advance(100);
}

const statusOf = async (world: TestWorld, runId: string): Promise<string | undefined> =>
  RunStatus[(await world.until(world.queries.getRun(runId))).summary?.status ?? 0];
const stateOf = (processor: Processor) => {
  const { state, owner } = processor.status(0, 0);
  return [state, owner];
};

test("a node that lost a partition follows it, and when it owns it again does all that was left undone", async () => {
  const { world, worker, processor } = await begun();
  for (let round = 0; round < 3; round++) {
    await world.start("one", `before-${round}`);
    await world.start("late", `late-${round}`);
    await world.clock.advance(100);
    const before = worker.tasks.at(-1) as Task;
    expect(before.runId).toBe(`before-${round}`);
    await lose(world, processor);
    expect(stateOf(processor)).toEqual(["following", "other"]);

    // Nobody acts: what ends is folded, nothing is sent, no timer fires, nobody is answered.
    const sent = worker.tasks.length;
    await world.until(worker.succeed(before));
    const meanwhileCommand = startRunCommand({ workflow: "one", runId: `meanwhile-${round}` });
    await world.until(world.commands.send(PARTITION, meanwhileCommand));
    await world.clock.advance(15_000);
    expect(worker.tasks.length).toBe(sent);
    expect(world.node?.status()[PARTITION]).toMatchObject({ readyTasks: 0, inFlightTasks: 0 });

    await world.until(processor.own());
    expect(stateOf(processor)).toEqual(["acting", world.nodeId]);
    await world.clock.advance(1_000);
    const meanwhile = worker.tasks.slice(sent);
    expect(meanwhile.map(({ runId }) => runId)).toEqual([`meanwhile-${round}`]);
    await world.until(worker.succeed(meanwhile[0] as Task));
    await world.start("one", `after-${round}`);
    await world.clock.advance(100);
    await world.until(worker.succeed(worker.tasks.at(-1) as Task));
    await world.clock.advance(1_000);
    for (const run of ["before", "late", "meanwhile", "after"])
      expect([run, await statusOf(world, `${run}-${round}`)]).toEqual([run, "COMPLETED"]);
    expect(world.node?.status()[PARTITION]).toMatchObject({ readyTasks: 0, inFlightTasks: 0 });
  }
});

test("a task that a worker has through the change of owners is not sent again to another place", async () => {
  const { world, worker, processor } = await begun();
  await world.start("one", "kept");
  await world.clock.advance(100);
  worker.held = [...worker.tasks];
  await lose(world, processor);
  await world.until(processor.own());
  await world.clock.advance(5_000);
  expect(worker.tasks.map(({ runId }) => runId)).toEqual(["kept"]);
  await world.until(worker.succeed(worker.tasks[0] as Task));
  await world.clock.advance(100);
  expect(await statusOf(world, "kept")).toBe("COMPLETED");
});

test.each([
  ["before its own announcement", true],
  ["while it looks for what is due", false],
])(
  "a node whose partition another takes %s is told so, and owns it when it tries again",
  async (_when, before) => {
    const { world, worker, processor } = await begun();
    await lose(world, processor);
    const next = processor.epoch + 1n;
    const announced = before ? [other(world, next)] : [];
    const said = processor.own().catch((error: unknown) => error);
    if (!before) announced.push(other(world, next + 1n));
    await Promise.all(announced);
    await world.clock.advance(1_000);
    expect(await said).toMatchObject({ code: "unavailable" });
    expect(stateOf(processor)).toEqual(["following", "other"]);

    await world.until(processor.own());
    await world.start("one", "r1");
    await world.clock.advance(100);
    expect(worker.tasks.map(({ runId }) => runId)).toEqual(["r1"]);
  },
);

test("an owner's writer that has not begun, or was stopped, refuses at once, and writes nothing more", async () => {
  const clock = new ManualClock();
  const log = new MemoryCommandLog({ partitions: 1, nowNs: () => BigInt(clock.nowMs()) * 1_000_000n });
  const writer = new OwnerWriter(log, PARTITION, "node-1", "start-1", clock);
  const fired = init(CommandSchema, { kind: { case: "timersFired", value: init(TimersFiredSchema) } });
  await expect(writer.write(fired)).rejects.toMatchObject({ code: "closed" });
  writer.begin(1n);
  expect(await writer.write(fired)).toBe(1);
  const waiting = writer.write(fired);
  writer.stop();
  await expect(waiting).rejects.toMatchObject({ code: "closed" });
  await expect(writer.write(fired)).rejects.toMatchObject({ code: "closed" });
  expect((await log.info(PARTITION)).lastSeq).toBe(1);
});

test("an owner's writer that was never begun writes nothing, be the log without an owner", async () => {
  const clock = new ManualClock();
  const log = new MemoryCommandLog({ partitions: 1, nowNs: () => BigInt(clock.nowMs()) * 1_000_000n });
  const writer = new OwnerWriter(log, PARTITION, "node-1", "process-1", clock);
  const fired = init(CommandSchema, { kind: { case: "timersFired", value: init(TimersFiredSchema) } });
  await expect(writer.write(fired)).rejects.toMatchObject({ code: "closed" });
  expect((await log.info(PARTITION)).lastSeq).toBe(0);
});
