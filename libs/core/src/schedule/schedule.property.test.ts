/**
 * Schedules under any sequence of commands: the invariants hold after every entry, replicas agree, no instant is lost without being
 * counted, and none begins two runs.
 */
import { ScheduleOutcome, type ScheduleRecord, type WorkflowDefinition } from "@holdfast/proto";
import * as fc from "fast-check";
import { expect, inject, test } from "vitest";
import { partitionWith, SCHEDULES } from "../testing/mixes.js";
import { type Move, Mover } from "../testing/moves.js";
import type { TestPartition } from "../testing/partition.js";
import { Watch, type Watching } from "../testing/watch.js";

const SEQUENCES = Math.ceil(inject("sequences") / 5);
const TIME = { timeout: 900_000 };

function play(
  defined: readonly WorkflowDefinition[],
  played: readonly Move[],
  watching?: Watching,
): TestPartition {
  const partition = partitionWith(defined);
  const watch = new Watch(partition, watching);
  new Mover(partition).entries(played, (batchOf) => watch.append(batchOf));
  watch.end();
  watch.replay();
  return partition;
}

test("the invariants hold whatever befalls schedules", TIME, () => {
  fc.assert(
    fc.property(SCHEDULES.definitions, SCHEDULES.moves, fc.nat(7), (defined, played, audit) => {
      play(defined, played, { audit, forgetEvery: 3 });
    }),
    { numRuns: SEQUENCES },
  );
});

test("sequences get somewhere: instants end in every way", TIME, () => {
  const seen = new Map<string, number>();
  const count = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
  fc.assert(
    fc.property(SCHEDULES.definitions, SCHEDULES.moves, (defined, played) => {
      const partition = play(defined, played);
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
    }),
    { numRuns: 80, seed: 7 },
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
  expect(wanted.filter((what) => (seen.get(what) ?? 0) < 2)).toEqual([]);
});
