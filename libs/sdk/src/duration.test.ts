/** Spans of time as people write them. */
import { expect, it } from "vitest";
import { type Duration, durationMs } from "./duration.js";
import { HoldfastError } from "./errors.js";

it.each([
  [0, 0],
  [1.4, 1],
  ["250ms", 250],
  ["1.5s", 1_500],
  ["5m", 300_000],
  ["2h", 7_200_000],
  ["49d", 4_233_600_000],
] as const)("%j is %d ms", (written, ms) => {
  expect(durationMs(written, "it")).toBe(ms);
});

it.each(["", "5", "5 m", "-1s", "1e3s", "50d", "5min", -1, Number.NaN, Number.POSITIVE_INFINITY, null, {}])(
  "%j is refused, by name",
  (written) => {
    const refused = (): number => durationMs(written as Duration, "startToClose");
    expect(refused).toThrow(HoldfastError);
    expect(refused).toThrow("startToClose");
  },
);
