/** An older state becomes one of this schema: in pieces, whole, once, and without a promise that got shorter. */
import {
  AppliedRecordSchema,
  CountsRecordSchema,
  type RunRecord,
  RunRecordSchema,
  RunStatus,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import { MIGRATION_ROWS_MAX } from "../limits.js";
import { MemoryView } from "../testing/memory-view.js";
import { migrateRows, migrationScan, SCHEMA_VERSION } from "./migrate.js";
import { countsKey, expiryKey, runKey } from "./tables.js";

const DAY_NS = 86_400_000_000_000n;
const ENDED_NS = 1_800_000_000_000_000_000n;
const applied = () => init(AppliedRecordSchema, { schema: 1, seq: 7n });
const run = (status: RunStatus, fields: Init<RunRecord> = {}): RunRecord =>
  init(RunRecordSchema, { workflow: "w", status, endedAtNs: ENDED_NS, ...fields });

/** How many pieces it took. */
function migrateAll(view: MemoryView, record = applied()): number {
  let pieces = 0;
  for (let scan = migrationScan(record); scan !== undefined; scan = migrationScan(record)) {
    migrateRows(view, record, view.scan(scan));
    view.commit();
    view.forget();
    pieces += 1;
  }
  expect(record).toMatchObject({ schema: SCHEMA_VERSION, migration: undefined, seq: 7n });
  return pieces;
}

test("tables larger than one piece are taken whole, and what is done is not done again", () => {
  const view = new MemoryView();
  const ids = Array.from({ length: MIGRATION_ROWS_MAX * 2 }, (_, at) => `run-${String(at).padStart(6, "0")}`);
  for (const id of ids) view.put(runKey(id), run(RunStatus.COMPLETED));
  view.commit();
  // Two full pieces, one that finds nothing more, and one of the counts.
  expect(migrateAll(view)).toBe(4);
  expect(view.keysOf("y")).toEqual(ids.map((id) => expiryKey("completed", "w", ENDED_NS, id)).sort());
  const before = view.dump();
  migrateAll(view);
  expect(view.dump()).toEqual(before);
});

test.each([
  ["completed", RunStatus.COMPLETED, {}, ENDED_NS, 0n],
  ["failed", RunStatus.FAILED, {}, ENDED_NS + 7n * DAY_NS, ENDED_NS + 7n * DAY_NS],
  [
    "failed, and was promised longer than the policy of now",
    RunStatus.COMPLETED_WITH_FAILURES,
    { retryableUntilNs: ENDED_NS + 30n * DAY_NS },
    ENDED_NS + 30n * DAY_NS,
    ENDED_NS + 30n * DAY_NS,
  ],
  [
    "failed, and was promised less",
    RunStatus.FAILED,
    { retryableUntilNs: ENDED_NS + DAY_NS },
    ENDED_NS + 7n * DAY_NS,
    ENDED_NS + 7n * DAY_NS,
  ],
  ["was cancelled", RunStatus.CANCELLED, {}, ENDED_NS + 7n * DAY_NS, 0n],
] as const)(
  "a run that %s waits for its pruning as if it ended now",
  (_, status, fields, expiryNs, until) => {
    const view = new MemoryView();
    view.put(runKey("r1"), run(status, fields));
    view.commit();
    migrateAll(view);
    expect(view.get(runKey("r1"))).toMatchObject({ expiryNs, retryableUntilNs: until, promisedUntilNs: 0n });
    expect(view.keysOf("y")).toHaveLength(1);
  },
);

test("runs that go on, or are filed already, stay as they are", () => {
  const view = new MemoryView();
  view.put(runKey("goes-on"), run(RunStatus.RUNNING, { endedAtNs: 0n }));
  view.put(runKey("paused"), run(RunStatus.PAUSED, { endedAtNs: 0n }));
  view.put(runKey("filed"), run(RunStatus.FAILED, { expiryNs: ENDED_NS + 9n * DAY_NS }));
  view.commit();
  const before = view.dump();
  migrateAll(view);
  expect(view.dump()).toEqual(before);
});

test("what began is what is there and what was pruned", () => {
  const view = new MemoryView();
  const counts = { active: 2, completed: 3, completedWithFailures: 4, failed: 5, cancelled: 6, pruned: 7n };
  view.put(countsKey("w"), init(CountsRecordSchema, { ...counts, started: 1n }));
  view.commit();
  migrateAll(view);
  expect(view.get(countsKey("w"))).toMatchObject({ ...counts, started: 27n });
});

test("begins anew where something was folded since it was broken off, and goes on where nothing was", () => {
  const view = new MemoryView();
  const record = applied();
  migrateRows(view, record, []);
  expect(migrationScan(record)?.from).toBe("w");
  record.seq += 1n;
  expect(migrationScan(record)?.from).toBe("r");
});

test("a state that does not say its schema is of the first; one of this schema has nothing to be done", () => {
  expect(migrationScan(init(AppliedRecordSchema))?.from).toBe("r");
  expect(migrationScan(init(AppliedRecordSchema, { schema: SCHEMA_VERSION }))).toBeUndefined();
});
