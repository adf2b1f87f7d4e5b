/** Schedules: an instant begins one run, or is counted as what became of it; nothing that happens meanwhile loses one. */
import {
  RejectCode,
  RunStatus,
  ScheduleChange,
  type ScheduledInstant,
  ScheduleOutcome,
  ScheduleOverlap,
  type ScheduleRecord,
} from "@holdfast/proto";
import { beforeEach, describe, expect, test } from "vitest";
import { appliedKey, outboxKey, scheduleInputKey, sentMarkKey } from "../state/tables.js";
import { fromUtf8, timeText } from "../text.js";
import {
  action,
  batch,
  define,
  failed,
  inline,
  ONE_ATTEMPT,
  retry,
  succeeded,
  workflow,
} from "../testing/build.js";
import { TestCluster } from "../testing/cluster.js";
import { checkPartition } from "../testing/invariants.js";
import { EPOCH_NS, MS, type TestPartition } from "../testing/partition.js";
import { changeSchedule, plan, putSchedule, scheduleOf, specOf } from "../testing/schedule-build.js";
import { partitionOf } from "../names.js";

const ONE = workflow("one", [action("work", { retry: ONE_ATTEMPT })]);
const SECOND = 1_000_000_000n;
const MINUTE = 60n * SECOND;
const PARTITIONS = 4;
/** The n-th minute of the test. */
const instant = (n: number): bigint => EPOCH_NS + BigInt(n) * MINUTE;
const stamp = (n: number): string => `2027-01-15 08:${String(n).padStart(2, "0")}:00 UTC`;
const runOf = (n: number): string => `tick-20270115T08${String(n).padStart(2, "0")}00Z`;

let cluster: TestCluster;
let home: TestPartition;
beforeEach(() => {
  cluster = new TestCluster(PARTITIONS, [ONE]);
  home = cluster.at(partitionOf("tick", PARTITIONS));
});

const record = (): ScheduleRecord => scheduleOf(home, "tick");
const put = (fields: Parameters<typeof specOf>[1] = {}, workflowName = "one"): void => {
  expect(home.control(putSchedule("tick", specOf(workflowName, fields))).case).toBe("accepted");
};
const change = (what: ScheduleChange, reason?: string): ReturnType<TestPartition["control"]> => {
  const result = home.control(changeSchedule("tick", what, reason));
  cluster.settle();
  return result;
};
/** Time goes on, everywhere, to the n-th minute and `s` seconds. */
const timeIs = (n: number, s = 0): void => {
  const at = instant(n) + BigInt(s) * SECOND;
  for (const partition of cluster.partitions)
    partition.pass(Math.max(0, Number((at - partition.nowNs) / MS)) + 10);
  cluster.settle();
};
const planMinute = (n: number): void => {
  expect(plan(home, "tick", { nextNs: instant(n) }).case).toBe("accepted");
};
/** The n-th minute is planned, and comes. */
const minute = (n: number): void => {
  planMinute(n);
  timeIs(n);
};
const finish = (n: number, outcome = succeeded()): void => {
  cluster.of(runOf(n)).finish(runOf(n), "work", outcome);
  cluster.settle();
};
const words = ({ outcome, instantNs, count, reason }: ScheduledInstant): string =>
  `${timeText(instantNs).slice(11, 16)} ${ScheduleOutcome[outcome]}${count > 1n ? ` ×${count}` : ""}${reason === "" ? "" : `: ${reason}`}`;
const history = (): string[] => record().history.map(words);
const isThere = (n: number): boolean =>
  cluster
    .of(runOf(n))
    .view.keysOf("r")
    .includes(`r${runOf(n)}`);
const wantsPlan = (): boolean => home.effects.some((effect) => effect.kind === "plan-schedule");
const attentions = (): string[] =>
  home.effects.flatMap((effect) => (effect.kind === "attention" ? [effect.attention.message] : []));
const allHold = (): void => cluster.partitions.forEach(checkPartition);

