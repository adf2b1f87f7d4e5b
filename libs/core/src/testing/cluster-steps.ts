/**
 * What befalls several partitions and the messages between them: commands, and messages that are late, repeated, out of order, lost, or sent by
 * an owner who dies.
 */
import * as fc from "fast-check";
import { partitionOf } from "../names.js";
import type { TestCluster } from "./cluster.js";
import { arbitraryDefinitions, endingMove, type Move, Mover } from "./moves.js";

export const PARTITIONS = 3;

/** Runs that are begun from outside, by partition. */
const RUNS = Array.from({ length: PARTITIONS }, (_, number) => {
  const ids: string[] = [];
  for (let i = 0; ids.length < 2; i++) if (partitionOf(`r${i}`, PARTITIONS) === number) ids.push(`r${i}`);
  return ids;
});

export type Step =
  | { readonly step: "move"; readonly at: number; readonly move: Move }
  | {
      readonly step: "post";
      readonly from: number;
      readonly to: number;
      readonly count: number;
      readonly shift: number;
    }
  | { readonly step: "arrive"; readonly pick: number; readonly again: boolean }
  | { readonly step: "carry" }
  | { readonly step: "lose"; readonly pick: number }
  | { readonly step: "confirm"; readonly from: number; readonly to: number }
  | { readonly step: "die"; readonly at: number };

const at = fc.nat(PARTITIONS - 1);
const post: fc.Arbitrary<Step> = fc.record({
  step: fc.constant("post" as const),
  from: at,
  to: at,
  count: fc.integer({ min: 1, max: 4 }),
  shift: fc.constantFrom(0, 0, 0, 0, 1, 2, -1, -3),
});
const arrive: fc.Arbitrary<Step> = fc.record({
  step: fc.constant("arrive" as const),
  pick: fc.nat(31),
  again: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
});
const move: fc.Arbitrary<Step> = fc.record({
  step: fc.constant("move" as const),
  at,
  move: endingMove.filter(({ kind }) => !BY_THE_NETWORK.has(kind)),
});
/** What the network of this test does; nobody's time goes on for others. */
const BY_THE_NETWORK = new Set<Move["kind"]>(["messages", "let-go", "garbage", "prune"]);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 40, arbitrary: move },
  // All that is there arrives as it should, so that sequences get somewhere.
  { weight: 3, arbitrary: fc.constant({ step: "carry" as const }) },
  { weight: 9, arbitrary: post },
  { weight: 9, arbitrary: arrive },
  { weight: 1, arbitrary: fc.record({ step: fc.constant("lose" as const), pick: fc.nat(31) }) },
  { weight: 2, arbitrary: fc.record({ step: fc.constant("confirm" as const), from: at, to: at }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant("die" as const), at }) },
);
/** A parent in each partition. */
const begin = RUNS.map((_, number): Step => {
  return { step: "move", at: number, move: { kind: "start", pick: 0, how: 0, joined: false } };
});
/** A schedule in one of them, and its first instant. */
const firstInstant = (["schedule", "plan", "instant"] as const).map((kind): Step => {
  return { step: "move", at: 0, move: { kind, pick: 0, how: kind === "plan" ? 3 : 0, joined: false } };
});
/** With at least one child that does not wait for much. */
export const familyDefinitions = arbitraryDefinitions.filter(([first]) =>
  first.actions.some(({ child, after }) => child?.workflow === "second" && after.length < 2),
);
export const familySteps = fc
  .array(step, { minLength: 60, maxLength: 160, size: "max" })
  .map((drawn) => [...begin, ...firstInstant, ...drawn]);

/** `look`: after every entry, and every step. */
export function playSteps(cluster: TestCluster, played: readonly Step[], look: () => void): void {
  const movers = cluster.partitions.map((partition) => new Mover(partition, RUNS[partition.number]));
  for (const each of played) {
    const wire = cluster.wire.length;
    if (each.step === "move")
      movers[each.at]?.entries([each.move], (batchOf) => {
        cluster.at(each.at).append(batchOf);
        look();
      });
    else if (each.step === "post") cluster.post(each.from, each.to, each.count, each.shift);
    else if (each.step === "carry") cluster.settle();
    else if (each.step === "confirm") cluster.confirm(each.from, each.to);
    else if (each.step === "die") cluster.die(each.at);
    else if (wire > 0 && each.step === "lose") cluster.wire.splice(each.pick % wire, 1);
    else if (wire > 0 && each.step === "arrive") cluster.arrive(each.pick % wire, each.again);
    look();
  }
}
