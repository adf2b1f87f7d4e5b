/**
 * Any definitions and any sequence of commands: after every entry the invariants of the design hold, and the same log always
 * gives the same bytes.
 */
import { RunEventType, type WorkflowDefinition } from "@holdfast/proto";
import * as fc from "fast-check";
import { expect, inject, test } from "vitest";
import { MemoryView, type StateBytes } from "../testing/memory-view.js";
import { ANYTHING, partitionWith, UNDOING } from "../testing/mixes.js";
import { type Move, Mover } from "../testing/moves.js";
import { foldLogEntry, type LogEntry, type TestPartition } from "../testing/partition.js";
import { mustBeSame } from "../testing/transitions.js";
import { Watch, type Watching } from "../testing/watch.js";

const SEQUENCES = inject("sequences");
const TIME = { timeout: 900_000 };

/** Folds the moves and looks after every entry; forgets decoded records now and then. */
function play(
  defined: readonly WorkflowDefinition[],
  played: readonly Move[],
  watching?: Watching,
): TestPartition {
  const partition = partitionWith(defined);
  const watch = new Watch(partition, watching);
  new Mover(partition).entries(played, (batchOf) => watch.append(batchOf));
  watch.end();
  return partition;
}

/** Folds a log from a state; commits after every `commitEvery` entries. */
function replay(from: StateBytes, log: readonly LogEntry[], commitEvery: number): StateBytes {
  const view = new MemoryView(from);
  log.forEach((entry, i) => {
    foldLogEntry(view, entry);
    if ((i + 1) % commitEvery !== 0) return;
    view.commit();
    view.forget();
  });
  view.commit();
  return view.dump();
}

const watching = fc.record({ audit: fc.nat(7), forgetEvery: fc.integer({ min: 2, max: 9 }) });

test("the invariants hold after every entry of any sequence", TIME, () => {
  fc.assert(
    fc.property(ANYTHING.definitions, ANYTHING.moves, watching, (defined, played, how) => {
      play(defined, played, how);
    }),
    { numRuns: SEQUENCES },
  );
});

test("the same log gives the same bytes, wherever commits fall and replay begins", TIME, () => {
  fc.assert(
    fc.property(
      ANYTHING.definitions,
      ANYTHING.moves,
      fc.nat(),
      fc.integer({ min: 1, max: 9 }),
      (defined, played, cut, commitEvery) => {
        const { log, view } = play(defined, played, { forgetEvery: 1 });
        const whole = view.dump();
        mustBeSame(replay(new Map(), log, commitEvery), whole, "I2: another replica has other bytes");
        const at = cut % log.length;
        const prefix = replay(new Map(), log.slice(0, at), at + 1);
        mustBeSame(
          replay(prefix, log.slice(at), commitEvery),
          whole,
          "I11: restored and folded on, the bytes are others",
        );
      },
    ),
    { numRuns: Math.ceil(SEQUENCES / 10) },
  );
});

test("sequences get somewhere: runs end in every way, are retried and heal", TIME, () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(ANYTHING.definitions, ANYTHING.moves, (defined, played) => {
      for (const [, events] of play(defined, played).events) {
        for (const { type, runStatus } of events) {
          const key = `${type}:${runStatus}`;
          seen.set(key, (seen.get(key) ?? 0) + 1);
        }
      }
    }),
    { numRuns: 400, seed: 7 },
  );
  const ended = [4, 5, 6, 7].map((status) => seen.get(`2:${status}`) ?? 0);
  expect(ended.every((count) => count > 5)).toBe(true);
  expect(seen.get("3:2") ?? 0).toBeGreaterThan(20);
  const jobs = [RunEventType.BATCH_SUBMITTED, RunEventType.BATCH_ENDED, RunEventType.BATCH_CANCELLED];
  expect(jobs.filter((type) => !seen.has(`${type}:0`)).map((type) => RunEventType[type])).toEqual([]);
  const of = (type: RunEventType): number =>
    [...seen].reduce((sum, [key, count]) => sum + (key.startsWith(`${type}:`) ? count : 0), 0);
  expect(of(RunEventType.ACTION_RECOVERING)).toBeGreaterThan(5);
  expect(of(RunEventType.GUARDRAIL_EXCEEDED)).toBeGreaterThan(5);
});

test("the invariants hold where runs are undone", TIME, () => {
  fc.assert(
    fc.property(UNDOING.definitions, UNDOING.moves, watching, (defined, played, how) => {
      const { log, view } = play(defined, played, how);
      mustBeSame(replay(new Map(), log, 4), view.dump(), "I2: another replica has other bytes");
    }),
    { numRuns: Math.ceil(SEQUENCES / 3) },
  );
});

test("sequences get somewhere: runs are undone, and some can't be", TIME, () => {
  const seen = new Map<RunEventType, number>();
  fc.assert(
    fc.property(UNDOING.definitions, UNDOING.moves, (defined, played) => {
      const { events } = play(defined, played);
      for (const { type } of [...events.values()].flat()) seen.set(type, (seen.get(type) ?? 0) + 1);
    }),
    { numRuns: 200, seed: 7 },
  );
  const { UNDO_STARTED, UNDO_ATTEMPT_FAILED, ACTION_UNDONE, ACTION_UNDO_FAILED } = RunEventType;
  const rare = [UNDO_STARTED, UNDO_ATTEMPT_FAILED, ACTION_UNDONE, ACTION_UNDO_FAILED].filter(
    (type) => (seen.get(type) ?? 0) < 3,
  );
  expect(rare.map((type) => RunEventType[type])).toEqual([]);
});
