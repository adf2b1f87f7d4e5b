/** What breakers hold, take back and let go. */
import {
  ActionStatus,
  FailureMode,
  HeldTaskSchema,
  OnOpen,
  RejectCode,
  RunStatus,
  TasksHeldSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import {
  cancel,
  command,
  failed,
  json,
  ONE_ATTEMPT,
  overInput,
  retryPolicy,
  succeeded,
} from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";

import {
  scene,
  begin,
  breakerOf,
  statusOf,
  fail,
  succeed,
  change,
  RESET,
  tripped,
  halfOpen,
} from "../testing/breaker-scene.js";

test("what an open breaker holds says until when, and spends no attempt", () => {
  const at = tripped();
  begin(at, "h1");
  expect(at.action("h1", "charge")).toMatchObject({ status: ActionStatus.WAITING, attempt: 0 });
  expect(at.action("h1", "charge").detail?.text).toMatch(
    /^breaker open until \d{4}-.*: 2 of 2 attempts failed within 10 s$/,
  );
  expect(at.inFlight("h1")).toEqual([]);
  at.pass(1_000);
  expect(at.inFlight("h1")).toEqual(["charge"]);
  expect(at.action("h1", "charge")).toMatchObject({
    status: ActionStatus.RUNNING,
    attempt: 1,
    detail: undefined,
  });
});

test("it opens for longer each time, up to the cap, and begins anew once it was closed; failed probes are not spent", () => {
  const at = tripped();
  begin(at, "p");
  const spans = [1_000, 2_000, 3_000, 3_000];
  for (const span of spans) {
    at.pass(span - 10);
    expect(statusOf(at)).toBe("OPEN");
    at.pass(10);
    expect(statusOf(at)).toBe("HALF_OPEN");
    fail(at, "p");
    checkPartition(at);
  }
  at.pass(3_000);
  succeed(at, "p");
  expect(at.run("p").status).toBe(RunStatus.COMPLETED);
  expect([statusOf(at), breakerOf(at)?.opened]).toEqual(["CLOSED", 0]);
});

test("held work leaves in the order in which it came, in waves that double", () => {
  const at = halfOpen(9);
  const out = (): string[] => [...at.open.values()].map(({ runId }) => runId);
  expect(out()).toEqual(["h1"]);
  succeed(at, "h1");
  expect(out()).toEqual(["h2", "h3"]);
  succeed(at, "h2");
  expect(out()).toEqual(["h3"]);
  succeed(at, "h3");
  expect(out()).toEqual(["h4", "h5", "h6", "h7"]);
  for (const run of out()) succeed(at, run);
  expect(out()).toEqual(["h8", "h9"]);
  expect(statusOf(at)).toBe("CLOSED");
});

test("attempts that no worker has are taken back, held and not spent", () => {
  const at = scene({}, { retry: retryPolicy({ maxAttempts: 2, initialBackoffMs: 10 }) });
  begin(at, "a", "b", "c");
  for (const run of ["a", "b"]) fail(at, run);
  const value = init(TasksHeldSchema, { tasks: [init(HeldTaskSchema, { runId: "c", attempt: 1 })] });
  at.asOwner(command({ case: "tasksHeld", value }));
  expect(at.inFlight("c")).toEqual([]);
  expect(at.action("c", "charge")).toMatchObject({
    status: ActionStatus.WAITING,
    attempt: 1,
    attemptBase: 1,
  });
  checkPartition(at);
  expect(change(at, RESET).case).toBe("accepted");
  expect(at.action("c", "charge")).toMatchObject({
    status: ActionStatus.RUNNING,
    attempt: 2,
    attemptBase: 1,
  });
});

test("an attempt that may go by now is looked up again instead of being taken back", () => {
  const at = scene();
  begin(at, "a");
  const value = init(TasksHeldSchema, { tasks: [init(HeldTaskSchema, { runId: "a", attempt: 1 })] });
  at.asOwner(command({ case: "tasksHeld", value }));
  expect(at.effects).toContainEqual({ kind: "due-again", runId: "a" });
  expect(at.inFlight("a")).toEqual(["charge"]);
});

test("what is taken back is refused from anybody but the owner, and in too large a number", () => {
  const at = scene();
  const tasks = Array.from({ length: 1_001 }, () => init(HeldTaskSchema, { runId: "a", attempt: 1 }));
  const held = (count: number) =>
    command(
      { case: "tasksHeld", value: init(TasksHeldSchema, { tasks: tasks.slice(0, count) }) },
      { correlation: 9n },
    );
  expect(at.send(held(1))).toMatchObject({ case: "rejected", value: { code: RejectCode.UNSUPPORTED } });
  expect(at.asOwner(held(1_001))[0]?.result).toMatchObject({
    case: "rejected",
    value: { code: RejectCode.TOO_LARGE },
  });
});

test.each([
  ["fails it", OnOpen.FAIL, RunStatus.FAILED, "FAILED"],
  ["skips it", OnOpen.SKIP, RunStatus.COMPLETED, "SKIPPED"],
])("where its policy %s, an open breaker holds nothing", (_what, onOpen, run, status) => {
  const at = tripped({ onOpen });
  begin(at, "h1");
  expect([at.run("h1").status, at.status("h1", "charge")]).toEqual([run, status]);
  expect(at.action("h1", "charge").detail?.text).toMatch(/^breaker open until/);
  expect(at.view.keysOf("H")).toEqual([]);
  checkPartition(at);
});

test("items stay PENDING while their breaker is open, and one row stands for all of them", () => {
  const at = scene({}, { forEach: overInput("/rows", 2), retry: ONE_ATTEMPT });
  begin(at, "a", "b");
  at.load(
    "a",
    "charge",
    Array.from({ length: 5 }, (_, i) => json(i)),
  );
  at.finish("a", "charge", failed(FailureMode.NETWORK), 0);
  at.finish("a", "charge", failed(FailureMode.NETWORK), 1);
  at.load("b", "charge", [json(1)]);
  expect(statusOf(at)).toBe("OPEN");
  expect(at.counts("a", "charge")).toMatchObject({ pending: 2, running: 1, failed: 2 });
  at.finish("a", "charge", succeeded(), 2);
  expect(at.status("a", "charge")).toBe("WAITING");
  expect(at.view.keysOf("H")).toHaveLength(2);
  checkPartition(at);
  at.pass(1_000);
  expect([at.inFlight("a"), at.inFlight("b")]).toEqual([["charge#3"], []]);
  at.finish("a", "charge", succeeded(), 3);
  expect([at.inFlight("a"), at.inFlight("b")]).toEqual([["charge#4"], ["charge#0"]]);
  checkPartition(at);
});

test("with a key, one customer's failures hold nobody else's work", () => {
  const at = scene({ key: "/shop" });
  begin(at, "a1", "a2", "b1");
  fail(at, "a1");
  fail(at, "a2");
  begin(at, "a3", "b2");
  expect([statusOf(at, "a"), breakerOf(at, "b"), at.inFlight("a3"), at.inFlight("b2")]).toEqual([
    "OPEN",
    undefined,
    [],
    ["charge"],
  ]);
});

test("runs that are cancelled, or end, leave no row; a paused run keeps no place", () => {
  const at = tripped();
  begin(at, "h1", "h2", "h3");
  at.control(cancel("h1"));
  expect(at.run("h1").status).toBe(RunStatus.CANCELLED);
  expect(breakerOf(at)?.held).toBe(2);
  at.control({
    case: "pauseRun",
    value: { $typeName: "holdfast.v1.PauseRun", runId: "h2", who: "ann", reason: "" },
  });
  at.pass(1_000);
  expect([at.inFlight("h2"), at.inFlight("h3")]).toEqual([[], ["charge"]]);
  checkPartition(at);
  succeed(at, "h3");
  at.control({ case: "resumeRun", value: { $typeName: "holdfast.v1.ResumeRun", runId: "h2", who: "ann" } });
  expect(at.inFlight("h2")).toEqual(["charge"]);
  checkPartition(at);
});

test("a cancelled probe gives its place to the next", () => {
  const at = halfOpen(2);
  expect([at.inFlight("h1"), at.inFlight("h2")]).toEqual([["charge"], []]);
  at.control(cancel("h1"));
  expect(at.inFlight("h2")).toEqual(["charge"]);
  checkPartition(at);
});

test("an idle breaker is forgotten once its window, or its history, is old", () => {
  const quiet = scene();
  begin(quiet, "a");
  fail(quiet, "a");
  expect(quiet.view.keysOf("B")).toHaveLength(1);
  quiet.pass(10_001);
  expect(quiet.view.keysOf("B")).toHaveLength(0);
  const told = halfOpen(1);
  succeed(told, "h1");
  told.pass(3_600_000);
  expect(told.view.keysOf("B")).toHaveLength(1);
  told.pass(86_400_000);
  expect(told.view.keysOf("B")).toHaveLength(0);
});
