/** Instants, above all where clocks change: none comes twice, none goes back, and what is left out begins after the gap. */
import { CRON_CHARS_MAX } from "@holdfast/core";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cronProblem, type Instants, instantsOf } from "./cron.js";

const MS = 1_000_000n;
const ns = (iso: string): bigint => BigInt(Date.parse(iso)) * MS;
const iso = (at: bigint): string => new Date(Number(at / MS)).toISOString().replace(".000Z", "Z");
const of = (cron: string, timeZone: string): Instants => {
  const made = instantsOf(cron, timeZone);
  if (typeof made === "string") throw new Error(made);
  return made;
};
/** The first instants after a moment. */
const instants = (cron: string, timeZone: string, from: string, count: number): string[] => {
  const made = of(cron, timeZone);
  const list: string[] = [];
  for (let at = made.after(ns(from)); at !== undefined && list.length < count; at = made.after(at))
    list.push(iso(at));
  return list;
};

describe("a fixed time that a clock leaves out begins at the first moment after the gap, that day alone", () => {
  test("Europe/Berlin, 02:30 on 29 March 2026", () => {
    expect(instants("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 4)).toEqual([
      "2026-03-28T01:30:00Z",
      "2026-03-29T01:00:00Z",
      "2026-03-30T00:30:00Z",
      "2026-03-31T00:30:00Z",
    ]);
  });

  test("America/New_York, 02:30 on 8 March 2026", () => {
    expect(instants("30 2 * * *", "America/New_York", "2026-03-06T12:00:00Z", 3)).toEqual([
      "2026-03-07T07:30:00Z",
      "2026-03-08T07:00:00Z",
      "2026-03-09T06:30:00Z",
    ]);
  });

  test("Australia/Lord_Howe, whose clock leaves out half an hour: 02:15 on 4 October 2026", () => {
    expect(instants("15 2 * * *", "Australia/Lord_Howe", "2026-10-02T12:00:00Z", 3)).toEqual([
      "2026-10-02T15:45:00Z",
      "2026-10-03T15:30:00Z",
      "2026-10-04T15:15:00Z",
    ]);
    expect(instants("45 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", 1)).toEqual([
      "2026-10-03T15:45:00Z",
    ]);
  });
});

describe("a fixed time that comes twice begins the first time only", () => {
  test("Europe/Berlin, 02:30 on 25 October 2026", () => {
    expect(instants("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2)).toEqual([
      "2026-10-25T00:30:00Z",
      "2026-10-26T01:30:00Z",
    ]);
  });

  test("America/New_York, 01:30 on 1 November 2026", () => {
    expect(instants("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", 2)).toEqual([
      "2026-11-01T05:30:00Z",
      "2026-11-02T06:30:00Z",
    ]);
  });

  test("Australia/Lord_Howe, whose clock repeats half an hour: 01:45 on 5 April 2026, and 01:15 as ever", () => {
    expect(instants("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", 2)).toEqual([
      "2026-04-04T14:45:00Z",
      "2026-04-05T15:15:00Z",
    ]);
    expect(instants("15 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", 2)).toEqual([
      "2026-04-04T14:15:00Z",
      "2026-04-05T14:45:00Z",
    ]);
  });
});

describe("what begins every so often goes on doing so", () => {
  test("every half hour over a repeated hour and over one that is left out", () => {
    for (const from of ["2026-10-24T22:00:00Z", "2026-03-28T23:00:00Z"]) {
      const found = instants("*/30 * * * *", "Europe/Berlin", from, 10);
      const expected = Array.from({ length: 10 }, (_, i) => iso(ns(from) + BigInt(i + 1) * 1_800_000n * MS));
      expect(found).toEqual(expected);
    }
  });

  test("every ten minutes in a zone that shifts by thirty", () => {
    const from = "2026-04-04T14:00:00Z";
    const found = instants("*/10 * * * *", "Australia/Lord_Howe", from, 12);
    expect(found).toEqual(
      Array.from({ length: 12 }, (_, i) => iso(ns(from) + BigInt(i + 1) * 600_000n * MS)),
    );
  });
});

