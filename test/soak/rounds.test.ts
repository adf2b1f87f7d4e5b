/** What a soak runs is there, differs from round to round, and is repeated by what it prints. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { readOptions } from "./options.js";
import { argumentsOf, KINDS, repeatedBy, roundOf } from "./rounds.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

test("every file of every round is there", () => {
  const files = KINDS.flatMap((kind) =>
    Array.from({ length: 20 }, (_, turn) => roundOf(kind, turn, 1).files).flat(),
  );
  expect(new Set(files).size).toBeGreaterThan(15);
  expect(files.filter((file) => !existsSync(`${ROOT}${file}`))).toEqual([]);
});

test("a round says its seed to what it runs, and so does the line that repeats it", () => {
  for (const kind of KINDS) {
    const round = roundOf(kind, 0, 4_711);
    expect(Object.values(round.env)).toContain("4711");
    const line = repeatedBy(round);
    expect(line).toMatch(/^(HOLDFAST_\w+=\d+ )+npx vitest run --project (unit|crash) /);
    expect(line.endsWith(argumentsOf(round).join(" "))).toBe(true);
  }
});

test("options are read, and what is wrong with them is said", () => {
  expect(readOptions([], 5)).toEqual({ minutes: 60, only: KINDS, seed: 5 });
  expect(readOptions(["--minutes", "3", "--only", "fuzz,kills", "--seed", "9"], 5)).toEqual({
    minutes: 3,
    only: ["kills", "fuzz"],
    seed: 9,
  });
  expect(() => readOptions(["--only", "fuss"], 5)).toThrow(/no rounds fuss: choose among sequences/);
  expect(() => readOptions(["--minutes", "0"], 5)).toThrow(/--minutes is 0/);
});
