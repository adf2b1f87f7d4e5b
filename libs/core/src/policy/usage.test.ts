import { type Usage, UsageSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { USAGE_MICRO_MAX, USAGE_NAMES_MAX } from "../limits.js";
import { usage } from "../testing/guardrail-moves.js";
import { addUsage, admitted, checkedUsage, microText, usageText, usedOf } from "./usage.js";

const named = ({ counts }: Usage): Record<string, bigint> =>
  Object.fromEntries(counts.map(({ name, amountMicro }) => [name, amountMicro]));

function sumOf(reports: readonly Usage[], reserved: readonly string[] = []): Usage {
  const total = init(UsageSchema, { counts: [] });
  for (const report of reports) addUsage(total, admitted(checkedUsage(report) as Usage, total, reserved));
  return total;
}

describe("usage", () => {
  it("is summed exactly, in whatever order", () => {
    const amounts = fc.array(
      fc.record({ name: fc.constantFrom("tokens", "cost_usd", "calls"), micro: fc.bigInt(1n, 2n ** 62n) }),
    );
    fc.assert(
      fc.property(amounts, (drawn) => {
        const reports = drawn.map(({ name, micro }) => usage({ [name]: micro }));
        const expected: Record<string, bigint> = {};
        for (const { name, micro } of drawn) expected[name] = (expected[name] ?? 0n) + micro;
        for (const name of Object.keys(expected))
          if ((expected[name] ?? 0n) > USAGE_MICRO_MAX) expected[name] = USAGE_MICRO_MAX;
        expect(named(sumOf(reports))).toEqual(expected);
        expect(named(sumOf(reports.toReversed()))).toEqual(expected);
      }),
    );
  });

  it("leaves out what is no amount or has no name, and says how many", () => {
    const bad = usage({ "": 1n, "no way": 1n, tokens: -1n, ["x".repeat(65)]: 1n, nothing: 0n, ok: 2n }, 3);
    const total = sumOf([bad]);
    expect(named(total)).toEqual({ ok: 2n });
    expect(total.uncounted).toBe(7);
    expect(usageText(total)).toMatch(/^ok 0\.000002, 7 further amounts not counted: .*32 names/);
  });

  it("is kept under so many names at most; names with a budget find room however late they come", () => {
    const many = Array.from({ length: USAGE_NAMES_MAX + 5 }, (_, i) => usage({ [`n${i}`]: 1n }));
    const total = sumOf([...many, usage({ late: 5n }), usage({ n0: 1n })], ["late"]);
    expect(total.counts).toHaveLength(USAGE_NAMES_MAX);
    expect(usedOf(total.counts, "late")).toBe(5n);
    expect(usedOf(total.counts, "n0")).toBe(2n);
    expect(total.uncounted).toBe(6);
  });

  it.each([
    [120_000_000n, "120"],
    [3_100n, "0.0031"],
    [1n, "0.000001"],
    [1_500_000n, "1.5"],
    [0n, "0"],
  ])("%s millionths are shown as %s", (micro, text) => {
    expect(microText(micro)).toBe(text);
  });
});
