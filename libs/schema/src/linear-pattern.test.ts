/** Patterns mean what they mean to JavaScript, by whichever engine they are decided. */
import { describe, expect, test } from "vitest";
import { linearPattern } from "./linear-pattern.js";

const TEXTS = [
  "",
  "a",
  "aaa",
  "ab",
  "abc",
  "ABC-1234",
  "2024-05-06",
  "a b",
  "a\nb",
  "\n",
  "\r",
  "\u2028",
  "\u00a0",
  "\ufeff",
  "\u200a",
  "é",
  "ß",
  "Ωμέγα",
  "日本",
  "😀",
  "😀😀",
  "a😀b",
  "\0",
  "\t",
  "\v",
  "-",
  "_",
  "[",
  "]",
  "^",
  "$",
  ".",
  "/",
  "\\",
  "{",
  "foo@example.com",
  "1.2.3",
  "\b",
  "x]y",
  "[:a:]",
];

/** Each is decided by both engines: alone, and in a group, which is never plain. */
const PATTERNS = [
  "^a+$",
  "^[a-z0-9-]+$",
  "^\\d{4}-\\d{2}-\\d{2}$",
  "^[A-Z]{3}-\\d{4}$",
  ".",
  "^.$",
  "^.*$",
  "\\s",
  "^\\S+$",
  "[\\s\\d]",
  "[^\\s]",
  "[\\S]",
  "^[^\\S]$",
  "\\bfoo\\b",
  "a\\Bb",
  "[\\b]",
  "\\u{1F600}",
  "\\ud83d\\ude00",
  "\\u00e9",
  "\\x61",
  "\\cJ",
  "\\0",
  "\\/",
  "\\.",
  "^[[]$",
  "[\\[:a:\\]]+",
  "[[:a:]",
  "^[\\]]",
  "\\p{L}",
  "^\\p{Lu}+",
  "\\P{L}",
  "\\p{Script=Greek}+",
  "\\p{sc=Han}",
  "^$",
  "$",
  "^",
  "a|b",
  "(?:a|b)+",
  "(?<name>a)b",
  "a{2,3}",
  "a{2}",
  "a{2,}",
  "a*?b",
  "[\\-_]",
  "^[\\w.+-]+@[\\w-]+\\.[\\w.]+$",
  "^(0|[1-9]\\d*)\\.(0|[1-9]\\d*)\\.(0|[1-9]\\d*)$",
  "\\v",
  "^[\\u{1F600}-\\u{1F64F}]+$",
  "^\\$",
  "^a\\$",
];

describe("a pattern means the same to both engines", () => {
  test.each(PATTERNS)("%s", (pattern) => {
    const native = new RegExp(pattern, "u");
    const alone = linearPattern(pattern);
    const grouped = linearPattern(`(?:${pattern})`);
    for (const text of TEXTS) {
      expect([text, alone.test(text)]).toEqual([text, native.test(text)]);
      expect([text, grouped.test(text)]).toEqual([text, native.test(text)]);
    }
  });
});

test.each([
  ["(?=a)", "ahead or behind"],
  ["(?!a)", "ahead or behind"],
  ["(?<=a)", "ahead or behind"],
  ["(?<!a)", "ahead or behind"],
  ["(a)\\1", "refers back"],
  ["(?<n>a)\\k<n>", "refers back"],
  ["(a{1,200}){1,200}", "linear time"],
])("%s can't be used, and it is said why", (pattern, why) => {
  expect(() => linearPattern(pattern)).toThrow(why);
});

test("a megabyte of text is decided in the time of one pass", () => {
  const text = `${"a".repeat(1_000_000)}!`;
  const beganMs = performance.now();
  for (const pattern of ["^(a+)+$", "^a*$", "(a|aa)+$", "^[a-z]*b"]) linearPattern(pattern).test(text);
  expect(performance.now() - beganMs).toBeLessThan(10_000);
});
