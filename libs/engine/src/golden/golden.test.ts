/**
 * What any released build wrote opens with this one and adds up: its state alone, with a tail of the log that it had not folded, and
 * from its log alone; and nothing that it promised is broken.
 */
import { appliedKey, SCHEMA_VERSION, SEMANTICS } from "@holdfast/core";
import { AppliedRecordSchema } from "@holdfast/proto";
import { decode, encode } from "@holdfast/proto/codec";
import { silentLogger } from "@holdfast/telemetry";
import { describe, expect, test } from "vitest";
import { TestWorker } from "../dispatch/testing.js";
import { MemoryStateStore } from "../memory/index.js";
import { migrate } from "../partition/migrate.js";
import { PartitionState } from "../partition/state.js";
import type { PartitionStore } from "../ports/index.js";
import { type Golden, hasGolden, readGolden, restore, rowsOf } from "./golden-file.js";
import { checkAll, countsOf, prunedOf, worldOf } from "./opened.js";

const DAY_MS = 24 * 3_600_000;
const VERSIONS = Array.from({ length: SCHEMA_VERSION }, (_, index) => index + 1);
const total = (counts: Golden["counts"]["end"]): number =>
  Object.values(counts).reduce(
    (sum, of) => sum + Object.values(of).reduce((all, count) => all + count, 0),
    0,
  );

test("every schema has its golden store, this one's too", () => {
  const missing = VERSIONS.filter((version) => !hasGolden(version));
  expect(missing, "write it: npx tsx libs/engine/src/golden/write-golden.ts (see CONTRIBUTING.md)").toEqual(
    [],
  );
});

describe.each(VERSIONS)("a store of schema %i", (version) => {
  const golden = readGolden(version);

  test("is of that schema, and small enough to be kept", () => {
    expect(golden.schema).toBe(version);
    expect(JSON.stringify(golden).length).toBeLessThan(2_000_000);
    const states = Object.values(golden.counts.stored).flatMap((counts) =>
      Object.keys(counts).filter((state) => counts[state]),
    );
    expect([...new Set(states)].sort()).toEqual([
      "active",
      "cancelled",
      "completed",
      "completedWithFailures",
      "failed",
    ]);
  });

  test.each([
    ["as it was stored", "stored", true],
    ["with the tail of its log", "end", true],
    ["from its log alone, as much as was stored", "stored", false],
    ["from its log alone", "end", false],
  ] as const)("opens and adds up, %s", async (_, part, rows) => {
    const world = await worldOf(golden, part, rows);
    await world.startNode();
    expect(await countsOf(world)).toEqual(golden.counts[part]);
    expect(await checkAll(world)).toEqual({ breaches: [], runs: total(golden.counts[part]) });
  });

  test("opens where the log before it was trimmed away", async () => {
    const world = await worldOf(golden, "end");
    golden.partitions.forEach(({ appliedSeq }, partition) => world.log.trim(partition, appliedSeq + 1));
    await world.startNode();
    expect(await countsOf(world)).toEqual(golden.counts.end);
    expect((await checkAll(world)).breaches).toEqual([]);
  });

  test("keeps its failed runs as long as it said, and can retry them until then", async () => {
    const world = await worldOf(golden, "stored");
    await world.startNode();
    const { runs } = await world.until(world.queries.listRuns({ statuses: [], pageSize: 1_000 }));
    const part = await world.until(world.queries.getRun("list-part-2"));
    const { retryableUntil, endedAt } = part.summary ?? {};
    const floorS = Number((retryableUntil?.seconds ?? 0n) - (endedAt?.seconds ?? 0n));
    expect(runs.length).toBe(total(golden.counts.stored));
    expect(floorS).toBe(14 * 24 * 3_600);
    await world.until(world.node?.stop() ?? Promise.resolve());
    await world.clock.advance(13 * DAY_MS);
    await world.startNode();
    await world.clock.advance(60_000);
    expect((await countsOf(world)).list).toMatchObject({ completed: 0, completedWithFailures: 5 });
    expect(await countsOf(world)).toMatchObject({ one: { completed: 0, failed: 0, cancelled: 0 } });
    expect((await checkAll(world)).breaches).toEqual([]);
  });

  test("is pruned in the end, and every run that began is there or counted", async () => {
    const world = await worldOf(golden, "end");
    await world.clock.advance(20 * DAY_MS);
    const openedS = Math.floor(world.clock.nowMs() / 1_000);
    await world.startNode();
    await world.clock.advance(60_000);
    expect((await checkAll(world)).breaches).toEqual([]);
    const left = await countsOf(world);
    const { runs } = await world.until(world.queries.listRuns({ statuses: [], pageSize: 1_000 }));
    // What waited for a time that had passed has gone on, and may have ended, since.
    for (const { endedAt } of runs)
      expect(Number(endedAt?.seconds ?? openedS)).toBeGreaterThanOrEqual(openedS);
    expect(total(left) + (await prunedOf(world))).toBe(total(golden.counts.end) + golden.pruned);
  });

  test("goes on: what was with a worker, waited or was to be retried ends", async () => {
    const world = await worldOf(golden, "stored");
    await world.startNode();
    const worker = new TestWorker(world, "worker-b", 1_000);
    let answered = 0;
    for (let minute = 0; minute < 130; minute += 5) {
      await world.clock.advance(5 * 60_000);
      for (const task of worker.tasks.slice(answered)) await worker.succeed(task);
      answered = worker.tasks.length;
    }
    await world.clock.advance(1_000);
    expect(await countsOf(world)).toMatchObject({
      later: { active: 0, completed: 2 },
      mends: { active: 0, completed: 1 },
      asked: { active: 1, completed: 1 },
    });
    expect((await checkAll(world)).breaches).toEqual([]);
  });
});

