import { expect, test } from "vitest";
import { clockWarnings } from "./clock-warnings.js";

test.each([
  [0, 0, undefined],
  [499, 499, undefined],
  [-800, -30, undefined],
  [-800, -520, "0.5 s ahead of"],
  [600, 600, "0.6 s behind"],
  [-10_000, 0, "10 s ahead of"],
  [86_400_000, 86_399_990, "86400 s behind"],
])("offsets of %s ms at most and %s ms at least", (most, least, said) => {
  const told = clockWarnings(most, least);
  expect(told).toEqual(said === undefined ? [] : [expect.stringContaining(said)]);
});