/** The hours around each change of a clock in the years ahead. */
const CHANGES = [
  ["Europe/Berlin", "2026-03-28T12:00:00Z"],
  ["Europe/Berlin", "2026-10-24T12:00:00Z"],
  ["America/New_York", "2026-03-07T16:00:00Z"],
  ["America/New_York", "2026-10-31T16:00:00Z"],
  ["Australia/Lord_Howe", "2026-10-03T06:00:00Z"],
  ["Australia/Lord_Howe", "2026-04-04T06:00:00Z"],
  ["UTC", "2026-04-04T06:00:00Z"],
] as const;
const field = (max: number, steps: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof(fc.constantFrom("*", ...steps), fc.nat(max).map(String));

test("whatever the expression, instants only go forward, and where one is asked for from makes no difference", () => {
  fc.assert(
    fc.property(
      fc.tuple(field(59, ["*/5", "*/7", "*/30"]), field(23, ["*/2"])),
      fc.constantFrom(...CHANGES),
      fc.bigInt({ min: 0n, max: 60_000_000_000n }),
      ([minute, hour], [zone, from], aside) => {
        const made = of(`${minute} ${hour} * * *`, zone);
        let at = ns(from);
        for (let i = 0; i < 40; i++) {
          const next = made.after(at);
          if (next === undefined) throw new Error("it has instants without end");
          expect(next > at && next % 1_000_000_000n === 0n).toBe(true);
          const between = at + (aside % (next - at));
          expect(iso(made.after(between) ?? 0n)).toBe(iso(next));
          at = next;
        }
      },
    ),
    { numRuns: 150 },
  );
});

describe("an expression", () => {
  test.each([
    "* * * * *",
    "0 2 * * MON-FRI",
    "*/10 * * * * *",
    "0 0 0 1 1 * 2030",
    "@daily",
    " @Hourly ",
    "0 0 L * *",
    "0 12 * * 1#1",
  ])("that is one: %s", (cron) => expect(cronProblem(cron, "Europe/Berlin")).toBeUndefined());

  test.each<[string, RegExp]>([
    ["", /"" is no cron expression: it has five fields/],
    ["every day", /is no cron expression: it has five fields/],
    ["2026-01-01T00:00:00", /is no cron expression: it has five fields/],
    ["@reboot", /is no cron expression/],
    ["61 * * * *", /"61 \* \* \* \*" is no cron expression: .*minute.*61/],
    ["* * * * * * * *", /is no cron expression/],
    ["a b c d e", /is no cron expression/],
    ["* ".repeat(CRON_CHARS_MAX), /is no cron expression/],
    ["0 0 * * * 2020", /is no cron expression: .*2020/],
  ])("that is none: %s", (cron, why) => expect(cronProblem(cron, "")).toMatch(why));

  test.each(["Mars/Base", "+02:00 ", "../etc", "Europe/Berlin\0"])("in no time zone there is: %s", (zone) => {
    expect(cronProblem("* * * * *", zone)).toMatch(
      /^there is no time zone ".*": use an IANA name such as Europe\/Berlin$/,
    );
  });

  test("without an instant ever, or any more, or beyond what time can be kept, has none", () => {
    expect(instants("0 0 30 2 *", "UTC", "2026-01-01T00:00:00Z", 1)).toEqual([]);
    expect(instants("0 0 0 1 1 * 2026", "UTC", "2026-01-01T00:00:00Z", 1)).toEqual([]);
    expect(instants("0 0 0 1 1 * 9998", "UTC", "2026-01-01T00:00:00Z", 1)).toEqual([]);
    expect(instants("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 1)).toEqual(["2028-02-29T00:00:00Z"]);
  });

  test("without a time zone is in UTC", () => {
    expect(instants("0 2 * * *", "", "2026-07-01T00:00:00Z", 1)).toEqual(["2026-07-01T02:00:00Z"]);
  });
});

test("where day and weekday are given, either of them is enough", () => {
  expect(instants("0 5 13 * 5", "UTC", "2026-03-10T00:00:00Z", 4)).toEqual([
    "2026-03-13T05:00:00Z",
    "2026-03-20T05:00:00Z",
    "2026-03-27T05:00:00Z",
    "2026-04-03T05:00:00Z",
  ]);
  expect(instants("0 5 13 * 5", "UTC", "2026-04-11T00:00:00Z", 2)).toEqual([
    "2026-04-13T05:00:00Z",
    "2026-04-17T05:00:00Z",
  ]);
});
