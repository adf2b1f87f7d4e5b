/** A slice is what stands at its place, byte for byte: JSON.parse makes the same of it as of the place in the whole. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { elementsOf, kindOfSlice, sliceAt } from "./json-slices.js";
import { anyJsonText } from "./testing/json-texts.js";
import { atPointer, fromUtf8, type Json, jsonKind, utf8 } from "./text.js";

const textAt = (text: string, pointer: string): string | undefined => {
  const slice = sliceAt(utf8(text), pointer);
  return slice === undefined ? undefined : fromUtf8(slice);
};

test.each([
  [" [ 1e400 , -0 ] ", "", "[ 1e400 , -0 ]"],
  [" [ 1e400 , -0 ] ", "/0", "1e400"],
  ["[1,-0 ]", "/1", "-0"],
  ['{"a": {"b" : 9007199254740993}}', "/a/b", "9007199254740993"],
  ['{"\\u0061":[ "x]" , 2]}', "/a/0", '"x]"'],
  ['{"a/b":{"~":{"":1.10}}}', "/a~1b/~0/", "1.10"],
  ['{"ä":"\\ud800"}', "/ä", '"\\ud800"'],
])("%s at %j is %s", (text, pointer, found) => {
  expect(textAt(text, pointer)).toBe(found);
});

test.each([
  ["{}", "/a"],
  ["[]", "/0"],
  ["[1]", "/1"],
  ["[1]", "/00"],
  ["[1]", "/-"],
  ['{"0":1}', "/0/0"],
  ["7", "/a"],
  ['"a"', "/0"],
])("in %s nothing stands at %j", (text, pointer) => {
  expect(textAt(text, pointer)).toBeUndefined();
});

test("whatever the text, each place of it is found as JSON.parse has it", () => {
  const step = fc.oneof(
    fc.nat({ max: 3 }),
    fc.nat({ max: 3 }).map((n) => -1 - n),
  );
  fc.assert(
    fc.property(anyJsonText(), fc.array(step, { maxLength: 4 }), (text, steps) => {
      const whole = JSON.parse(text) as Json;
      let at: Json | undefined = whole;
      let pointer = "";
      for (const n of steps) {
        const names: string[] = typeof at === "object" && at !== null ? Object.keys(at) : ["0"];
        const name = n < 0 ? "none" : (names[n % Math.max(1, names.length)] ?? "a");
        if (!name.isWellFormed()) return;
        pointer += `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
        at = atPointer(whole, pointer);
        if (at === undefined) break;
      }
      const found = textAt(text, pointer);
      if (at === undefined) expect(found).toBeUndefined();
      else {
        expect(JSON.parse(found ?? "")).toEqual(at);
        expect(found?.trim()).toBe(found);
      }
      expect(kindOfSlice(sliceAt(utf8(text), pointer))).toBe(jsonKind(at));
    }),
    { numRuns: 2_000 },
  );
});

test("the elements of an array are those that were joined, without the white space around them", () => {
  fc.assert(
    fc.property(fc.array(anyJsonText(), { maxLength: 5 }), (parts) => {
      const elements = [...elementsOf(utf8(`[${parts.length === 0 ? " " : parts.join(",")}]`))];
      expect(elements.map((slice) => fromUtf8(slice))).toEqual(
        parts.map((part) => part.replace(/^[ \n\r\t]+|[ \n\r\t]+$/g, "")),
      );
    }),
    { numRuns: 1_000 },
  );
});
