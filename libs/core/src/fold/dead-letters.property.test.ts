/** Any sequence in which much is put aside, retried, given up and swept: nothing of the dead-letter set is lost, and nothing prunes it too soon. */
import { PruneCause, type RollupRecord, RunEventType, type WorkflowDefinition } from "@holdfast/proto";
import * as fc from "fast-check";
import { expect, inject, test } from "vitest";
import { runIdsOf } from "../testing/must.js";
import { DEAD_LETTERS, partitionWith } from "../testing/mixes.js";
import { type Move, Mover } from "../testing/moves.js";
import { Watch, type Watching } from "../testing/watch.js";

/** Long ones: a third of what is drawn elsewhere. */
const SEQUENCES = Math.ceil(inject("sequences") / 3);
const TIME = { timeout: 900_000 };

interface Seen {
  readonly what: Map<string, number>;
  readonly pruned: Set<PruneCause>;
}

/** Folds the moves, looks after every entry, and folds the log again. */
function play(
  defined: readonly WorkflowDefinition[],
  played: readonly Move[],
  watching: Watching | undefined,
  { what, pruned }: Seen,
): void {
  const count = (name: string): void => void what.set(name, (what.get(name) ?? 0) + 1);
  const partition = partitionWith(defined);
  const watch = new Watch(partition, watching);
  new Mover(partition).entries(played, (batchOf) => {
    const held = runIdsOf(partition.view).filter((runId) => partition.run(runId).deadLetters !== undefined);
    watch.append(batchOf);
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
  watch.end();
  for (const key of partition.view.keysOf("u"))
    for (const { cause } of partition.view.get<RollupRecord>(key)?.pruned ?? []) pruned.add(cause);
  watch.replay();
}

test("the dead-letter set holds what was put there, whatever happens", TIME, () => {
  const seen = { what: new Map<string, number>(), pruned: new Set<PruneCause>() };
  fc.assert(
    fc.property(DEAD_LETTERS.definitions, DEAD_LETTERS.moves, fc.nat(7), (defined, played, audit) =>
      play(defined, played, { audit }, seen),
    ),
    { numRuns: SEQUENCES },
  );
});

test(
  "sequences get somewhere: much goes in, is taken out in every way, and is pruned past its time",
  TIME,
  () => {
    const seen = { what: new Map<string, number>(), pruned: new Set<PruneCause>() };
    fc.assert(
      fc.property(DEAD_LETTERS.definitions, DEAD_LETTERS.moves, (defined, played) =>
        play(defined, played, undefined, seen),
      ),
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
  },
);
