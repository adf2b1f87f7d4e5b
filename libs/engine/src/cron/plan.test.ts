/** What an owner says of a schedule: the next instant, or what is passed over, each kind apart; never a throw. */
import { type ScheduleRecord, ScheduleRecordSchema, ScheduleSpecSchema } from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import { PASSED_A_PLAN, planOf } from "./plan.js";

const ns = (text: string): bigint => BigInt(Date.parse(`2026-06-01T${text}Z`)) * 1_000_000n;
const record = (fields: Init<ScheduleRecord>, cron = "* * * * *", timeZone = ""): ScheduleRecord =>
  init(ScheduleRecordSchema, {
    spec: init(ScheduleSpecSchema, { workflow: "one", cron, timeZone, catchUpMs: 600_000n }),
    revision: 7n,
    afterNs: ns("08:00:30"),
    ...fields,
  });

test("the next instant, for the schedule as it stands", () => {
  expect(planOf("tick", record({}), ns("08:00:40"))).toMatchObject({
    name: "tick",
    revision: 7n,
    afterNs: ns("08:00:30"),
    nextNs: ns("08:01:00"),
    passed: 0,
    error: "",
  });
});

test("one that is late, but within the window, is the next", () => {
  expect(planOf("tick", record({}), ns("08:11:00.500"))).toMatchObject({ nextNs: ns("08:01:00"), passed: 0 });
});

test("those that are too old are passed over together, those of a pause before them and apart", () => {
  const late = planOf("tick", record({}), ns("08:14:30"));
  expect(late).toMatchObject({ passed: 4, firstNs: ns("08:01:00"), lastNs: ns("08:04:00"), nextNs: 0n });
  const paused = planOf("tick", record({ pausedUntilNs: ns("08:02:10") }), ns("08:14:30"));
  expect(paused).toMatchObject({ passed: 2, firstNs: ns("08:01:00"), lastNs: ns("08:02:00") });
  const after = planOf(
    "tick",
    record({ pausedUntilNs: ns("08:02:10"), afterNs: ns("08:02:00") }),
    ns("08:14:30"),
  );
  expect(after).toMatchObject({ passed: 2, firstNs: ns("08:03:00"), lastNs: ns("08:04:00") });
});

test("a pause that no instant fell into passes over none", () => {
  expect(planOf("tick", record({ pausedUntilNs: ns("08:00:50") }), ns("08:00:55"))).toMatchObject({
    nextNs: ns("08:01:00"),
    passed: 0,
  });
});

test("no more are passed over at once than a turn may take", () => {
  const every = planOf("tick", record({}, "* * * * * *"), ns("09:00:00"));
  expect(every).toMatchObject({ passed: PASSED_A_PLAN, firstNs: ns("08:00:31") });
  expect(every.lastNs).toBe(ns("08:00:30") + BigInt(PASSED_A_PLAN) * 1_000_000_000n);
});

test("no instant any more; no expression, and no time zone", () => {
  expect(planOf("tick", record({}, "0 0 30 2 *"), ns("08:00:40"))).toMatchObject({
    nextNs: 0n,
    passed: 0,
    error: "",
  });
  expect(planOf("tick", record({}, "every day"), ns("08:00:40")).error).toMatch(/no cron expression/);
  expect(planOf("tick", record({}, "* * * * *", "Mars/Base"), ns("08:00:40")).error).toMatch(
    /no time zone "Mars\/Base"/,
  );
  expect(planOf("tick", init(ScheduleRecordSchema), 0n).error).toMatch(/no cron expression/);
});
