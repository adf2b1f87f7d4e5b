import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  fnv1a,
  isCommandId,
  isDefinitionHash,
  isName,
  isRunId,
  nameProblem,
  partitionOf,
  quoted,
  runIdProblem,
} from "./names.js";

const HOSTILE = [
  ".",
  "*",
  ">",
  "/",
  "..",
  "../..",
  "",
  "a b",
  "a.b",
  "a.>",
  "a\0b",
  "\n",
  "a\n",
  "é",
  "名前",
  "😀",
  "\u202e",
  "x".repeat(10_000),
];

describe("names", () => {
  test.each(HOSTILE.map((name) => [JSON.stringify(name).slice(0, 20), name]))(
    "%s is refused everywhere",
    (_, name) => {
      for (const kind of ["workflow", "action", "queue"] as const) {
        expect(nameProblem(kind, name)).toMatch(new RegExp(`^${kind} name ".*is not valid: use 1 to 64 of`));
      }
      expect(runIdProblem(name)).toMatch(/is not valid: use 1 to 128 of/);
      expect(isName(name) || isRunId(name)).toBe(false);
    },
  );
  test("are right up to their length", () => {
    expect(nameProblem("queue", "aZ09_-")).toBeUndefined();
    expect(isName("x".repeat(64)) && !isName("x".repeat(65))).toBe(true);
    expect(isRunId("x".repeat(128)) && !isRunId("x".repeat(129))).toBe(true);
  });
  test("in errors are short, visible ASCII, whatever they are", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        expect(quoted(text)).toMatch(/^[\x20-\x7e…]{2,500}$/);
      }),
    );
    expect(quoted("x".repeat(10_000))).toMatch(/^"x{60}…" \(10000 characters\)$/);
  });
});

test("command ids and hashes are such that they can be part of a key", () => {
  expect(["a", "~", "x".repeat(128), "retry-1:2/3"].every(isCommandId)).toBe(true);
  expect(["", " ", "a b", "Ł", "\0", "x".repeat(129), "a\n"].some(isCommandId)).toBe(false);
  expect(isDefinitionHash("0123456789abcdef0123456789abcdef")).toBe(true);
  expect(["", "0123", "0123456789ABCDEF0123456789ABCDEF", "Ł".repeat(32)].some(isDefinitionHash)).toBe(false);
});

test("the hash is FNV-1a, by its published vectors", () => {
  expect(["", "a", "foobar"].map((text) => fnv1a(text))).toEqual([0x811c9dc5, 0xe40c292c, 0xbf9cf968]);
});

describe("the partition of a run", () => {
  test("is for ever: these are written down", () => {
    expect(["r1", "order-42", "x".repeat(128)].map((id) => partitionOf(id, 16))).toEqual([14, 7, 12]);
    expect(partitionOf("anything", 1)).toBe(0);
  });
  test("spreads ids evenly, also those that differ in little", () => {
    const counts = Array.from({ length: 16 }, () => 0);
    for (let i = 0; i < 16_000; i++) {
      const at = partitionOf(`run-${i}`, 16);
      counts[at] = (counts[at] ?? 0) + 1;
    }
    expect(Math.min(...counts)).toBeGreaterThan(850);
    expect(Math.max(...counts)).toBeLessThan(1150);
  });
});
