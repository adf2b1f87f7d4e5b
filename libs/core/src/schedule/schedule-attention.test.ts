/** What is the matter with a schedule is kept until somebody sees to it or a later run of it ends, and no word of it is lost untold. */
import { type AttentionRecord, AttentionToldSchema, ScheduleChange } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, expect, test } from "vitest";
import { command } from "../testing/build.js";
import { plan } from "../testing/schedule-build.js";
import {
  allHold,
  attentions,
  change,
  finish,
  home,
  instant,
  minute,
  planMinute,
  put,
  record,
  setUp,
} from "../testing/schedule-scene.js";

beforeEach(setUp);

const kept = (): string[] =>
  home.view.keysOf("K").map((key) => home.view.get<AttentionRecord>(key)?.attention?.message ?? "");
const told = (): void => {
  const value = init(AttentionToldSchema, { upToSeq: BigInt(home.log.length) });
  home.asOwner(command({ case: "attentionTold", value }));
};
const missMinute = (n: number): void => {
  planMinute(n);
  home.pass(Number((instant(n + 2) - home.nowNs) / 1_000_000n));
};

test("an instant that was missed is kept, and let go once a run that began later has ended", () => {
  put({ catchUpMs: 60_000n });
  missMinute(1);
  expect(kept()).toEqual([
    expect.stringMatching(/^schedule "tick" missed its instant of 2027-01-15 08:01:00/),
  ]);
  expect(record().attentionSeq > 0n).toBe(true);
  allHold();
  minute(4);
  expect(kept()).toHaveLength(1);
  finish(4);
  expect([kept(), record().attentionSeq]).toEqual([[], 0n]);
  allHold();
});

test("a run that had begun before says nothing of it", () => {
  put({ catchUpMs: 60_000n });
  minute(1);
  missMinute(2);
  finish(1);
  expect(kept()).toHaveLength(1);
});

test.each([
  ["put anew", () => put({}, "one")],
  ["paused", () => change(ScheduleChange.PAUSE)],
  ["deleted", () => change(ScheduleChange.DELETE)],
])("a schedule that is %s has been seen to", (_what, act) => {
  put({}, "nowhere");
  minute(1);
  expect(kept()).toEqual([expect.stringContaining("could not begin run tick-")]);
  act();
  expect(kept()).toEqual([]);
  allHold();
});

test("a plan that can be made again settles it", () => {
  put();
  plan(home, "tick", { error: "no such zone" });
  expect(kept()).toEqual(['schedule "tick" can\'t be planned: no such zone']);
  plan(home, "tick", { nextNs: instant(3) });
  expect(kept()).toEqual([]);
  allHold();
});

test("more trouble before the first was told goes into one row; what was told is not said again", () => {
  put({ catchUpMs: 60_000n }, "nowhere");
  minute(1);
  missMinute(2);
  expect(attentions()).toHaveLength(1);
  expect(kept()).toEqual([
    expect.stringMatching(/missed its instant of .* 08:02.*; schedule "tick" could not begin run/),
  ]);
  told();
  minute(5);
  expect(kept()).toEqual([expect.not.stringContaining("missed its instant")]);
  allHold();
});
