/** One cluster, one node: what becomes of a second one, of one that stood still, and of an announcement that nobody made. */
import { create } from "@bufbuild/protobuf";
import {
  AnnounceOwnerSchema,
  CommandBatchSchema,
  CommandSchema,
  NodeBeatSchema,
  PartitionClaimSchema,
  type PartitionStatus,
  RunStatus,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { encode, init } from "@holdfast/proto/codec";
import { createRegistry, silentLogger } from "@holdfast/telemetry";
import { expect, test } from "vitest";
import { TestWorker, TestWorld } from "../dispatch/testing.js";
import { MemoryStateStore } from "../memory/index.js";
import type { Bus, BusMessage } from "../ports/bus.js";
import { onlyNode, PortError } from "../ports/index.js";
import { NODE_BEAT } from "../subjects.js";
import { Node } from "./node.js";

const PARTITIONS = 3;
const one = create(WorkflowDefinitionSchema, { name: "one", actions: [{ name: "only" }] });

/** A bus that can be cut off: nothing goes out or comes in, as in a process that stands still. */
class CuttableBus implements Bus {
  isCut = false;
  constructor(private readonly bus: Bus) {}
  get maxMessageBytes(): number {
    return this.bus.maxMessageBytes;
  }
  inbox = (): string => this.bus.inbox();
  publish(subject: string, data: Uint8Array): void {
    if (!this.isCut) this.bus.publish(subject, data);
  }
  subscribe(subject: string, handler: (message: BusMessage) => void, options?: { readonly queue?: string }) {
    return this.bus.subscribe(subject, (message) => (this.isCut ? undefined : handler(message)), options);
  }
  request = (subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array> =>
    this.bus.request(subject, data, timeoutMs);
  flush = (): Promise<void> => this.bus.flush();
  onReconnect = (handler: () => void) => this.bus.onReconnect(handler);
}

class Standing {
  readonly bus: CuttableBus;
  readonly node: Node;
  ended = "";

  constructor(
    private readonly world: TestWorld,
    readonly id: string,
    store = new MemoryStateStore(),
  ) {
    this.bus = new CuttableBus(world.network.bus());
    const { log, payloads, clock } = world;
    this.node = new Node({
      ...{ node: id, log, bus: this.bus, payloads, clock, logger: silentLogger, ownership: onlyNode },
      store,
      registry: createRegistry(),
      limits: { workerLeaseMs: 3_600_000 },
    });
    void this.hear();
  }

  private async hear(): Promise<void> {
    this.ended = await this.node.superseded;
  }

  start(): Promise<readonly PartitionStatus[]> {
    return this.world.until(this.node.start());
  }

  get states(): string[] {
    return this.node.status().map(({ state }) => state);
  }

  get problems(): string[] {
    return this.node.status().map(({ problem }) => problem);
  }
}

const all = <T>(value: T): T[] => Array.from({ length: PARTITIONS }, () => value);
const wellOn = (standing: Standing): void => {
  expect([standing.states, standing.problems]).toEqual([all("acting"), all("")]);
};

async function begun(): Promise<{ world: TestWorld; first: Standing }> {
  const made = new TestWorld({}, PARTITIONS);
  const first = new Standing(made, "node-a");
  await first.start();
  await made.define(one);
  return { world: made, first };
}

async function forge(
  on: TestWorld,
  partition: number,
  node: string,
  epoch: bigint,
  process = "",
): Promise<void> {
  const value = init(AnnounceOwnerSchema, { node, epoch, process });
  const commands = [init(CommandSchema, { kind: { case: "announceOwner", value } })];
  const batch = init(CommandBatchSchema, { producer: "anybody", commands });
  await on.log.append(partition, encode(CommandBatchSchema, batch));
}

async function runsEnd(on: TestWorld, worker: TestWorker, name: string): Promise<void> {
  const ids = Array.from({ length: 12 }, (_, n) => `${name}-${n}`);
  for (const id of ids) await on.start("one", id);
  await on.clock.advance(200);
  const mine = worker.tasks.filter(({ runId }) => ids.includes(runId));
  for (const task of mine) await on.until(worker.succeed(task));
  await on.clock.advance(200);
  for (const id of ids)
    expect((await on.until(on.queries.getRun(id))).summary?.status).toBe(RunStatus.COMPLETED);
}

test("a second node refuses to start while the first lives, and says which one that is; nothing changes for the first", async () => {
  const { world: on, first } = await begun();
  const before = first.node.status().map(({ epoch, owner }) => [owner, epoch]);
  const second = new Standing(on, "node-b");
  await expect(second.start()).rejects.toMatchObject({
    code: "locked",
    message: expect.stringMatching(
      /node node-a \(started .*\), up for .* is alive and owns partition 0.*Stop that node first/s,
    ),
  });
  await on.clock.advance(5_000);
  wellOn(first);
  expect(first.node.status().map(({ epoch, owner }) => [owner, epoch])).toEqual(before);
  await runsEnd(on, new TestWorker(on, "worker-a", 100), "after");
});

test("a second node that can open nothing refuses too: its data folder is another's, or in use", async () => {
  const { world: on, first } = await begun();
  const locked = new PortError("locked", "The state in /data is in use by another process");
  const refusing = (error: PortError): MemoryStateStore => {
    const store = new MemoryStateStore();
    store.open = async () => {
      throw error;
    };
    return store;
  };
  for (const error of [
    locked,
    new PortError("log-gap", "the log was created anew since this state was written"),
  ]) {
    const second = new Standing(on, "node-b", refusing(error));
    await expect(second.start()).rejects.toMatchObject({
      code: "locked",
      message: expect.stringContaining("node-a"),
    });
  }
  await on.until(first.node.stop());
  // Nobody is heard, but somebody has the folder.
  await expect(new Standing(on, "node-c", refusing(locked)).start()).rejects.toBe(locked);
});

test("a node of the same id is another node", async () => {
  const { world: on, first } = await begun();
  await expect(new Standing(on, "node-a").start()).rejects.toMatchObject({ code: "locked" });
  await on.clock.advance(2_000);
  wellOn(first);
});

test("after the first has ended in order, or died a moment ago, the next one starts within two seconds", async () => {
  const { world: on, first } = await begun();
  await on.until(first.node.stop());
  const second = new Standing(on, "node-b");
  const beganMs = on.clock.monotonicMs();
  await second.start();
  wellOn(second);
  second.bus.isCut = true;
  const third = new Standing(on, "node-c");
  await third.start();
  wellOn(third);
  expect(on.clock.monotonicMs() - beganMs).toBeLessThanOrEqual(4_000);
});

test("a node that is about to end is waited for", async () => {
  const { world: on, first } = await begun();
  first.node.drain();
  const second = new Standing(on, "node-b");
  const starting = second.node.start();
  let isSettled = false;
  void starting.finally(() => {
    isSettled = true;
  });
  await on.clock.advance(5_000);
  expect(isSettled).toBe(false);
  wellOn(first);
  await on.until(first.node.stop());
  await on.until(starting);
  wellOn(second);
});

test("a node that stood still while another took its place ends with the reason, and the other goes on", async () => {
  const { world: on, first } = await begun();
  first.bus.isCut = true;
  const second = new Standing(on, "node-b");
  await second.start();
  await on.clock.advance(10_000);
  // It reads the log all the while: it knows that it is the owner no more, and takes nothing back as long as it is deaf.
  expect(first.states).toEqual(all("following"));
  for (const problem of first.problems) expect(problem).toContain("node-b");
  wellOn(second);
  first.bus.isCut = false;
  await on.clock.advance(1_000);
  expect(first.ended).toMatch(/node node-b .*is alive and owns what this node wants, so this node ends/);
  expect(second.ended).toBe("");
  await on.until(first.node.stop());
  await on.clock.advance(5_000);
  wellOn(second);
  await runsEnd(on, new TestWorker(on, "worker-a", 100), "after");
});

test.each([0, 1, 2, 3, 7])(
  "of nodes that start at once one stays and owns all (%i ms apart)",
  async (apartMs) => {
    const on = new TestWorld({}, PARTITIONS);
    const nodes = ["node-a", "node-b", "node-c"].map((id) => new Standing(on, id));
    const starts: Promise<unknown>[] = [];
    for (const { node } of nodes) {
      starts.push(node.start().catch((error: unknown) => error));
      await on.clock.advance(apartMs);
    }
    await on.until(Promise.all(starts));
    await on.clock.advance(2_000);
    const ended = nodes.filter((node) => node.ended !== "" || node.states.includes("stopped"));
    expect(ended).toHaveLength(2);
    await on.until(Promise.all(ended.map(({ node }) => node.stop())));
    await on.clock.advance(12_000);
    for (const node of nodes) if (!ended.includes(node)) wellOn(node);
  },
);

test("an announcement that nobody made is a problem at once, and heals by itself within a second", async () => {
  const { world: on, first } = await begun();
  const worker = new TestWorker(on, "worker-a", 100);
  await runsEnd(on, worker, "before");
  const { epoch } = first.node.status()[1] as PartitionStatus;
  // Between two beats.
  for (
    let asked = 0;
    first.node["keeper"]?.["peers"]["beatMs"] !== on.clock.monotonicMs() && asked < 300;
    asked++
  )
    await on.clock.advance(1);
  await forge(on, 1, "ghost", epoch + 1n);
  await on.clock.advance(50);
  expect(first.states).toEqual(["acting", "following", "acting"]);
  expect(first.node.status()[1]).toMatchObject({
    owner: "ghost",
    problem: expect.stringMatching(/owner of partition 1 by the log, node ghost .* gives no sign of life/),
  });
  expect(first.node.status()[1]?.ownerSilentMs).toBeGreaterThan(0n);
  await on.clock.advance(950);
  wellOn(first);
  expect(first.node.status()[1]).toMatchObject({ owner: "node-a", epoch: epoch + 2n, ownerSilentMs: 0n });
  await runsEnd(on, worker, "after");
});

test("announcements under this node's own id, and many of them, heal too; the log is not filled with the quarrel", async () => {
  const { world: on, first } = await begun();
  const lastSeq = async (): Promise<number> => (await on.log.info(0)).lastSeq;
  const before = await lastSeq();
  let forged = 0;
  for (let round = 0; round < 200; round++) {
    const { epoch } = first.node.status()[0] as PartitionStatus;
    await forge(on, 0, round % 2 === 0 ? "node-a" : `ghost-${round}`, epoch + 1n);
    forged += 1;
    await on.clock.advance(500);
  }
  // In 100 seconds its own announcements came once a second at most.
  expect((await lastSeq()) - before - forged).toBeLessThan(110);
  expect(first.node.warnings()).toEqual([
    expect.stringMatching(
      /wrote to the log of partition 0 in its owner's name, \d+ times .* holdfast\.log\.0/,
    ),
  ]);
  await on.clock.advance(2_000);
  wellOn(first);
  expect(first.ended).toBe("");
  await on.clock.advance(600_000);
  expect(first.node.warnings()).toEqual([]);
});

test("while somebody forges an announcement each second, runs of all partitions go on and end", async () => {
  const { world: on, first } = await begun();
  const worker = new TestWorker(on, "worker-a", 100);
  await runsEnd(on, worker, "before");
  for (let round = 0; round < 30; round++) {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const { epoch } = first.node.status()[partition] as PartitionStatus;
      await forge(on, partition, round % 2 === 0 ? "node-a" : `ghost-${round}`, epoch + 1n);
    }
    await on.start("one", `r-${round}`);
    for (let tenth = 0; tenth < 10; tenth++) {
      await on.clock.advance(100);
      for (const task of worker.tasks.splice(0)) await on.until(worker.succeed(task));
    }
  }
  // No time for the pauses to wear off: each second's work was done within it.
  const statuses = [];
  for (let round = 0; round < 29; round++)
    statuses.push((await on.until(on.queries.getRun(`r-${round}`))).summary?.status);
  expect(statuses).toEqual(statuses.map(() => RunStatus.COMPLETED));
});

test("an announcement in the very name of the node that acts interrupts nothing", async () => {
  const { world: on, first } = await begun();
  const worker = new TestWorker(on, "worker-a", 100);
  const process = first.node["process"];
  for (let round = 0; round < 20; round++) {
    const { epoch } = first.node.status()[0] as PartitionStatus;
    await forge(on, 0, "node-a", epoch + 1n, process);
    await on.clock.advance(20);
    wellOn(first);
  }
  await runsEnd(on, worker, "after");
  expect(first.node.warnings().join()).toContain("20 times");
});

test("copies of a node's own beats, under another start's name, do not end it while it becomes owner anew", async () => {
  const { world: on, first } = await begun();
  await on.clock.advance(2_000);
  const bus = on.network.bus();
  for (let round = 0; round < 60; round++) {
    const epochs = first.node.status().map(({ epoch }) => epoch);
    if (round % 6 === 0) await forge(on, 0, "node-a", (epochs[0] ?? 0n) + 1n, "a-ghost");
    const claims = epochs.map((epoch, partition) => init(PartitionClaimSchema, { partition, epoch }));
    const beat = init(NodeBeatSchema, { node: "node-a", process: "a-copy", claims });
    bus.publish(NODE_BEAT, encode(NodeBeatSchema, beat));
    await on.clock.advance(100);
  }
  expect(first.ended).toBe("");
  await on.clock.advance(3_000);
  wellOn(first);
});

test("beats that nobody's node sent end no node, and keep none from starting", async () => {
  const { world: on, first } = await begun();
  const bus = on.network.bus();
  const say = (): void => {
    const claims = [0, 1, 2].map((partition) => init(PartitionClaimSchema, { partition, epoch: 1_000_000n }));
    for (let n = 0; n < 400; n++)
      bus.publish(
        NODE_BEAT,
        encode(NodeBeatSchema, init(NodeBeatSchema, { node: `evil-${n}`, process: `p-${n}`, claims })),
      );
    bus.publish(NODE_BEAT, new Uint8Array([255, 255, 1, 2, 3]));
    bus.publish(NODE_BEAT, new Uint8Array(0));
    bus.publish(
      NODE_BEAT,
      encode(NodeBeatSchema, init(NodeBeatSchema, { node: "node-a", process: "", claims })),
    );
    bus.publish(
      NODE_BEAT,
      encode(NodeBeatSchema, init(NodeBeatSchema, { node: "x".repeat(10_000), process: "long", claims })),
    );
  };
  for (let round = 0; round < 20; round++) {
    say();
    await on.clock.advance(200);
  }
  expect(first.ended).toBe("");
  wellOn(first);
  await on.until(first.node.stop());
  const second = new Standing(on, "node-b");
  const starting = second.node.start();
  for (let round = 0; round < 20; round++) {
    say();
    await on.clock.advance(200);
  }
  await on.until(starting);
  wellOn(second);
});

test("a node that hears nothing, not even itself, does not start, and says where to look", async () => {
  const { world: on, first } = await begun();
  await on.until(first.node.stop());
  const second = new Standing(on, "node-b");
  second.bus.isCut = true;
  await expect(second.start()).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringMatching(/did not hear its own beats on holdfast\.node\.beat/),
  });
});
