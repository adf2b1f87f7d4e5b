/** Schedule-to-start: the fold remembers by when a worker must have an attempt, and asks whoever knows. */
import { PauseRunSchema, ResumeRunSchema, TimeoutsSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, expect, test } from "vitest";
import {
  action,
  batch,
  cancel,
  define,
  inline,
  json,
  overInput,
  start,
  succeeded,
  workflow,
} from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { TestPartition } from "../testing/partition.js";

const soon = { timeouts: init(TimeoutsSchema, { scheduleToStartMs: 1_000 }) };
let partition: TestPartition;
beforeEach(() => {
  partition = new TestPartition();
  partition.announce();
  partition.append(
    batch([
      define(workflow("one", [action("only", soon)])),
      define(workflow("rows", [action("each", { ...soon, forEach: overInput("") })])),
      define(workflow("free", [action("only")])),
    ]),
  );
});

const overdue = (): unknown[] => partition.effects.filter(({ kind }) => kind === "overdue");
const timers = (): number => partition.view.keysOf("t").length;

test("an attempt is asked for when its time is over, and again ever later as long as it is current", () => {
  partition.send(start("r", "one"));
  partition.pass(900);
  expect(overdue()).toEqual([]);
  partition.pass(200);
  expect(overdue()).toMatchObject([{ runId: "r", action: 0, item: -1, attempt: 1, limitMs: 1_000 }]);
  partition.pass(1_500);
  expect(overdue()).toEqual([]);
  partition.pass(600);
  expect(overdue()).toHaveLength(1);
  partition.finish("r", "only", succeeded());
  partition.pass(3_600_000);
  expect(overdue()).toEqual([]);
  expect(timers()).toBe(0);
  checkPartition(partition);
});

test("each item is asked for by itself", () => {
  partition.send(start("r", "rows", { input: inline([]) }));
  partition.load("r", "each", [json(1), json(2)]);
  partition.finish("r", "each", succeeded(), 0);
  partition.pass(1_100);
  expect(overdue()).toMatchObject([{ item: 1 }]);
});

test("time does not count while the run is paused", () => {
  partition.send(start("r", "one"));
  partition.control({ case: "pauseRun", value: init(PauseRunSchema, { runId: "r" }) });
  partition.pass(5_000);
  expect(overdue()).toEqual([]);
  partition.control({ case: "resumeRun", value: init(ResumeRunSchema, { runId: "r" }) });
  partition.pass(1_100);
  expect(overdue()).toHaveLength(1);
});

test("of a cancelled run nothing is asked", () => {
  partition.send(start("r", "one"));
  partition.control(cancel("r"));
  partition.pass(5_000);
  expect(overdue()).toEqual([]);
  expect(timers()).toBe(1);
});

test("an action that does not declare it pays nothing", () => {
  partition.send(start("r", "free"));
  expect(timers()).toBe(0);
});
