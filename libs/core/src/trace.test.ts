/** The trace that a run belongs to. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { traceparentOf } from "./trace.js";

const GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

describe("a run's traceparent", () => {
  test("is the one it came with", () => expect(traceparentOf(GIVEN, "r1", 7)).toBe(GIVEN));

  test.each([
    "",
    "garbage",
    "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
    "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    `${GIVEN}\n`,
  ])("is one of its own where %j came", (given) => {
    const own = traceparentOf(given, "r1", 7);
    expect(own).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(traceparentOf(given, "r1", 7)).toBe(own);
    expect(traceparentOf(given, "r1", 8)).not.toBe(own);
    expect(traceparentOf(given, "r2", 7)).not.toBe(own);
  });

  test("is always valid", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.nat(), (given, runId, seq) => {
        const own = traceparentOf(given, runId, seq);
        expect(traceparentOf(own, "other", 0)).toBe(own);
      }),
    );
  });
});
