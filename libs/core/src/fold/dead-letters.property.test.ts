/** Any sequence in which much is put aside, retried, given up and swept: nothing of the dead-letter set is lost, and nothing prunes it too soon. */
import { CommandBatchSchema, PruneCause, type RollupRecord, RunEventType } from "@holdfast/proto";
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

const moves = fc
  .array(deadLetterMoves, { minLength: 20, maxLength: 80, size: "max" })
  .map((drawn): Move[] => [{ kind: "start", pick: 0, how: 0, joined: false }, ...drawn]);

test(`the dead-letter set holds what was put there, whatever happens (HOLDFAST_SEED=${seed} repeats this)`, {
  timeout: 120_000 + SEQUENCES * 60,
}, () => {
  const seen = { byHand: 0, byPolicy: 0, items: 0, discarded: 0, retried: 0 };
  const pruned = new Map<PruneCause, bigint>();
  fc.assert(
    fc.property(arbitraryDefinitions, moves, (defined, played) => {
      const partition = new TestPartition();
      partition.announce();
      partition.append(batch(defined.map((definition) => define(definition))));
      let before = partition.view.dump();
      new Mover(partition).entries(played, (batchOf) => {
        const held = runIdsOf(partition.view).filter(
          (runId) => partition.run(runId).deadLetters !== undefined,
        );
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
        for (const effect of partition.effects) {
          if (effect.kind === "dead-letter") {
            if (effect.letter.action !== "") seen.items += 1;
            else if (effect.letter.byPolicy) seen.byPolicy += 1;
            else seen.byHand += 1;
          }
          if (effect.kind !== "event") continue;
          if (effect.event.type === RunEventType.DISCARDED) seen.discarded += 1;
          if (effect.event.type === RunEventType.RUN_RETRIED && held.includes(effect.runId))
            seen.retried += 1;
        }
      });
      for (const key of partition.view.keysOf("u"))
        for (const { cause, runs } of partition.view.get<RollupRecord>(key)?.pruned ?? [])
          pruned.set(cause, (pruned.get(cause) ?? 0n) + runs);
      const replayed = new MemoryView();
      for (const entry of partition.log) {
        foldLogEntry(replayed, entry);
        replayed.commit();
      }
      mustBeSame(replayed.dump(), partition.view.dump(), "I2: another replica has other bytes");
    }),
    { seed, numRuns: SEQUENCES, endOnFailure: false },
  );
  const enough = SEQUENCES / 500;
  expect(Object.entries(seen).filter(([, count]) => count < enough)).toEqual([]);
  const causes = [PruneCause.DEAD_LETTER_RETENTION, PruneCause.DISCARDED];
  expect(causes.filter((cause) => !pruned.has(cause)).map((cause) => PruneCause[cause])).toEqual([]);
});
