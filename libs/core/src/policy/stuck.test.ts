import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { STUCK_REMEMBERED_MAX, STUCK_REVISIT_GAP_MAX } from "../limits.js";
import { StuckDetector } from "./stuck.js";

/** When a walk is stuck: the index of the step that shows it; -1: it never is. */
function stuckAt(gap: number, walk: readonly string[]): number {
  const detector = new StuckDetector(gap);
  return walk.findIndex((fingerprint) => detector.visit(fingerprint));
}

/** The rule as it is written: how many distinct fingerprints came since this one was last left. */
function naive(gap: number, walk: readonly string[]): number {
  return walk.findIndex((fingerprint, at) => {
    const last = walk.lastIndexOf(fingerprint, at - 1);
    return at > 0 && last >= 0 && new Set(walk.slice(last + 1, at)).size >= gap;
  });
}

describe("a handler is stuck", () => {
  it("exactly when it comes back to what it left at least so many distinct fingerprints ago", () => {
    const walks = fc.array(fc.nat(12).map(String), { maxLength: 80 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), walks, (gap, walk) => {
        expect(stuckAt(gap, walk)).toBe(naive(gap, walk));
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ["a circle of six", 5, "abcdefa", 6],
    ["a circle of five", 5, "abcdea", -1],
    ["to and fro", 5, "ababababab", -1],
    ["to and fro, where that is already too much", 1, "aba", 2],
    ["staying", 1, "aaaa", -1],
    ["a way that is left for good", 2, "abcdefgh", -1],
    ["repetition within the circle", 3, "abbbbcca", -1],
    ["the widest gap", STUCK_REVISIT_GAP_MAX, "ab", -1],
  ])("%s", (_, gap, walk, at) => {
    expect(stuckAt(gap, walk.split(""))).toBe(at);
  });

  it("whatever the gap, in bounded memory: a circle wider than that is not noticed", () => {
    const circle = (size: number): string[] => Array.from({ length: size + 1 }, (_, i) => String(i % size));
    for (const gap of [1, 5, STUCK_REVISIT_GAP_MAX]) {
      expect(stuckAt(gap, circle(STUCK_REMEMBERED_MAX))).toBe(STUCK_REMEMBERED_MAX);
      expect(stuckAt(gap, circle(STUCK_REMEMBERED_MAX + 1))).toBe(-1);
    }
  });
});
