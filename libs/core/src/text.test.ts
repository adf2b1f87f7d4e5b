import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  atPointer,
  canonicalJson,
  cutText,
  fromUtf8,
  isPointer,
  type Json,
  snapshotOf,
  utf8,
} from "./text.js";

const whole = fc.string({ unit: "grapheme", maxLength: 200 });
const isWellFormed = (text: string): boolean => fromUtf8(utf8(text)) === text;

describe("a text that is cut", () => {
  test("is at most as long as asked, and never ends in half a character", () => {
    fc.assert(
      fc.property(whole, fc.integer({ min: 1, max: 50 }), (text, limit) => {
        const cut = cutText(text, limit);
        expect(cut.length).toBeLessThanOrEqual(limit);
        expect(isWellFormed(cut)).toBe(true);
        expect(text.length <= limit ? cut === text : cut.endsWith("…")).toBe(true);
      }),
    );
  });
  test("keeps whole surrogate pairs", () => {
    expect(cutText("a😀b😀c", 3)).toBe("a…");
    expect(cutText("a😀b😀c", 4)).toBe("a😀…");
  });
});

describe("canonical JSON", () => {
  test("means the same as what it was made of", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value as Json);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(JSON.parse(text) as Json)).toBe(text);
      }),
    );
  });
  test("does not depend on the order of keys, at any depth", () => {
    expect(canonicalJson({ b: 1, a: { d: [1, { z: 1, y: 2 }], c: null } })).toBe(
      '{"a":{"c":null,"d":[1,{"y":2,"z":1}]},"b":1}',
    );
    expect(canonicalJson({ "10": 1, "9": 2, é: 3, Z: 4, a: 5 })).toBe('{"10":1,"9":2,"Z":4,"a":5,"é":3}');
  });
  test("keeps a key that objects have by themselves", () => {
    expect(canonicalJson(JSON.parse('{"__proto__":1,"constructor":2}') as Json)).toBe(
      '{"__proto__":1,"constructor":2}',
    );
  });
});

describe("a snapshot", () => {
  test("is valid JSON within its limit, whatever it is of", () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ noUnicodeString: false }),
        fc.integer({ min: 80, max: 300 }),
        (value, limit) => {
          const canonical = canonicalJson(value as Json);
          const snapshot = snapshotOf(canonical, limit);
          expect(utf8(snapshot).length).toBeLessThanOrEqual(limit);
          const parsed = JSON.parse(snapshot) as { __truncated__?: boolean; bytes?: number; head?: string };
          if (utf8(canonical).length <= limit) expect(snapshot).toBe(canonical);
          else {
            expect(parsed).toMatchObject({ __truncated__: true, bytes: utf8(canonical).length });
            expect(canonical.startsWith(parsed.head as string)).toBe(true);
            expect(isWellFormed(parsed.head as string)).toBe(true);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
  test("shows as much as there is room for", () => {
    const head = (limit: number): string =>
      (JSON.parse(snapshotOf(`"${"😀".repeat(5000)}"`, limit)) as { head: string }).head;
    expect(utf8(head(1000)).length).toBeGreaterThan(930);
    expect(utf8(head(16_384)).length).toBeGreaterThan(16_300);
  });
  test("of exactly the limit is not cut", () => {
    const canonical = JSON.stringify("x".repeat(98));
    expect(snapshotOf(canonical, 100)).toBe(canonical);
    expect(snapshotOf(canonical, 99)).toContain("__truncated__");
  });
});

describe("a JSON pointer", () => {
  const value = { rows: [{ a: 1 }, null], "a/b": 2, "m~n": 3, "": 4, " ": { "": 5 } };
  const rows: readonly [string, unknown][] = [
    ["", value],
    ["/rows", value.rows],
    ["/rows/0/a", 1],
    ["/rows/1", null],
    ["/a~1b", 2],
    ["/m~0n", 3],
    ["/", 4],
    ["/ /", 5],
    ["/rows/2", undefined],
    ["/rows/-", undefined],
    ["/rows/00", undefined],
    ["/rows/length", undefined],
    ["/rows/1/a", undefined],
    ["/toString", undefined],
    ["/__proto__", undefined],
    ["/nothing/at/all", undefined],
  ];
  test.each(rows)("%j", (pointer, found) => {
    expect(isPointer(pointer)).toBe(true);
    expect(atPointer(value, pointer)).toEqual(found);
  });
  test.each(["rows", "a/b", "/~", "/~2", "/a~", "#/a", " /a"])("%j is none", (pointer) => {
    expect(isPointer(pointer)).toBe(false);
  });
  test("is told from none in time that grows with its length only", () => {
    expect(isPointer(`${"/a".repeat(50_000)}~`)).toBe(false);
  });
});