describe("an instant", () => {
  test("begins a run that says where it comes from, and asks for the next plan", () => {
    put({ input: inline({ rows: 3 }), priority: 7 });
    expect(wantsPlan()).toBe(true);
    planMinute(1);
    expect(wantsPlan()).toBe(false);
    home.pass(Number((instant(1) - home.nowNs) / MS) + 10);
    expect(wantsPlan()).toBe(true);
    cluster.settle();
    const run = cluster.of(runOf(1)).run(runOf(1));
    expect(run).toMatchObject({ workflow: "one", origin: `schedule tick at ${stamp(1)}`, priority: 7 });
    expect(run.requester?.of).toMatchObject({
      case: "schedule",
      value: { name: "tick", instantNs: instant(1) },
    });
    expect(run.input).toEqual(inline({ rows: 3 }));
    expect(record()).toMatchObject({ instants: 1n, started: 1n, afterNs: instant(1), nextNs: 0n });
    allHold();
  });

  test("is not begun before its time, by log time", () => {
    put();
    planMinute(1);
    timeIs(0, 58);
    expect(isThere(1)).toBe(false);
    expect(record().instants).toBe(0n);
  });

  test("knows how its run ended, also after a retry", () => {
    put();
    minute(1);
    finish(1, failed());
    expect(record().live).toEqual([]);
    expect(record().history[0]?.runStatus).toBe(RunStatus.FAILED);
    const there = cluster.of(runOf(1));
    there.control(retry(runOf(1)));
    cluster.settle();
    expect(record().live.map(({ runId }) => runId)).toEqual([runOf(1)]);
    expect(record().history[0]?.runStatus).toBe(RunStatus.UNSPECIFIED);
    finish(1);
    expect(record().live).toEqual([]);
    expect(record().history[0]?.runStatus).toBe(RunStatus.COMPLETED);
    allHold();
  });

  test("whose workflow nobody has registered is refused with the reason, told to operators once, and the schedule goes on", () => {
    put({}, "nowhere");
    minute(1);
    expect(history()[0]).toMatch(/^08:01 REFUSED: workflow "nowhere" is not registered/);
    expect(record()).toMatchObject({ instants: 1n, started: 0n, refused: 1n, live: [] });
    minute(2);
    expect(record()).toMatchObject({ instants: 2n, refused: 2n });
    cluster.partitions.forEach((partition) =>
      partition.append(batch([define(workflow("nowhere", ONE.actions))])),
    );
    minute(3);
    expect(record()).toMatchObject({ instants: 3n, started: 1n, refused: 2n });
    expect(isThere(3)).toBe(true);
    allHold();
  });

  test("whose run id somebody else uses is refused", () => {
    cluster.start(runOf(1), "one");
    put();
    minute(1);
    expect(history()[0]).toMatch(/^08:01 REFUSED: run tick-20270115T080100Z exists already/);
  });

  test("of which the catch-up window is over is missed, counted and told", () => {
    put({ catchUpMs: 60_000n });
    planMinute(1);
    home.pass(Number((instant(2) - home.nowNs) / MS) + 10);
    expect(attentions()).toEqual([
      expect.stringMatching(/^schedule "tick" missed its instant of 2027-01-15 08:01:00 UTC/),
    ]);
    expect(isThere(1)).toBe(false);
    expect(history()).toEqual(["08:01 MISSED: it could not begin within its catch-up window of 1 min"]);
    expect(record()).toMatchObject({ instants: 1n, missed: 1n, afterNs: instant(1) });
    expect(wantsPlan()).toBe(true);
  });

  test("that is late, but within the window, begins", () => {
    put({ catchUpMs: 3_600_000n });
    planMinute(1);
    timeIs(50);
    expect(isThere(1)).toBe(true);
  });

  test("of a paused workflow has its run, which waits", () => {
    put();
    cluster.partitions.forEach((partition) => {
      partition.control({
        case: "pauseWorkflow",
        value: { $typeName: "holdfast.v1.PauseWorkflow", workflow: "one", who: "ann", reason: "" },
      });
    });
    minute(1);
    expect(RunStatus[cluster.of(runOf(1)).run(runOf(1)).status]).toBe("RUNNING");
    expect(record().started).toBe(1n);
  });

  test("brings a large input, which the schedule keeps beside its record", () => {
    const large = inline("x".repeat(5_000));
    put({ input: large });
    expect(record().spec?.input?.body).toEqual({ case: "stored", value: 5_002 });
    minute(1);
    const there = cluster.of(runOf(1));
    expect(there.run(runOf(1)).input?.body).toEqual({ case: "stored", value: 5_002 });
    const stored = home.view.get(scheduleInputKey("tick"));
    expect(fromUtf8(stored?.body ?? new Uint8Array()).length).toBe(5_002);
    put({ input: inline(1) });
    expect(home.view.get(scheduleInputKey("tick"))).toBeUndefined();
  });
});

