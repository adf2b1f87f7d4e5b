/** The place that is named is the place that is wrong, and a text has one exactly where JSON.parse refuses it. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jsonErrorPosition } from "./json-position.js";

/** Characters that JSON is made of, so that random texts come close to it. */
const MARKS = fc.constantFrom(
  "[",
  "]",
  "{",
  "}",
  ":",
  ",",
  '"',
  "\\",
  "u",
  "0",
  "e",
  "-",
  "+",
  ".",
  "1",
  "t",
  "n",
  " ",
  "\n",
);

describe("where a text stops being JSON", () => {
  const isJson = (candidate: string): boolean => {
    try {
      JSON.parse(candidate);
      return true;
    } catch {
      return false;
    }
  };

  it("is found exactly where JSON.parse refuses it", () => {
    const broken = fc
      .tuple(fc.json(), fc.nat(), fc.nat({ max: 3 }), fc.string({ maxLength: 2 }))
      .map(
        ([json, at, cut, put]) =>
          json.slice(0, at % (json.length + 1)) + put + json.slice((at % (json.length + 1)) + cut),
      );
    fc.assert(
      fc.property(fc.oneof(fc.json(), broken, fc.string(), fc.string({ unit: MARKS })), (candidate) => {
        expect(jsonErrorPosition(candidate) === undefined).toBe(isJson(candidate));
      }),
      { numRuns: 3_000 },
    );
  });

  it.each([
    ["", 1, 1, "the end of the text"],
    ['{"a": 1,}', 1, 9, '"}"'],
    ["[1 2]", 1, 4, '"2"'],
    ["{\n  a: 1}", 2, 3, '"a"'],
    ['"a\nb"', 1, 3, '"\\n"'],
    ['"\\x"', 1, 2, '"\\\\"'],
    ["01", 1, 2, '"1"'],
    ["nul", 1, 1, '"n"'],
    ['{"a": "b', 1, 9, "the end of the text"],
  ])("%j: line %i, column %i", (candidate, line, column, found) => {
    expect(jsonErrorPosition(candidate)).toEqual({ line, column, found });
  });

  it("does not mind depth", () => {
    const depth = 200_000;
    expect(jsonErrorPosition("[".repeat(depth))).toEqual({
      line: 1,
      column: depth + 1,
      found: "the end of the text",
    });
  });
});
