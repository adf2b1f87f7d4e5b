/**
 * Texts from outside, a million characters of what is the worst to read: each is done with in time that grows with its length. Nothing is timed here: in the square of the
 * length each would take many minutes, and the test would not end.
 */
import { describe, expect, test } from "vitest";
import { classifyFailure } from "./failure/classify.js";
import { bindMessage, pathsIn } from "./failure/message.js";
import { normaliseMessage } from "./failure/normalise.js";
import { elementsOf, sliceAt } from "./json-slices.js";
import { jsonFault } from "./json-text.js";
import { atPointer, canonicalJson, cutText, snapshotOf, utf8 } from "./text.js";
import { traceparentOf } from "./trace.js";

const CHARS = 1_000_000;
/** What a careless pattern or loop goes over again and again: beginnings that have no end, ends without a beginning, half of an id. */
const UNITS = [
  "a",
  "0-",
  "{a.",
  "{a",
  "a@",
  "@a.",
  "http://",
  "\\",
  '"',
  "'",
  "(",
  "0.0.0.",
  "::",
  "\u00e9",
  "\ud83d\ude00",
  "\ud800",
  " ",
  "\n",
  "<n>",
  "00000000-0000-0000-0000-00000000000",
  "2026-01-01T",
  "\u201c'",
];

const of = (unit: string): string => unit.repeat(Math.ceil(CHARS / unit.length));
const words = (text: string): string[] => text.match(/[^]{1,16}/g) ?? [];

const READERS: readonly (readonly [string, (text: string) => unknown])[] = [
  ["the normal form of a failure's message", normaliseMessage],
  ["a template of failureMessage", (text) => bindMessage(text, { input: { a: { a: "x" } } })],
  [
    "what a template names",
    (text) => bindMessage("{a} {input.a} {item.b}", { input: { a: text }, a: [text] }),
  ],
  ["the paths of a template", pathsIn],
  [
    "a failure",
    (text) =>
      classifyFailure(Object.assign(new Error(text), { stack: text, name: text, code: text, cause: text })),
  ],
  ["a text to be cut", (text) => cutText(text, 256)],
  ["a snapshot", (text) => snapshotOf(JSON.stringify(text), 1_024)],
  ["bytes that are no JSON", (text) => jsonFault(utf8(text))],
  ["a JSON text", (text) => jsonFault(utf8(JSON.stringify([text])))],
  [
    "an object of many names",
    (text) =>
      jsonFault(utf8(JSON.stringify(Object.fromEntries(words(text).map((word, n) => [word + n, n]))))),
  ],
  ["a place in a JSON text", (text) => sliceAt(utf8(JSON.stringify({ x: text, a: words(text) })), "/a/7")],
  ["the elements of an array", (text) => [...elementsOf(utf8(JSON.stringify(words(text))))].length],
  ["a pointer", (text) => atPointer({ a: 1 }, `/${text}`)],
  ["what a hash is of", (text) => canonicalJson({ [text]: text })],
  ["a traceparent", (text) => traceparentOf(`00-${text}`, "run", 1)],
];

describe.each(READERS)("%s", (_what, read) => {
  test("of a million characters is read to its end", () => {
    for (const unit of UNITS) expect(() => void read(of(unit))).not.toThrow(RangeError);
  });
});
