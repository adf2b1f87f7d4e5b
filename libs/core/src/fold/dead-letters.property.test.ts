/** Any sequence in which much is put aside, retried, given up and swept: nothing of the dead-letter set is lost, and nothing prunes it too soon. */
import {
  CommandBatchSchema,
  PruneCause,
  type RollupRecord,
  RunEventType,
  type WorkflowDefinition,
} from "@holdfast/proto";
import { decode } from "@holdfast/proto/codec";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { batch, define } from "../testing/build.js";
import { checkPartition, runIdsOf } from "../testing/invariants.js";
import { MemoryView } from "../testing/memory-view.js";
import { arbitraryDefinitions, deadLetterMoves, type Move, Mover } from "../testing/moves.js";
import { foldLogEntry, type LogEntry, TestPartition } from "../testing/partition.js";
import { checkStep, mustBeSame } from "../testing/transitions.js";

/** Long ones: a third of what is drawn elsewhere. */
const SEQUENCES = Math.ceil(Number(process.env.HOLDFAST_SEQUENCES ?? 3000) / 3);
const seed =
  process.env.HOLDFAST_SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.HOLDFAST_SEED);

/** In the end a month goes by, and all is swept that may go then. */
const SWEEPS: readonly Move[] = [2, 3, 4, 5].map((pick) => ({ kind: "prune", pick, how: 5, joined: false }));
const moves = fc
  .array(deadLetterMoves, { minLength: 20, maxLength: 80, size: "max" })
  .map((drawn): Move[] => [{ kind: "start", pick: 0, how: 0, joined: false }, ...drawn, ...SWEEPS]);

interface Seen {
  readonly what: Map<string, number>;
  readonly pruned: Set<PruneCause>;
}

/** Folds the moves, looks after every entry, and folds the log again. */
function play(defined: readonly WorkflowDefinition[], played: readonly Move[], { what, pruned }: Seen): void {
  const count = (name: string): void => void what.set(name, (what.get(name) ?? 0) + 1);
  const partition = new TestPartition();
  partition.announce();
  partition.append(batch(defined.map((definition) => define(definition))));
  let before = partition.view.dump();
  new Mover(partition).entries(played, (batchOf) => {
    const held = runIdsOf(partition.view).filter((runId) => partition.run(runId).deadLetters !== undefined);
    partition.append(batchOf);
    const after = partition.view.dump();
    const last = decode(CommandBatchSchema, (partition.log.at(-1) as LogEntry).bytes);
    checkStep({ before, after, batch: last, effects: partition.effects });
    checkPartition(partition);
    before = after;
    for (const effect of partition.effects) {
      if (effect.kind === "dead-letter") {
        const { action, byPolicy } = effect.letter;
        count(action !== "" ? "items" : byPolicy ? "by policy" : "by hand");
      }
      if (effect.kind !== "event") continue;
      if (effect.event.type === RunEventType.DISCARDED) count("discarded");
      if (effect.event.type !== RunEventType.RUN_RETRIED) continue;
      if (held.includes(effect.runId)) count("retried");
      if (/\bitems? \d/.test(effect.event.detail))
        count(held.includes(effect.runId) ? "items retried" : "single items retried");
    }
  });
  for (const key of partition.view.keysOf("u"))
    for (const { cause } of partition.view.get<RollupRecord>(key)?.pruned ?? []) pruned.add(cause);
  const replayed = new MemoryView();
  for (const entry of partition.log) {
    foldLogEntry(replayed, entry);
    replayed.commit();
  }
  mustBeSame(replayed.dump(), partition.view.dump(), "I2: another replica has other bytes");
}

test(`the dead-letter set holds what was put there, whatever happens (HOLDFAST_SEED=${seed} repeats this)`, {
  timeout: 120_000 + SEQUENCES * 150,
}, () => {
  const seen = { what: new Map<string, number>(), pruned: new Set<PruneCause>() };
  fc.assert(
    fc.property(arbitraryDefinitions, moves, (defined, played) => play(defined, played, seen)),
    { seed, numRuns: SEQUENCES, endOnFailure: false },
  );
});

test("sequences get somewhere: much goes in, is taken out in every way, and is pruned past its time", {
  timeout: 120_000,
}, () => {
  const seen = { what: new Map<string, number>(), pruned: new Set<PruneCause>() };
  fc.assert(
    fc.property(arbitraryDefinitions, moves, (defined, played) => play(defined, played, seen)),
    { seed: 7, numRuns: 300 },
  );
  const wanted = [
    "by hand",
    "by policy",
    "items",
    "discarded",
    "retried",
    "items retried",
    "single items retried",
  ];
  expect(wanted.filter((what) => (seen.what.get(what) ?? 0) < 3)).toEqual([]);
  const causes = [PruneCause.DEAD_LETTER_RETENTION, PruneCause.DISCARDED];
  expect(causes.filter((cause) => !seen.pruned.has(cause)).map((cause) => PruneCause[cause])).toEqual([]);
});