describe("while a run has not ended", () => {
  test("skip: the instant is counted with the reason; what follows shares its entry", () => {
    put({ overlap: ScheduleOverlap.SKIP });
    minute(1);
    minute(2);
    minute(3);
    expect(history()).toEqual(["08:01 STARTED", `08:02 SKIPPED ×2: run ${runOf(1)} has not ended`]);
    expect(record().history[1]?.untilNs).toBe(instant(3));
    finish(1);
    minute(4);
    expect(isThere(4)).toBe(true);
    expect(record()).toMatchObject({ instants: 4n, started: 2n, skipped: 2n });
    allHold();
  });

  test("buffer: instants wait for those before them, in order, and no more than may", () => {
    put({ overlap: ScheduleOverlap.BUFFER, bufferMax: 2 });
    for (const n of [1, 2, 3, 4]) minute(n);
    expect(history()).toEqual([
      "08:01 STARTED",
      "08:02 BUFFERED",
      "08:03 BUFFERED",
      "08:04 SKIPPED: 2 instants wait already, and no more may",
    ]);
    finish(1);
    expect(record().live.map(({ runId }) => runId)).toEqual([runOf(2)]);
    expect([isThere(2), isThere(3)]).toEqual([true, false]);
    finish(2);
    finish(3);
    expect(record()).toMatchObject({ instants: 4n, started: 3n, skipped: 1n, buffered: [], live: [] });
    allHold();
  });

  test("buffer: one that can't begin lets the next one", () => {
    put({ overlap: ScheduleOverlap.BUFFER });
    cluster.start(runOf(2), "one");
    for (const n of [1, 2, 3]) minute(n);
    finish(1);
    expect(history()[1]).toMatch(/^08:02 REFUSED/);
    expect(record().live.map(({ runId }) => runId)).toEqual([runOf(3)]);
  });

  test("allow: instants begin whatever else runs", () => {
    put({ overlap: ScheduleOverlap.ALLOW });
    for (const n of [1, 2, 3]) minute(n);
    expect(record().live.length).toBe(3);
    expect(record().started).toBe(3n);
  });

  test("a policy that buffers no more drops what waits, and counts it", () => {
    put({ overlap: ScheduleOverlap.BUFFER });
    for (const n of [1, 2]) minute(n);
    put({ overlap: ScheduleOverlap.SKIP });
    expect(record()).toMatchObject({ buffered: [], skipped: 1n, instants: 2n });
    expect(history()[1]).toBe("08:02 SKIPPED: its schedule was changed, and buffers no longer");
  });
});

describe("a plan", () => {
  test("counts once", () => {
    put();
    const { revision, afterNs } = record();
    planMinute(1);
    const again = plan(home, "tick", { revision, afterNs, nextNs: instant(2) });
    expect(again).toMatchObject({ case: "rejected", value: { code: RejectCode.NOT_WAITING } });
    expect(record().nextNs).toBe(instant(1));
  });

  test("of before a change counts no more, and its timer is gone", () => {
    put();
    const { revision, afterNs } = record();
    planMinute(1);
    put({ cron: "*/5 * * * *" });
    expect(plan(home, "tick", { revision, afterNs, nextNs: instant(1) }).case).toBe("rejected");
    planMinute(5);
    timeIs(2);
    expect(record().instants).toBe(0n);
    timeIs(5);
    expect(isThere(5)).toBe(true);
    allHold();
  });

  test("stays where input or policy change, and goes where the time zone does", () => {
    put();
    planMinute(1);
    put({ priority: 3, overlap: ScheduleOverlap.ALLOW });
    expect(record().nextNs).toBe(instant(1));
    put({ timeZone: "Europe/Berlin" });
    expect(record().nextNs).toBe(0n);
    expect(wantsPlan()).toBe(true);
  });

  test("that there can't be one puts the schedule in a state that says why, until it is mended", () => {
    put();
    expect(plan(home, "tick", { error: "there is no time zone Mars/Base" }).case).toBe("accepted");
    expect(record().invalid).toBe("there is no time zone Mars/Base");
    expect(attentions()).toEqual(['schedule "tick" can\'t be planned: there is no time zone Mars/Base']);
    expect(wantsPlan()).toBe(false);
    put({ timeZone: "UTC" });
    expect(record().invalid).toBe("");
    minute(1);
    expect(isThere(1)).toBe(true);
  });

  test("of another owner may come where this one could make none", () => {
    put();
    plan(home, "tick", { error: "this node knows no time zones" });
    planMinute(1);
    expect(record()).toMatchObject({ invalid: "", nextNs: instant(1) });
  });

  test("that there is none any more ends the schedule; it can be triggered and put anew", () => {
    put();
    plan(home, "tick", { nextNs: 0n });
    expect(record().exhausted).toBe(true);
    expect(wantsPlan()).toBe(false);
    expect(change(ScheduleChange.TRIGGER).case).toBe("accepted");
    expect(wantsPlan()).toBe(false);
    put({ cron: "0 * * * *" });
    expect(record().exhausted).toBe(false);
  });

  test("passes over what is too old: counted, told once", () => {
    put({ catchUpMs: 60_000n });
    timeIs(50);
    plan(home, "tick", { passed: 40, firstNs: instant(1), lastNs: instant(40) });
    expect(attentions().length).toBe(1);
    plan(home, "tick", { passed: 8, firstNs: instant(41), lastNs: instant(48) });
    expect(attentions()).toEqual([]);
    expect(wantsPlan()).toBe(true);
    expect(history()).toEqual(["08:01 MISSED ×48: it could not begin within its catch-up window of 1 min"]);
    expect(record()).toMatchObject({ instants: 48n, missed: 48n, afterNs: instant(48) });
    planMinute(49);
  });
});