/** Brings one partition of a golden store to this schema; `failAt`: the write that is not made any more. */
async function migrated(store: MemoryStateStore, failAt = Number.POSITIVE_INFINITY): Promise<number> {
  const db = await store.open(0);
  let writes = 0;
  const failing: PartitionStore = {
    getMany: (keys) => db.getMany(keys),
    getSync: (key) => db.getSync(key),
    range: (options) => db.range(options),
    count: (range) => db.count(range),
    sizeBytes: () => db.sizeBytes(),
    close: () => db.close(),
    write: (batch) => {
      if (++writes > failAt) throw new Error("the machine lost power");
      return db.write(batch);
    },
  };
  const state = new PartitionState(failing, 1_000);
  const applied = state.get(appliedKey);
  if (applied === undefined) throw new Error("there is no state");
  try {
    await migrate(state, applied, silentLogger);
  } finally {
    await db.close();
  }
  return writes;
}

async function storeOf(version: number): Promise<MemoryStateStore> {
  const store = new MemoryStateStore();
  await restore(readGolden(version), store);
  return store;
}

describe("bringing a store to this schema", () => {
  test("goes on where it was broken off, at whichever write that is", async () => {
    const whole = await storeOf(1);
    const writes = await migrated(whole);
    expect(writes).toBeGreaterThan(1);
    const rows = await rowsOf(whole, 0);
    for (let failAt = 0; failAt < writes; failAt++) {
      const broken = await storeOf(1);
      await expect(migrated(broken, failAt)).rejects.toThrow("the machine lost power");
      expect(await migrated(broken)).toBe(writes - failAt);
      expect(await rowsOf(broken, 0)).toEqual(rows);
    }
  });

  test("changes nothing of what is of this schema, though it be told that it is older", async () => {
    const store = await storeOf(1);
    await migrated(store);
    const rows = await rowsOf(store, 0);
    for (const migration of [undefined, { step: 0, after: "", seq: 1n }]) {
      const db = await store.open(0);
      const applied = decode(AppliedRecordSchema, db.getSync(appliedKey) ?? new Uint8Array());
      applied.schema = 1;
      // Left by a build that went on before an older one folded.
      applied.migration = migration && { $typeName: "holdfast.v1.Migration", ...migration, step: 9 };
      await db.write({ puts: [[appliedKey, encode(AppliedRecordSchema, applied)]], dels: [] });
      await db.close();
      await migrated(store);
      expect(await rowsOf(store, 0)).toEqual(rows);
    }
  });

  test.each([
    ["schema", { schema: SCHEMA_VERSION + 1 }],
    ["semantics", { semantics: SEMANTICS + 1 }],
  ])("does not touch what a newer build wrote: its %s is refused with what to do", async (_, newer) => {
    const world = await worldOf(readGolden(SCHEMA_VERSION), "stored");
    const db = await world.store.open(0);
    const applied = { ...decode(AppliedRecordSchema, db.getSync(appliedKey) ?? new Uint8Array()), ...newer };
    await db.write({ puts: [[appliedKey, encode(AppliedRecordSchema, applied)]], dels: [] });
    await db.close();
    const rows = await rowsOf(world.store, 0);
    await world.startNode();
    expect(world.node?.status()[0]?.problem).toMatch(
      /partition 0 was written by a newer Holdfast .*: start that version/,
    );
    await world.until(world.node?.stop() ?? Promise.resolve());
    expect(await rowsOf(world.store, 0)).toEqual(rows);
  });
});
