/** Schedules: an instant begins one run, or is counted as what became of it; nothing that happens meanwhile loses one. */
import { RunStatus, ScheduleOverlap } from "@holdfast/proto";
import { beforeEach, describe, expect, test } from "vitest";
import { partitionOf } from "../names.js";
import { outboxKey, scheduleInputKey, sentMarkKey } from "../state/tables.js";
import { fromUtf8 } from "../text.js";
import { batch, define, failed, inline, retry, workflow } from "../testing/build.js";
import { MS } from "../testing/partition.js";
import { putSchedule, specOf } from "../testing/schedule-build.js";
import {
  allHold,
  attentions,
  cluster,
  finish,
  history,
  home,
  instant,
  isThere,
  minute,
  ONE,
  PARTITIONS,
  planMinute,
  put,
  record,
  runOf,
  setUp,
  stamp,
  timeIs,
  wantsPlan,
} from "../testing/schedule-scene.js";

beforeEach(setUp);

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