describe("a paused schedule", () => {
  test("begins nothing; what came meanwhile is skipped with the reason, and none is begun late", () => {
    put();
    planMinute(1);
    expect(change(ScheduleChange.PAUSE, "the source is down").case).toBe("accepted");
    expect(record().nextNs).toBe(0n);
    timeIs(3);
    change(ScheduleChange.RESUME);
    expect(record().instants).toBe(0n);
    expect(
      plan(home, "tick", { nextNs: instant(1), passed: 3, firstNs: instant(1), lastNs: instant(3) }).case,
    ).toBe("accepted");
    expect(history()).toEqual([
      "08:01 SKIPPED ×3: its schedule was paused by ann since 2027-01-15 08:00:00 UTC: the source is down",
    ]);
    expect(record()).toMatchObject({ instants: 3n, skipped: 3n });
    minute(4);
    expect(isThere(4)).toBe(true);
    allHold();
  });

  test("begins what had come before, and keeps what waits until it is resumed", () => {
    put({ overlap: ScheduleOverlap.BUFFER });
    minute(1);
    planMinute(2);
    for (const partition of cluster.partitions) partition.nowNs = instant(2) + SECOND;
    change(ScheduleChange.PAUSE);
    expect(history()).toEqual(["08:01 STARTED", "08:02 BUFFERED"]);
    finish(1);
    expect(record()).toMatchObject({ live: [], buffered: [instant(2)] });
    change(ScheduleChange.RESUME);
    expect(isThere(2)).toBe(true);
    allHold();
  });

  test("can be triggered", () => {
    put();
    change(ScheduleChange.PAUSE);
    const result = change(ScheduleChange.TRIGGER);
    expect(result).toMatchObject({ case: "accepted", value: { status: RunStatus.PENDING } });
    const runId = result.case === "accepted" ? result.value.runId : "";
    expect(runId).toMatch(/^tick-20270115T080000Z-t\d+-\d+$/);
    expect(cluster.of(runId).run(runId).origin).toMatch(
      /^schedule tick at 2027-01-15 08:00:00 UTC, triggered by ann$/,
    );
    expect(record().history[0]).toMatchObject({ triggered: true, who: "ann", runId });
  });
});

describe("a deleted schedule", () => {
  test("is gone with its timer, its input and its place in the count; its runs go on", () => {
    put({ input: inline("x".repeat(5_000)) });
    minute(1);
    planMinute(2);
    change(ScheduleChange.DELETE);
    expect(home.view.keysOf("e")).toEqual([]);
    expect(home.view.keysOf("E")).toEqual([]);
    expect(home.view.get(appliedKey)?.schedules).toBe(0);
    timeIs(3);
    expect(isThere(2)).toBe(false);
    finish(1);
    expect(RunStatus[cluster.of(runOf(1)).run(runOf(1)).status]).toBe("COMPLETED");
    allHold();
  });

  test("is not taken for another of the same name that is made later", () => {
    put();
    minute(1);
    change(ScheduleChange.DELETE);
    put();
    finish(1, failed());
    expect(record()).toMatchObject({ live: [], history: [], instants: 0n });
    minute(2);
    expect(record().live.length).toBe(1);
    allHold();
  });
});

test("a run is asked for once, however often its partition hears of it", () => {
  put();
  minute(1);
  const to = partitionOf(runOf(1), PARTITIONS);
  expect(home.view.get(sentMarkKey(to))?.n).toBe(1n);
  expect(home.view.get(outboxKey(to, 1n))).toBeUndefined();
  expect(cluster.of(runOf(1)).run(runOf(1)).generation).toBe(1);
});

test("the same command twice is done once", () => {
  const first = home.control(putSchedule("tick", specOf("one")), "the-same");
  const again = home.control(putSchedule("tick", specOf("one", { priority: 9 })), "the-same");
  expect(again).toEqual(first);
  expect(record().spec?.priority).toBe(0);
});
