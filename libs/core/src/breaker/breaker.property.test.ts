/**
 * Breakers under any sequence of commands: the invariants hold after every entry (I9 among them), replicas agree, and no attempt that
 * was taken back is spent.
 */
import { BreakerSchema, BreakerStatus, type CommandBatch, CommandBatchSchema } from "@holdfast/proto";
import { decode, init } from "@holdfast/proto/codec";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { action, batch, define, overInput, retryPolicy, workflow } from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { MemoryView } from "../testing/memory-view.js";
import { breakerMove as drawn, type Move, Mover } from "../testing/moves.js";
import { foldLogEntry, type LogEntry, TestPartition } from "../testing/partition.js";
import { checkStep, mustBeSame } from "../testing/transitions.js";

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

const definitions = fc.tuple(policy, policy, fc.integer({ min: 1, max: 4 })).map(([own, over, window]) => {
  const breaker = (fields: typeof own) =>
    init(BreakerSchema, { ...fields, failureRateBp: 3_000, windowMs: 1_000, maxOpenForMs: 80 });
  const retry = retryPolicy({ maxAttempts: 3, initialBackoffMs: 5, maxBackoffMs: 20 });
  return ["first", "second"].map((name) =>
    workflow(name, [
      action("a0", { breaker: breaker(own), retry }),
      action("a1", { breaker: breaker(over), forEach: overInput("/rows", window), retry }),
    ]),
  );
});

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
});
