/**
 * Breakers under any sequence of commands: the invariants hold after every entry (I9 among them), replicas agree, and no attempt that
 * was taken back is spent.
 */
import {
  BatchPhase,
  BatchSchema,
  type Breaker,
  BreakerSchema,
  BreakerStatus,
  type CommandBatch,
  CommandBatchSchema,
} from "@holdfast/proto";
import { decode, type Init, init } from "@holdfast/proto/codec";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { action, batch, define, overInput, retryPolicy, workflow } from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { MemoryView } from "../testing/memory-view.js";
import { breakerMove as drawn, type Move, Mover } from "../testing/moves.js";
import { foldLogEntry, type LogEntry, TestPartition } from "../testing/partition.js";
import { checkStep, mustBeSame } from "../testing/transitions.js";
import { breakerKey, runKey } from "../state/tables.js";

const SEQUENCES = Number(process.env.HOLDFAST_SEQUENCES ?? 3000);
const seed =
  process.env.HOLDFAST_SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.HOLDFAST_SEED);

/** Enough to be held in more than one wave. */
const RUNS = Array.from({ length: 12 }, (_, i) => `r${i}`);

const policy = fc.record({
  minSamples: fc.integer({ min: 1, max: 4 }),
  probes: fc.constantFrom(1, 1, 1, 2),
  openForMs: fc.constantFrom(5, 20, 60),
  onOpen: fc.constantFrom(0, 0, 0, 1, 2),
  key: fc.constantFrom("", "", "/rows/0"),
});

const kinds = fc.constantFrom(...(["inline", "inline", "job", "jobs", "hasty jobs"] as const));

/** The jobs of an external batch action are checked soon. */
const jobs = (kind: string, itemsAJob: number) =>
  init(BatchSchema, {
    poll: retryPolicy({ initialBackoffMs: 5, maxBackoffMs: 20 }),
    itemsAJob,
    timeoutMs: kind === "hasty jobs" ? 120n : 0n,
    cancellable: true,
  });

/** `byItem`: the action over items takes the key from the item. */
const drawnPolicies = fc.tuple(policy, policy, fc.integer({ min: 1, max: 4 }), kinds, fc.boolean());
const definitions = drawnPolicies.map(([own, over, window, kind, byItem]) => {
  const breaker = (fields: Init<Breaker>) =>
    init(BreakerSchema, { ...fields, failureRateBp: 3_000, windowMs: 1_000, maxOpenForMs: 80 });
  const retry = retryPolicy({ maxAttempts: 3, initialBackoffMs: 5, maxBackoffMs: 20 });
  const isOver = kind.endsWith("jobs");
  // A job takes items of many keys.
  const ofItems = breaker(byItem && !isOver ? { ...over, key: "", itemKey: "/host" } : over);
  return ["first", "second"].map((name) =>
    workflow(name, [
      action("a0", {
        breaker: breaker(own),
        batch: kind === "job" ? jobs(kind, 0) : undefined,
        retry,
      }),
      action("a1", {
        breaker: ofItems,
        forEach: overInput("/rows", isOver ? 0 : window),
        batch: isOver ? jobs(kind, window) : undefined,
        retry,
      }),
    ]),
  );
});

/** Jobs that are held before they are submitted at all, or again; and those that are checked while no other may begin. */
function noteJobs(
  { view }: TestPartition,
  seenJobs: { before: number; again: number; checked: number },
): void {
  for (const runId of RUNS) {
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

const moves = fc
  .array(drawn, { minLength: 20, maxLength: 120, size: "max" })
  .map((list): Move[] => [
    { kind: "start", pick: 0, how: 0, joined: false },
    { kind: "start", pick: 1, how: 0, joined: false },
    { kind: "load", pick: 0, how: 0, joined: false },
    ...list,
  ]);

test(`the invariants hold where breakers open, hold and let go (HOLDFAST_SEED=${seed} repeats this)`, {
  timeout: 120_000 + SEQUENCES * 30,
}, () => {
  const seen = new Map<string, number>();
  let held = 0;
  const heldJobs = { before: 0, again: 0, checked: 0 };
  let lanes = 0;
  fc.assert(
    fc.property(definitions, moves, (defined, played) => {
      const partition = new TestPartition();
      partition.announce();
      partition.append(batch(defined.map((definition) => define(definition))));
      let before = partition.view.dump();
      new Mover(partition, RUNS).entries(played, (batchOf: CommandBatch) => {
        partition.append(batchOf);
        const after = partition.view.dump();
        const last = partition.log.at(-1) as LogEntry;
        checkStep({
          before,
          after,
          batch: decode(CommandBatchSchema, last.bytes),
          effects: partition.effects,
        });
        checkPartition(partition);
        before = after;
        held += partition.view.keysOf("H").length;
        noteJobs(partition, heldJobs);
        lanes += partition.view.keysOf("L").length;
        for (const effect of partition.effects) {
          if (effect.kind !== "breaker") continue;
          const step = `${BreakerStatus[effect.from]} ${BreakerStatus[effect.to]}${effect.who === "" ? "" : " asked"}`;
          seen.set(step, (seen.get(step) ?? 0) + 1);
        }
      });
      const replica = new MemoryView();
      for (const entry of partition.log) foldLogEntry(replica, entry);
      replica.commit();
      mustBeSame(replica.dump(), partition.view.dump(), "I2: another replica has other bytes");
    }),
    { seed, numRuns: Math.ceil(SEQUENCES / 3), endOnFailure: false },
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
  const least = Math.floor(SEQUENCES / 1000);
  expect(wanted.filter((step) => (seen.get(step) ?? 0) < least)).toEqual([]);
  expect(held).toBeGreaterThan(least);
  expect(Object.entries(heldJobs).filter(([, times]) => times < Math.floor(least / 10))).toEqual([]);
  expect(lanes).toBeGreaterThan(least);
});
