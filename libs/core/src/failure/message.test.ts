/** Failure messages for people. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bindMessage, SHOWN_CHARS_MAX } from "./message.js";

const values = {
  item: { id: 7, name: "Duel in the Sun", tags: ["a"] },
  input: { table: "films", blank: " " },
  odd: "{item.id}",
};

describe("a failure message", () => {
  test.each([
    ["row {item.id}: could not load {input.table}", "row 7: could not load films"],
    ["{item.tags}", '["a"]'],
    ["{item.nothing} {unknown} {} {item.id.x}", "{item.nothing} {unknown} {} {item.id.x}"],
    ["{odd}", "{item.id}"],
    ["{item.constructor} {__proto__}", "{item.constructor} {__proto__}"],
    ["{table} {tags.x}", "films {tags.x}"],
    ["", ""],
    [" \n", ""],
    ["{input.blank}", ""],
  ])("%j reads %j", (template, text) => expect(bindMessage(template, values)).toBe(text));

  test("is cut, each value and the whole", () => {
    expect(bindMessage("{x}!", { x: "y".repeat(500) })).toHaveLength(201);
    expect(bindMessage("{x}".repeat(50), { x: "y".repeat(100) })).toHaveLength(SHOWN_CHARS_MAX);
  });

  test("never throws, and takes a value for a value", () => {
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    expect(bindMessage("{self}", cycle)).toBe("{self}");
    fc.assert(
      fc.property(fc.string(), fc.dictionary(fc.string(), fc.anything()), (template, given) => {
        expect(bindMessage(template, given).length).toBeLessThanOrEqual(SHOWN_CHARS_MAX);
      }),
    );
  });
});
