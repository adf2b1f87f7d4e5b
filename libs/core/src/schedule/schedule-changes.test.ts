/** Plans and changes: a plan counts once, for the schedule as it stands; pausing, resuming, triggering and deleting lose no instant. */
import { RejectCode, RunStatus, ScheduleChange, ScheduleOverlap } from "@holdfast/proto";
import { beforeEach, describe, expect, test } from "vitest";
import { appliedKey } from "../state/tables.js";
import { failed, inline } from "../testing/build.js";
import { plan } from "../testing/schedule-build.js";
import {
  allHold,
  attentions,
  change,
  cluster,
  finish,
  history,
  home,
  instant,
  isThere,
  minute,
  planMinute,
  put,
  record,
  runOf,
  SECOND,
  setUp,
  timeIs,
  wantsPlan,
} from "../testing/schedule-scene.js";

beforeEach(setUp);

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
