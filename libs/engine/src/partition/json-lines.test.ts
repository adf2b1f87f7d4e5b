/** Lines come out whole and numbered, however the bytes come in. */
import { array, assert, constantFrom, integer, property, string } from "fast-check";
import { describe, expect, test } from "vitest";
import { LineProblem, LineSplitter } from "./json-lines.js";

const LIMIT = 20;

/** `[number, text]` of each line; `sizes` of the pieces, again and again. */
function split(bytes: Uint8Array, sizes: readonly number[], limit = LIMIT): [number, string][] {
  const splitter = new LineSplitter(limit);
  const lines: [number, string][] = [];
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length] as number;
    const piece = new Uint8Array(bytes.subarray(at, at + size));
    at += size;
    for (const line of splitter.push(piece)) lines.push([line.number, Buffer.from(line.bytes).toString()]);
    // Whoever owns a piece may use it for something else.
    piece.fill(0x21);
  }
  for (const line of splitter.end()) lines.push([line.number, Buffer.from(line.bytes).toString()]);
  return lines;
}

const texts: readonly [string, string, [number, string][]][] = [
  ["nothing", "", []],
  ["one line without an end", "a", [[1, "a"]]],
  ["one line", "a\n", [[1, "a"]]],
  [
    "CRLF",
    "a\r\nb\r\n",
    [
      [1, "a"],
      [2, "b"],
    ],
  ],
  [
    "CRLF and no end",
    "a\r\nb",
    [
      [1, "a"],
      [2, "b"],
    ],
  ],
  ["a CR before no LF is part of its line", "a\rb\n", [[1, "a\rb"]]],
  [
    "empty lines are counted and left out",
    "\n\r\n a\n\n \t\nb\n\n",
    [
      [3, " a"],
      [6, "b"],
    ],
  ],
  ["only empty lines", "\n\n\r\n", []],
  [
    "a byte order mark",
    "\ufeff{}\n[]",
    [
      [1, "{}"],
      [2, "[]"],
    ],
  ],
  [
    "a byte order mark later on is text",
    "a\n\ufeffb",
    [
      [1, "a"],
      [2, "\ufeffb"],
    ],
  ],
  ["a line of the limit", `${"x".repeat(LIMIT)}\r\n`, [[1, "x".repeat(LIMIT)]]],
];
describe.each(texts)("%s", (_, text, lines) => {
  test.each([[[1]], [[2]], [[3, 1]], [[1_000]]])("in pieces of %j bytes", (sizes) => {
    expect(split(Buffer.from(text), sizes)).toEqual(lines);
  });
});

test("whatever the text and the pieces, the lines are those of the text", () => {
  const line = string({ unit: constantFrom("a", "ä", "€", "😀", " ", "{"), maxLength: 4 });
  assert(
    property(
      array(line, { maxLength: 12 }),
      constantFrom("\n", "\r\n"),
      array(integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
      (lines, end, sizes) => {
        const expected = lines.flatMap((text, i): [number, string][] =>
          text.trim() === "" ? [] : [[i + 1, text]],
        );
        expect(split(Buffer.from(lines.join(end)), sizes)).toEqual(expected);
      },
    ),
    { numRuns: 500 },
  );
});

describe("a line that is too long", () => {
  test.each([[[1]], [[7]], [[1_000]]])("is told by its number, in pieces of %j bytes", (sizes) => {
    const text = `a\n\n${"x".repeat(LIMIT + 1)}\nb`;
    expect(() => split(Buffer.from(text), sizes)).toThrow(
      new LineProblem(
        3,
        "is longer than the 20 bytes that an item may have: put large data elsewhere and give its address",
      ),
    );
  });
  test("is told before it has ended, so it is never held", () => {
    const splitter = new LineSplitter(LIMIT);
    splitter.push(new Uint8Array(LIMIT).fill(0x78));
    expect(() => splitter.push(new Uint8Array(2).fill(0x78))).toThrow(/^line 1 is longer/);
  });
  test("may be the last, without an end", () => {
    expect(() => split(Buffer.from(`a\n${"x".repeat(LIMIT + 1)}`), [5])).toThrow(/^line 2 is longer/);
  });
});
