/**
 * Schedules under any sequence of commands: the invariants hold after every entry, replicas agree, no instant is lost without being
 * counted, and none begins two runs.
 */
import {
  type CommandBatch,
  CommandBatchSchema,
  RecoveryPolicySchema,
  RetryPolicySchema,
  ScheduleOutcome,
  type ScheduleRecord,
  UndoSchema,
} from "@holdfast/proto";
import { decode, init } from "@holdfast/proto/codec";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { action, batch, define, ONE_ATTEMPT, overInput, workflow } from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { MemoryView } from "../testing/memory-view.js";
import { type Move, Mover, scheduleMoves } from "../testing/moves.js";
import { foldLogEntry, type LogEntry, TestPartition } from "../testing/partition.js";
import { checkStep, mustBeSame } from "../testing/transitions.js";

const SEQUENCES = Number(process.env.HOLDFAST_SEQUENCES ?? 3000);
const seed =
  process.env.HOLDFAST_SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.HOLDFAST_SEED);

/** Runs that end soon, are retried, recovered, or undone. */
const definitions = fc
  .record({ recovers: fc.boolean(), undoes: fc.boolean() })
  .map(({ recovers, undoes }) => [
    workflow(
      "first",
      [
        action("a0", { retry: ONE_ATTEMPT, ...(undoes ? { undo: init(UndoSchema) } : {}) }),
        action("a1", { after: ["a0"], retry: ONE_ATTEMPT }),
      ],
      recovers
        ? {
            recovery: init(RecoveryPolicySchema, {
              auto: true,
              maxAttempts: 2,
              backoff: init(RetryPolicySchema, { initialBackoffMs: 5 }),
            }),
          }
        : {},
    ),
    workflow("second", [action("a0", { forEach: overInput("/rows", 2), retry: ONE_ATTEMPT })]),
  ]);

const move = (kind: Move["kind"], how = 0): Move => ({ kind, pick: 0, how, joined: false });
const moves = fc
  .array(scheduleMoves, { minLength: 20, maxLength: 120, size: "max" })
  .map((drawn): Move[] => [move("schedule"), move("plan", 3), move("instant"), ...drawn]);

test(`the invariants hold whatever befalls schedules (HOLDFAST_SEED=${seed} repeats this)`, {
  timeout: 120_000 + SEQUENCES * 30,
}, () => {
  const seen = new Map<string, number>();
  const count = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
  fc.assert(
    fc.property(definitions, moves, (defined, played) => {
      const partition = new TestPartition();
      partition.announce();
      partition.append(batch(defined.map((definition) => define(definition))));
      let before = partition.view.dump();
      new Mover(partition).entries(played, (batchOf: CommandBatch) => {
        partition.append(batchOf);
        const after = partition.view.dump();
        const last = partition.log.at(-1) as LogEntry;
        const decoded = decode(CommandBatchSchema, last.bytes);
        checkStep({ before, after, batch: decoded, effects: partition.effects });
        checkPartition(partition);
        before = after;
        if (last.seq % 3 === 0) partition.view.forget();
      });
      for (const key of partition.view.keysOf("e")) {
        const { history, live, pause, invalid, exhausted } = partition.view.get(key) as ScheduleRecord;
        for (const entry of history)
          count(`${ScheduleOutcome[entry.outcome]}${entry.triggered ? " triggered" : ""}`);
        for (const entry of history) if (entry.runStatus !== 0) count(`ended ${entry.runStatus}`);
        if (live.length > 0) count("live");
        if (pause !== undefined) count("paused");
        if (invalid !== "") count("invalid");
        if (exhausted) count("exhausted");
      }
      const replica = new MemoryView();
      for (const entry of partition.log) foldLogEntry(replica, entry);
      replica.commit();
      mustBeSame(replica.dump(), partition.view.dump(), "I2: another replica has other bytes");
    }),
    { seed, numRuns: Math.ceil(SEQUENCES / 5), endOnFailure: false },
  );
  const wanted = [
    "STARTED",
    "STARTED triggered",
    "SKIPPED",
    "MISSED",
    "REFUSED",
    "BUFFERED",
    "ended 4",
    "ended 6",
    "live",
    "paused",
    "invalid",
    "exhausted",
  ];
  const least = Math.floor(SEQUENCES / 1500);
  expect(wanted.filter((what) => (seen.get(what) ?? 0) < least)).toEqual([]);
});
