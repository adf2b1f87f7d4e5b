/** A partition that stopped over something that passes is open again by itself, and misses nothing. */
import { create } from "@bufbuild/protobuf";
import { RunStatus, type Task, WorkflowDefinitionSchema } from "@holdfast/proto";
import { afterEach, expect, test } from "vitest";
import { TestWorker, TestWorld } from "../dispatch/testing.js";
import { MemoryStateStore } from "../memory/index.js";
import { PortError } from "../ports/errors.js";
import { onlyNode, soleOwner } from "../ports/index.js";
import type { PartitionStore, StateStore, WriteBatch } from "../ports/state-store.js";

const one = create(WorkflowDefinitionSchema, { name: "one", actions: [{ name: "only" }] });
const noRoom = (): PortError =>
  new PortError("io", "The disk refused while writing: no space left on device");

/** A disk that can be full: nothing is written then, and what was refused once refuses until it is opened again, as LevelDB does. */
class FillableStore extends MemoryStateStore implements StateStore {
  isFull = false;
  opened = 0;

  override async open(partition: number): Promise<PartitionStore> {
    this.opened += 1;
    if (this.isFull) throw noRoom();
    const store = await super.open(partition);
    let broken = false;
    const write = async (batch: WriteBatch): Promise<void> => {
      broken ||= this.isFull;
      if (broken) throw noRoom();
      await store.write(batch);
    };
    return {
      getMany: (keys) => store.getMany(keys),
      getSync: (key) => store.getSync(key),
      range: (options) => store.range(options),
      count: (range) => store.count(range),
      sizeBytes: () => store.sizeBytes(),
      close: () => store.close(),
      write,
    };
  }
}

let world: TestWorld;
afterEach(() => world.node?.stop());

const statusOf = async (runId: string): Promise<string | undefined> =>
  RunStatus[(await world.until(world.queries.getRun(runId))).summary?.status ?? 0];

test.each([
  ["of a cluster", onlyNode],
  ["alone", soleOwner],
])(
  "a node %s goes on once its disk has room again: runs that were under way end, and new ones too",
  async (_what, ownership) => {
    world = new TestWorld({ workerLeaseMs: 3_600_000 }, 2);
    world.ownership = ownership;
    const store = new FillableStore();
    world.store = store;
    await world.startNode();
    await world.define(one);
    const worker = new TestWorker(world, "worker-a", 100);
    for (let n = 0; n < 6; n++) await world.start("one", `before-${n}`);
    await world.clock.advance(1_000);

    store.isFull = true;
    // Some end while it is full, and some are started: the log has them.
    const before = [...worker.tasks];
    for (const task of before.slice(0, 3)) await world.until(worker.succeed(task));
    await world.clock.advance(2_000);
    const statuses = world.node?.status() ?? [];
    expect(statuses.map(({ state }) => state)).toContain("stopped");
    for (const { state, problem } of statuses) {
      expect(["stopped", "acting", "opening"]).toContain(state);
      if (state === "stopped") expect(problem).toMatch(/no space left.*It is tried again by itself/);
    }
    await world.clock.advance(600_000);
    // With growing pauses, not as fast as it can.
    expect(store.opened).toBeLessThan(80);

    store.isFull = false;
    await world.clock.advance(40_000);
    expect(world.node?.status().map(({ state, problem }) => [state, problem])).toEqual([
      ["acting", ""],
      ["acting", ""],
    ]);
    for (let n = 0; n < 6; n++) await world.start("one", `after-${n}`);
    await world.clock.advance(500);
    const open = new Map<string, Task>(worker.tasks.map((task) => [task.runId, task]));
    for (const task of open.values()) await world.until(worker.succeed(task));
    await world.clock.advance(1_000);
    for (let n = 0; n < 6; n++) {
      expect([n, await statusOf(`before-${n}`)]).toEqual([n, "COMPLETED"]);
      expect([n, await statusOf(`after-${n}`)]).toEqual([n, "COMPLETED"]);
    }
  },
);

test("what no waiting mends is left alone", async () => {
  world = new TestWorld({}, 1);
  const store = new MemoryStateStore();
  let opened = 0;
  world.store = store;
  store.open = async () => {
    opened += 1;
    throw new PortError("schema", "the state was written by a newer Holdfast: start that version");
  };
  await world.startNode();
  await world.clock.advance(120_000);
  expect(opened).toBe(1);
  expect(world.node?.status()[0]).toMatchObject({
    state: "stopped",
    problem: expect.stringContaining("newer"),
  });
});
