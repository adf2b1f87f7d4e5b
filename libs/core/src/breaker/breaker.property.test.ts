/**
 * Breakers under any sequence of commands: the invariants hold after every entry (I9 among them), replicas agree, and no attempt that
 * was taken back is spent.
 */
import { BatchPhase, BreakerStatus } from "@holdfast/proto";
import * as fc from "fast-check";
import { expect, inject, test } from "vitest";
import { BREAKERS, partitionWith } from "../testing/mixes.js";
import { Mover } from "../testing/moves.js";
import type { TestPartition } from "../testing/partition.js";
import { Watch } from "../testing/watch.js";
import { breakerKey, runKey } from "../state/tables.js";

const SEQUENCES = inject("sequences");
const TIME = { timeout: 900_000 };
const { runs = [] } = BREAKERS;

/** Jobs that are held before they are submitted at all, or again; and those that are checked while no other may begin. */
function noteJobs(
  { view }: TestPartition,
  seenJobs: { before: number; again: number; checked: number },
): void {
  for (const runId of runs) {
    const run = view.get(runKey(runId));
    run?.actions.forEach(({ batch: job, breaker }, index) => {
      if (job === undefined) return;
      if (breaker?.held === true) seenJobs[job.phase === BatchPhase.SUBMITTING ? "again" : "before"] += 1;
      if (job.phase !== BatchPhase.CHECKING) return;
      const name = { workflow: run.workflow, action: `a${index}`, key: breaker?.key ?? "" };
      if (view.get(breakerKey(name))?.status === BreakerStatus.OPEN) seenJobs.checked += 1;
    });
  }
}

test("the invariants hold where breakers open, hold and let go", TIME, () => {
  fc.assert(
    fc.property(BREAKERS.definitions, BREAKERS.moves, fc.nat(7), (defined, played, audit) => {
      const partition = partitionWith(defined);
      const watch = new Watch(partition, { audit });
      new Mover(partition, runs).entries(played, (batchOf) => watch.append(batchOf));
      watch.end();
      watch.replay();
    }),
    { numRuns: Math.ceil(SEQUENCES / 3) },
  );
});

test("sequences get somewhere: breakers take every step, and what they hold is of every kind", TIME, () => {
  const seen = new Map<string, number>();
  let held = 0;
  const heldJobs = { before: 0, again: 0, checked: 0 };
  let lanes = 0;
  fc.assert(
    fc.property(BREAKERS.definitions, BREAKERS.moves, (defined, played) => {
      const partition = partitionWith(defined);
      new Mover(partition, runs).entries(played, (batchOf) => {
        partition.append(batchOf);
        held += partition.view.keysOf("H").length;
        noteJobs(partition, heldJobs);
        lanes += partition.view.keysOf("L").length;
        for (const effect of partition.effects) {
          if (effect.kind !== "breaker") continue;
          const step = `${BreakerStatus[effect.from]} ${BreakerStatus[effect.to]}${effect.who === "" ? "" : " asked"}`;
          seen.set(step, (seen.get(step) ?? 0) + 1);
        }
      });
    }),
    { numRuns: 700, seed: 7 },
  );
  const wanted = [
    "CLOSED OPEN",
    "OPEN HALF_OPEN",
    "HALF_OPEN OPEN",
    "HALF_OPEN CLOSED",
    "HALF_OPEN RECOVERING",
    "RECOVERING CLOSED",
    "CLOSED OPEN asked",
    "OPEN CLOSED asked",
  ];
  expect(wanted.filter((step) => (seen.get(step) ?? 0) < 3)).toEqual([]);
  expect(held).toBeGreaterThan(3);
  expect(Object.entries(heldJobs).filter(([, times]) => times === 0)).toEqual([]);
  expect(lanes).toBeGreaterThan(3);
});
