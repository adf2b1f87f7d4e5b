/** A text is let through exactly where JSON.parse reads it and no name stands twice in an object; else its fault has the right place. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jsonFault, withoutMark } from "./json-text.js";
import { JSON_DEPTH_MAX } from "./limits.js";
import { anyJsonText } from "./testing/json-texts.js";
import { utf8 } from "./text.js";

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

const faultOf = (text: string) => jsonFault(utf8(text));

/** Characters that JSON is made of, so that random texts come close to it. */
const MARKS = fc.constantFrom(...Array.from('[]{}:,"\\u0e-+.1tn \n'));

test("what is refused for its syntax is what JSON.parse refuses", () => {
  const broken = fc
    .tuple(anyJsonText(), fc.nat(), fc.nat({ max: 3 }), fc.string({ maxLength: 2 }))
    .map(([json, at, cut, put]) => {
      const from = at % (json.length + 1);
      return (json.slice(0, from) + put + json.slice(from + cut)).toWellFormed();
    });
  fc.assert(
    fc.property(
      fc.oneof(anyJsonText(), broken, fc.string({ unit: "binary" }), fc.string({ unit: MARKS })),
      (text) => {
        const fault = faultOf(text.toWellFormed());
        // Nothing is said of what comes after a name that is there twice.
        if (fault?.kind !== "duplicate") expect(fault === undefined).toBe(isJson(text.toWellFormed()));
      },
    ),
    { numRuns: 3_000 },
  );
});

test("bytes that are no UTF-8 are refused wherever they stand", () => {
  fc.assert(
    fc.property(anyJsonText(), fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 4 }), (json, at, put) => {
      const text = Buffer.from(json);
      const from = at % (text.length + 1);
      const bytes = Buffer.concat([text.subarray(0, from), put, text.subarray(from)]);
      let read: string | undefined;
      try {
        read = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
      } catch {
        expect(jsonFault(bytes)).toBeDefined();
      }
      if (read !== undefined && !isJson(read)) expect(jsonFault(bytes)).toBeDefined();
    }),
    { numRuns: 2_000 },
  );
});

describe("where a text stops being JSON", () => {
  test.each([
    ["", 1, 1, "it ends in the middle (line 1, column 1)"],
    ['{"a": 1,}', 1, 9, `"}" can't stand at line 1, column 9`],
    ["[1 2]", 1, 4, `"2" can't stand at line 1, column 4`],
    ["{\n  a: 1}", 2, 3, `"a" can't stand at line 2, column 3`],
    ['"a\nb"', 1, 3, "the byte 0x0a can't stand at line 1, column 3"],
    ['"\\x"', 1, 2, `"\\\\" can't stand at line 1, column 2`],
    ['"\\ud8"', 1, 2, `"\\\\" can't stand at line 1, column 2`],
    ["01", 1, 2, `"1" can't stand at line 1, column 2`],
    ["1.", 1, 3, "it ends in the middle (line 1, column 3)"],
    ["-", 1, 2, "it ends in the middle (line 1, column 2)"],
    ["nul", 1, 4, "it ends in the middle (line 1, column 4)"],
    ['{"a": "b', 1, 9, "it ends in the middle (line 1, column 9)"],
    ["[NaN]", 1, 2, `"N" can't stand at line 1, column 2`],
    ['["😀", é]', 1, 8, `"é" (U+00E9) can't stand at line 1, column 8`],
  ])("%j: line %i, column %i: %s", (text, line, column, message) => {
    expect(faultOf(text)).toEqual({ kind: "syntax", line, column, message });
  });

  test("bytes that are no UTF-8 are named", () => {
    const bytes = Uint8Array.of(0x5b, 0x22, 0xc3, 0xa9, 0xff, 0x22, 0x5d);
    expect(jsonFault(bytes)).toEqual({
      kind: "utf-8",
      line: 1,
      column: 4,
      message: "it is not UTF-8 (byte 5; line 1, column 4)",
    });
    expect(jsonFault(Uint8Array.of(0xff, 0xfe, 0x5b, 0x00))?.message).toContain("UTF-16");
  });
});

describe("a name that stands twice", () => {
  const wide = Array.from({ length: 60 }, (_, i) => `"n${i}":${i}`).join(",");
  test.each([
    ['{"a":1,"a":2}', 8, "/a"],
    ['{"a":1,"\\u0061":2}', 8, "/a"],
    ['{"\\u0061":1,"b":2,"a":2}', 19, "/a"],
    ['[0,{"r":[{"x/~":{}},{"x/~":1,"x/~":2}]}]', 30, "/1/r/1/x~1~0"],
    [`{${wide},"n59":0}`, wide.length + 3, "/n59"],
    [`{${wide},"n0":0}`, wide.length + 3, "/n0"],
    ['{"":1,"":2}', 7, "/"],
    ['{"__proto__":1,"__proto__":2}', 16, "/__proto__"],
    ['{"\\ud800":1,"\\ud800":2}', 13, "/\ufffd"],
  ])("%s: column %i, %s", (text, column, pointer) => {
    const fault = faultOf(text);
    expect(fault).toMatchObject({ kind: "duplicate", line: 1, column });
    expect(fault?.message).toContain(`(${pointer})`);
  });

  test.each([
    ['{"a":{"a":1},"b":{"a":1}}'],
    ['[{"a":1},{"a":1}]'],
    ['{"a":1,"A":2,"a ":3}'],
    ['{"\\ud800":1,"\ufffd":2,"\\ud801":3}'],
    [`{${wide}}`],
    ['{"a":{"b":1,"c":2},"b":1,"c":{"a":1}}'],
  ])("%s: none does", (text) => {
    expect(faultOf(text)).toBeUndefined();
  });

  test("is found in any text, and nowhere else", () => {
    fc.assert(
      fc.property(anyJsonText({ duplicates: true }), (text) => {
        // With the first of each name kept by one reader and the last by the other, they agree where no name stands twice.
        const members = text.replace(/"(?:[^"\\]|\\.)*"/g, '""').split(":").length - 1;
        expect(faultOf(text)?.kind === "duplicate").toBe(membersOf(JSON.parse(text)) !== members);
      }),
      { numRuns: 2_000 },
    );
  });
});

function membersOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const inner = Object.values(value).reduce((sum: number, part: unknown) => sum + membersOf(part), 0);
  return inner + (Array.isArray(value) ? 0 : Object.keys(value).length);
}

test("depth has a limit, and costs no more than it", () => {
  const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
  expect(faultOf(nested(JSON_DEPTH_MAX))).toBeUndefined();
  expect(faultOf(nested(JSON_DEPTH_MAX + 1))).toMatchObject({ kind: "depth", column: JSON_DEPTH_MAX + 1 });
  expect(faultOf("[".repeat(1_000_000))).toMatchObject({ kind: "depth" });
  expect(faultOf('{"a":'.repeat(1_000_000))).toMatchObject({ kind: "depth" });
});

test("only one byte-order mark is passed over", () => {
  expect(withoutMark(utf8("\ufeff1"))).toEqual(utf8("1"));
  expect(withoutMark(utf8("\ufeff\ufeff1"))).toEqual(utf8("\ufeff1"));
  expect(withoutMark(utf8("1"))).toEqual(utf8("1"));
});
