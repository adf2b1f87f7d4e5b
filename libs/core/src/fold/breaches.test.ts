/** Broken rules that checks found: told, kept until they are mended, by what a check has looked at. */
import { type Breach, BreachesFoundSchema, BreachSchema, CheckSection } from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { beforeEach, expect, test } from "vitest";
import { BREACHES_KEPT_MAX } from "../limits.js";
import { breachesKey } from "../state/tables.js";
import { command } from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { TestPartition } from "../testing/partition.js";

let at: TestPartition;
beforeEach(() => {
  at = new TestPartition();
  at.announce();
});

const of = (runId: string, message = "it is so"): Init<Breach> => ({ rule: "I4", runId, message });
function found(
  breaches: readonly Init<Breach>[],
  places: { after?: string; upTo?: string; section?: number } = {},
) {
  const value = init(BreachesFoundSchema, {
    ...places,
    breaches: breaches.map((breach) => init(BreachSchema, breach)),
  });
  at.asOwner(command({ case: "breachesFound", value }));
}
const kept = () =>
  (at.view.get(breachesKey)?.kept ?? []).map(({ place, attention }) => `${place}: ${attention?.message}`);
const told = () =>
  at.effects.flatMap((effect) => (effect.kind === "attention" ? [effect.attention.runId] : []));

test("each is told and kept; a check that finds it no more lets it go", () => {
  found([of("a"), of("b"), of("")]);
  expect(told()).toEqual(["a", "b", ""]);
  expect(kept()).toEqual([
    "a: I4 is broken: it is so",
    "b: I4 is broken: it is so",
    ": I4 is broken: it is so",
  ]);
  checkPartition(at);
  found([of("b")]);
  expect(kept()).toEqual(["b: I4 is broken: it is so"]);
  found([]);
  expect(at.view.get(breachesKey)).toBeUndefined();
});

test("what is found again keeps when it was found first", () => {
  found([of("a")]);
  const first = at.view.get(breachesKey)?.kept[0]?.seq;
  at.nowNs += 1_000_000_000n;
  found([of("a"), of("b")]);
  expect(at.view.get(breachesKey)?.kept.map(({ seq }) => seq === first)).toEqual([true, false]);
  expect(told()).toEqual(["a", "b"]);
});

test.each([
  ["after a", { after: "a" }, ["", "a"]],
  ["up to b", { upTo: "b" }, ["c"]],
  ["between them", { after: "a", upTo: "b" }, ["", "a", "c"]],
  ["of schedules", { section: CheckSection.SCHEDULES }, ["", "a", "b", "c"]],
])("a check of places %s mends those only", (_what, places, left) => {
  found([of(""), of("a"), of("b"), of("c")]);
  found([], places);
  expect((at.view.get(breachesKey)?.kept ?? []).map(({ place }) => place)).toEqual(left);
});

test("no more are kept than may be; what is beyond is told all the same", () => {
  const many = (prefix: string) =>
    Array.from({ length: BREACHES_KEPT_MAX - 1 }, (_, i) => of(`${prefix}${i}`));
  found(many("a"));
  found(many("b"), { after: "az" });
  expect([kept().length, told().length]).toEqual([BREACHES_KEPT_MAX, BREACHES_KEPT_MAX - 1]);
  checkPartition(at);
});

test("what checks find is the owner's to say", () => {
  const value = init(BreachesFoundSchema, { breaches: [init(BreachSchema, of("a"))] });
  expect(at.send(command({ case: "breachesFound", value }))).toMatchObject({ case: "rejected" });
  expect(kept()).toEqual([]);
});
