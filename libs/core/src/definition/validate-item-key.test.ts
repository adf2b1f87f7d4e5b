/** Where a breaker may take its key from the item, and why not elsewhere. */
import { BreakerSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import { action, BATCH, overInput, overItemsOf, overLines, workflow } from "../testing/build.js";
import { definitionProblems } from "./validate.js";

const ofHost = init(BreakerSchema, { itemKey: "/host" });
type Fields = Parameters<typeof action>[1];

const problemsOf = (fields: Fields): string =>
  definitionProblems(workflow("w", [action("rows", { forEach: overInput() }), action("a", fields)])).join(
    "; ",
  );

test.each<[string, Fields]>([
  ["a list", { forEach: overInput() }],
  ["an artifact's lines", { forEach: overLines() }],
  ["another action's successes", { forEach: overItemsOf("rows") }],
])("of %s each item may have a key of its own", (_what, fields) => {
  expect(problemsOf({ ...fields, breaker: ofHost })).toBe("");
  expect(problemsOf({ ...fields, breaker: init(BreakerSchema, { itemKey: "" }) })).toBe("");
});

test.each<[string, Fields, RegExp]>([
  [
    "without items",
    { breaker: ofHost },
    /action "a" is not over items: its breaker can't take its key from an item/,
  ],
  [
    "from both places",
    { forEach: overInput(), breaker: init(BreakerSchema, { itemKey: "/host", key: "/shop" }) },
    /from the run's input or from the item, so leave one of them out/,
  ],
  [
    "that is no pointer",
    { forEach: overInput(), breaker: init(BreakerSchema, { itemKey: "host" }) },
    /breaker\.item_key "host" is no JSON pointer/,
  ],
  ["of a job", { forEach: overInput(), batch: BATCH, breaker: ofHost }, /a job takes items of many keys/],
])("an item's key %s is refused", (_what, fields, problem) => {
  expect(problemsOf(fields)).toMatch(problem);
});

test("what names an item beside its index is a JSON pointer", () => {
  const over = (key: string): Fields => ({ forEach: { ...overInput(), key } });
  expect(problemsOf(over(""))).toBe("");
  expect(problemsOf(over("/order/id"))).toBe("");
  expect(problemsOf(over("id"))).toMatch(
    /action "a": for_each\.key "id" is no JSON pointer: use "\/orderId"/,
  );
});
