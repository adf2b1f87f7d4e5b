import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, it } from "vitest";
import { formatMoment, formatRelative, formatSpan, formatTook } from "./time.js";

it("writes moments in UTC, to the second", () => {
  expect(formatMoment(timestampFromMs(Date.UTC(2026, 10, 21, 3, 40, 12, 345)))).toBe("2026-11-21 03:40:12Z");
  expect(formatMoment(undefined)).toBe("");
});

it.each([
  [0, "0 ms"],
  [999, "999 ms"],
  [1_000, "1.0 s"],
  [59_999, "59.9 s"],
  [60_000, "1 min"],
  [125_000, "2 min 5 s"],
  [3_600_000, "1 h"],
  [604_800_000, "7 d"],
  [604_800_000 - 1, "6 d 23 h"],
])("writes a span of %i ms as %s", (ms, text) => {
  expect(formatSpan(ms)).toBe(text);
});

it("says how far a moment is away, whichever side", () => {
  expect(formatRelative(timestampFromMs(1_000_000), 1_000_000)).toBe("now");
  expect(formatRelative(timestampFromMs(604_800_000 + 5_000), 5_400)).toBe("in 7 d");
  expect(formatRelative(timestampFromMs(0), 30_000)).toBe("30.0 s ago");
});

it("counts until now what has not ended", () => {
  expect(formatTook(timestampFromMs(1_000), undefined, 3_500)).toBe("2.5 s");
  expect(formatTook(timestampFromMs(1_000), timestampFromMs(2_000), 9_000)).toBe("1.0 s");
  expect(formatTook(undefined, undefined, 9_000)).toBe("");
});
