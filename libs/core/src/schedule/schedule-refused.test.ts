/** What senders may get wrong about schedules: each gets a clear answer, nothing else is disturbed, nothing throws. */
import {
  type Outcome,
  PayloadSchema,
  RejectCode,
  ScheduleChange,
  type SchedulePlanned,
  ScheduleOverlap,
  type ScheduleSpec,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import * as fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { SCHEDULE_LIVE_MAX, SCHEDULE_PASSED_MAX, SCHEDULES_MAX } from "../limits.js";
import { partitionOf } from "../names.js";
import { appliedKey } from "../state/tables.js";
import { action, batch, define, delivery, inline, ONE_ATTEMPT, workflow } from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { differences } from "../testing/memory-view.js";
import { TestPartition } from "../testing/partition.js";
import {
  changeSchedule,
  plan,
  putSchedule,
  schedulePlanned,
  scheduleOf,
  specOf,
} from "../testing/schedule-build.js";
import { scheduledRunId, triggeredRunId } from "./run-id.js";

const ONE = workflow("one", [action("work", { retry: ONE_ATTEMPT })]);
const SECOND = 1_000_000_000n;

let partition: TestPartition;
beforeEach(() => {
  partition = new TestPartition();
  partition.announce();
  partition.append(batch([define(ONE)]));
});

const said = (result: Outcome["result"]): string =>
  result.case === "rejected" ? `${RejectCode[result.value.code]}: ${result.value.message}` : `${result.case}`;
const put = (fields: Init<ScheduleSpec> = {}, name = "tick"): string =>
  said(partition.control(putSchedule(name, specOf("one", fields))));
/** Sends it, and sees that nothing is left of it but the answer that is kept. */
function untouched(send: () => Outcome["result"] | string): string {
  const before = partition.view.dump();
  const result = send();
  const left = differences(before, partition.view.dump()).filter((key) => !/^[Akt]/.test(key));
  expect(left).toEqual([]);
  return typeof result === "string" ? result : said(result);
}

describe("a schedule that can't be put", () => {
  test.each<[string, RegExp, Init<ScheduleSpec>]>([
    ["no workflow", /^INVALID_SCHEDULE: .*workflow name ""/, { workflow: "" }],
    ["a workflow of no name", /^INVALID_SCHEDULE: .*workflow name "a\.\*"/, { workflow: "a.*" }],
    ["no expression", /^INVALID_SCHEDULE: .*cron expression "" \(empty\) is not one/, { cron: "" }],
    ["an expression that moves the cursor", /^INVALID_SCHEDULE: /, { cron: "* * * * *\u001b[2J" }],
    ["an endless expression", /^INVALID_SCHEDULE: .*257 characters/, { cron: "*".repeat(257) }],
    ["a time zone that is a path", /^INVALID_SCHEDULE: .*no time zone/, { timeZone: "../../etc/passwd" }],
    ["an endless time zone", /^INVALID_SCHEDULE: /, { timeZone: "E".repeat(65) }],
    [
      "an unknown overlap policy",
      /^INVALID_SCHEDULE: there|no overlap policy 9/,
      { overlap: 9 as ScheduleOverlap },
    ],
    ["a window of a second", /^INVALID_SCHEDULE: .*may be 10 s to 366 d/, { catchUpMs: 1_000n }],
    ["a window of centuries", /^INVALID_SCHEDULE: .*366 d/, { catchUpMs: 2n ** 63n }],
    ["an endless buffer", /^INVALID_SCHEDULE: .*at most 100/, { bufferMax: 101 }],
    [
      "an input that refers to what is stored",
      /^MALFORMED: the input of schedule "tick"/,
      { input: init(PayloadSchema, { body: { case: "stored", value: 4 } }) },
    ],
    ["an input too large", /^TOO_LARGE: /, { input: inline("x".repeat(200_000)) }],
  ])("%s", (_, expected, fields) => {
    expect(untouched(() => put(fields))).toMatch(expected);
  });

  test.each(["", ".", "a.b", "a\0b", "Łódź", "x".repeat(65)])("by the name %j", (name) => {
    expect(untouched(() => put({}, name))).toMatch(/^INVALID_NAME: schedule name /);
  });

  test("nothing said of what it is to do", () => {
    expect(untouched(() => partition.control(putSchedule("tick", undefined)))).toMatch(
      /^INVALID_SCHEDULE: .*does not say/,
    );
  });

  test("one that is there, where it is to be made", () => {
    put();
    const make = (): Outcome["result"] =>
      partition.control(putSchedule("tick", specOf("one", { priority: 3 }), { createOnly: true }));
    expect(untouched(make)).toMatch(/^SCHEDULE_EXISTS: there is a schedule "tick" already/);
    expect(said(partition.control(putSchedule("tock", specOf("one"), { createOnly: true })))).toBe(
      "accepted",
    );
  });

  test("one more than a partition may have", () => {
    const applied = partition.view.get(appliedKey);
    if (applied === undefined) throw new Error("no applied record");
    applied.schedules = SCHEDULES_MAX;
    partition.view.put(appliedKey, applied);
    partition.view.commit();
    expect(untouched(() => put())).toMatch(/^TOO_LARGE: 10000 schedules/);
  });

  test("one that belongs to another partition", () => {
    const other = new TestPartition(0, 3);
    const name = ["a", "b", "c", "d", "e", "f"].find((one) => partitionOf(one, 3) === 1) ?? "";
    expect(said(other.control(putSchedule(name, specOf("one"))))).toMatch(
      /^MALFORMED: .*belongs to partition 1, and this is 0/,
    );
  });
});

describe("a change that can't be made", () => {
  test.each([ScheduleChange.PAUSE, ScheduleChange.RESUME, ScheduleChange.DELETE, ScheduleChange.TRIGGER])(
    "%i of a schedule that is not there",
    (what) => {
      expect(untouched(() => partition.control(changeSchedule("tick", what)))).toMatch(
        /^NO_SUCH_SCHEDULE: there is no schedule "tick"/,
      );
      expect(untouched(() => partition.control(changeSchedule("a.*", what)))).toMatch(/^INVALID_NAME: /);
    },
  );

  test("one that says nothing, or nothing known", () => {
    put();
    for (const what of [ScheduleChange.UNSPECIFIED, 77 as ScheduleChange])
      expect(untouched(() => partition.control(changeSchedule("tick", what)))).toMatch(
        /^MALFORMED: nothing is said/,
      );
  });

  test("resume of one that is not paused; pause of one that is", () => {
    put();
    expect(untouched(() => partition.control(changeSchedule("tick", ScheduleChange.RESUME)))).toMatch(
      /^NOT_PAUSED: /,
    );
    partition.control(changeSchedule("tick", ScheduleChange.PAUSE, "for now"));
    expect(untouched(() => partition.control(changeSchedule("tick", ScheduleChange.PAUSE)))).toMatch(
      /^PAUSED: .*by ann .*: for now already/,
    );
  });

  test("one trigger more than runs may be live", () => {
    put();
    for (let i = 0; i < SCHEDULE_LIVE_MAX; i++)
      partition.control(changeSchedule("tick", ScheduleChange.TRIGGER));
    expect(scheduleOf(partition, "tick").live.length).toBe(SCHEDULE_LIVE_MAX);
    expect(untouched(() => partition.control(changeSchedule("tick", ScheduleChange.TRIGGER)))).toMatch(
      /^TOO_LARGE: 100 runs/,
    );
    put({ overlap: ScheduleOverlap.ALLOW });
    const nextNs = partition.nowNs - (partition.nowNs % SECOND) + 2n * SECOND;
    plan(partition, "tick", { nextNs });
    partition.pass(3_000);
    expect(scheduleOf(partition, "tick").history.at(-1)?.reason).toMatch(/^100 of its runs have not ended/);
    checkPartition(partition);
  });
});

describe("a plan that can't be", () => {
  const planned = (fields: Init<SchedulePlanned>): string => untouched(() => plan(partition, "tick", fields));
  const soon = (): bigint => partition.nowNs - (partition.nowNs % SECOND) + 10n * SECOND;

  test("of nobody who owns the partition", () => {
    put();
    const { revision, afterNs } = scheduleOf(partition, "tick");
    const sent = schedulePlanned({ name: "tick", revision, afterNs, nextNs: soon() });
    expect(untouched(() => partition.send(sent))).toMatch(
      /^UNSUPPORTED: schedulePlanned is the owner's own command/,
    );
  });

  test.each(["nobody", "", "Ł", "x".repeat(9_999)])("of a schedule that is not there: %s", (name) => {
    put();
    expect(planned({ name, nextNs: soon() })).toMatch(/^NO_SUCH_SCHEDULE: /);
  });

  test("of another revision, or after another instant", () => {
    put();
    expect(planned({ revision: 1n, nextNs: soon() })).toMatch(/^NOT_WAITING: /);
    expect(planned({ afterNs: 1n, nextNs: soon() })).toMatch(/^NOT_WAITING: /);
  });

  test("of a paused schedule", () => {
    put();
    partition.control(changeSchedule("tick", ScheduleChange.PAUSE));
    expect(planned({ nextNs: soon() })).toMatch(/^NOT_WAITING: /);
  });

  test("for an instant that does not come after the last, or is no whole second", () => {
    put();
    expect(planned({ nextNs: SECOND })).toMatch(/^MALFORMED: .*does not come after/);
    expect(planned({ nextNs: soon() + 1n })).toMatch(/^MALFORMED: .*no whole second/);
  });

  test("that passes over what is not too old, and fell into no pause", () => {
    put();
    const at = { firstNs: soon(), lastNs: soon() };
    expect(planned({ passed: 1, ...at })).toMatch(/^MALFORMED: .*neither fell into a pause nor is older/);
  });

  test("that passes over more than there can be, or backwards", () => {
    put({ catchUpMs: 10_000n });
    const at = soon();
    partition.nowNs += 100_000n * SECOND;
    expect(planned({ passed: 3, firstNs: at, lastNs: at + SECOND })).toMatch(/^MALFORMED: .*too many/);
    expect(planned({ passed: SCHEDULE_PASSED_MAX + 1, firstNs: at, lastNs: at + 20_000n * SECOND })).toMatch(
      /^MALFORMED: .*too many/,
    );
    expect(planned({ passed: 1, firstNs: at + SECOND, lastNs: at })).toMatch(
      /^MALFORMED: .*does not come after/,
    );
    expect(planned({ passed: 1, firstNs: at + 1n, lastNs: at + 1n })).toMatch(/^MALFORMED: .*whole seconds/);
  });
});

test("answers to schedules from anywhere, of runs that are none of theirs, change nothing", () => {
  put();
  const requester = (name: string, incarnation: bigint) => ({
    $typeName: "holdfast.v1.Requester" as const,
    depth: 0,
    of: {
      case: "schedule" as const,
      value: { $typeName: "holdfast.v1.RequestingSchedule" as const, name, instantNs: 5n, incarnation },
    },
  });
  const { incarnation } = scheduleOf(partition, "tick");
  let n = 1n;
  for (const [name, of] of [
    ["tick", incarnation],
    ["tick", 99n],
    ["Ł", 1n],
    ["", 0n],
    ["nobody", 0n],
  ] as const) {
    const kinds = [
      {
        case: "requestEnded" as const,
        value: {
          $typeName: "holdfast.v1.RequestEnded" as const,
          requester: requester(name, of),
          generation: 1,
        },
      },
      {
        case: "requestRefused" as const,
        value: {
          $typeName: "holdfast.v1.RequestRefused" as const,
          requester: requester(name, of),
          runId: "strange",
          code: RejectCode.RUN_EXISTS,
          message: "no",
        },
      },
    ];
    const before = JSON.stringify(scheduleOf(partition, "tick"), (_, value: unknown) =>
      typeof value === "bigint" ? `${value}` : value,
    );
    expect(said(partition.send(delivery(kinds, { firstN: n })))).toBe("accepted");
    expect(
      JSON.stringify(scheduleOf(partition, "tick"), (_, value: unknown) =>
        typeof value === "bigint" ? `${value}` : value,
      ),
    ).toBe(before);
    n += 2n;
  }
  checkPartition(partition);
});

test("run ids are run ids, and tell instants apart, whatever the name", () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
      fc.bigInt({ min: 0n, max: 18_446_744_073n }),
      fc.bigInt({ min: 0n, max: 18_446_744_073n }),
      fc.maxSafeNat(),
      (name, a, b, seq) => {
        const [one, other] = [scheduledRunId(name, a * SECOND), scheduledRunId(name, b * SECOND)];
        expect(one).toMatch(/^[A-Za-z0-9_-]{1,128}$/);
        expect(one === other).toBe(a === b);
        expect(triggeredRunId(name, a * SECOND, seq, 0xffff_ffff)).toMatch(/^[A-Za-z0-9_-]{1,128}$/);
      },
    ),
  );
});
