/** External batch actions whose breaker is not closed: what is held, what is followed, and what becomes of both. */
import {
  BatchPhase,
  FailureMode,
  HeldTaskSchema,
  ItemStatus,
  OnOpen,
  RunStatus,
  TasksHeldSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import { REFUSED_AT_ONCE_MAX } from "../limits.js";
import { checkedJob, resultOf } from "../testing/batch-moves.js";
import { begin, breakerOf, change, OPEN, RESET, scene, statusOf } from "../testing/breaker-scene.js";
import {
  type action,
  BATCH,
  cancel,
  command,
  failed,
  failure,
  json,
  ONE_ATTEMPT,
  overInput,
  retry,
  retryPolicy,
  succeeded,
} from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { JobScript } from "../testing/job-script.js";
import type { TestPartition } from "../testing/partition.js";
import { heldText } from "./held-text.js";

const { UNAVAILABLE, NETWORK, VALIDATION } = FailureMode;
const TWICE = retryPolicy({ maxAttempts: 2, initialBackoffMs: 100, jitterMilli: 0 });
const POLICY = { minSamples: 1, failureRateBp: 1, windowMs: 60_000, openForMs: 20_000, maxOpenForMs: 20_000 };

type Fields = Parameters<typeof action>[1];
const OVER = { forEach: overInput("/rows"), batch: BATCH, retry: TWICE };

function play(fields: Fields = OVER, policy: Parameters<typeof scene>[0] = {}): TestPartition {
  const at = scene({ ...POLICY, ...policy }, fields);
  at.announce();
  return at;
}

/** Begins runs, with three items each where they are over items. */
function start(at: TestPartition, ...runs: string[]): void {
  for (const run of runs) {
    begin(at, run);
    if (at.actionPlan(run, "charge").forEach !== undefined && !at.action(run, "charge").items?.loaded)
      at.load(
        run,
        "charge",
        [1, 2, 3].map((row) => json(row)),
      );
  }
}
const job = (at: TestPartition, run: string): JobScript => new JobScript(at, run, "charge");
const detail = (at: TestPartition, run: string): string => at.action(run, "charge").detail?.text ?? "";
const phase = (at: TestPartition, run: string): string =>
  BatchPhase[at.action(run, "charge").batch?.phase ?? 0] ?? "";
const items = (at: TestPartition, run: string): string[] =>
  [0, 1, 2].map((item) => ItemStatus[at.itemStatus(run, "charge", item)] ?? "");
const results = (...from: number[]) => from.map((item) => resultOf(item, succeeded({ item })));
const held = (at: TestPartition, run: string, attempt: number) =>
  at.asOwner(
    command({
      case: "tasksHeld",
      value: init(TasksHeldSchema, { tasks: [init(HeldTaskSchema, { runId: run, attempt })] }),
    }),
  );

test("an open breaker holds the submission: items stay PENDING, and nothing is spent", () => {
  const at = play();
  start(at, "a");
  change(at, OPEN());
  start(at, "b");
  expect([at.status("b", "charge"), phase(at, "b"), items(at, "b")]).toEqual([
    "WAITING",
    "UNSPECIFIED",
    ["PENDING", "PENDING", "PENDING"],
  ]);
  expect(detail(at, "b")).toBe("breaker open until it is reset: by ann, opened: maintenance");
  expect([at.inFlight("b"), at.action("b", "charge").attempt]).toEqual([[], 0]);
  checkPartition(at);
  change(at, RESET);
  expect([at.inFlight("b"), phase(at, "b"), job(at, "b").items]).toEqual([
    ["charge"],
    "SUBMITTING",
    [0, 1, 2],
  ]);
  job(at, "b").submit();
  job(at, "b").check({ done: true, results: results(0, 1, 2) });
  expect([at.status("b", "charge"), at.itemRecord("b", "charge", 0)?.attempt]).toEqual(["COMPLETED", 1]);
  expect(statusOf(at)).toBe("CLOSED");
  checkPartition(at);
});

test("a submit that is to be made again is held with its job: the same number, the same items", () => {
  const at = play();
  start(at, "a");
  job(at, "a").report(failed(UNAVAILABLE, "no route"));
  expect([statusOf(at), at.status("a", "charge")]).toEqual(["OPEN", "RETRYING"]);
  at.pass(200);
  expect([at.status("a", "charge"), phase(at, "a"), at.inFlight("a")]).toEqual(["WAITING", "SUBMITTING", []]);
  expect(detail(at, "a")).toMatch(/^breaker open until .*; its last attempt failed: UNAVAILABLE: no route$/);
  expect(heldText(at.view, "a", at.run("a"), at.actionPlan("a", "charge"))).toBe(detail(at, "a"));
  checkPartition(at);
  at.pass(20_000);
  expect([statusOf(at), at.inFlight("a"), at.action("a", "charge").batch?.job]).toEqual([
    "HALF_OPEN",
    ["charge"],
    1,
  ]);
  // A probe is not spent: with two attempts, five probes fail and the sixth is taken.
  for (let n = 0; n < 5; n++) {
    job(at, "a").report(failed(UNAVAILABLE, "no route"));
    checkPartition(at);
    at.pass(200);
    at.pass(20_000);
    expect([at.inFlight("a"), at.action("a", "charge").batch?.tries]).toEqual([["charge"], 1]);
  }
  job(at, "a").submit();
  job(at, "a").check({ done: true, results: results(0, 1, 2) });
  expect([at.status("a", "charge"), statusOf(at)]).toEqual(["COMPLETED", "CLOSED"]);
});

test("jobs that are outside are checked however the breaker is, and their results count", () => {
  const at = play();
  start(at, "a", "b");
  job(at, "a").submit("kept");
  job(at, "b").report(failed(UNAVAILABLE));
  expect(statusOf(at)).toBe("OPEN");
  job(at, "a").untilCheck();
  // The owner asks back for whatever may be held: a check is not.
  held(at, "a", job(at, "a").attempt);
  expect(at.inFlight("a")).toEqual(["charge"]);
  job(at, "a").bring(results(1));
  job(at, "a").check({ done: true, results: results(0, 2) });
  expect([at.run("a").status, statusOf(at)]).toEqual([RunStatus.COMPLETED, "OPEN"]);
  checkPartition(at);
});

test("a check that fails in an outage that is known is not spent, and is made at its next turn", () => {
  const at = play(OVER, { openForMs: 3_600_000, maxOpenForMs: 3_600_000 });
  start(at, "a");
  job(at, "a").submit("kept");
  job(at, "a").untilCheck();
  job(at, "a").report(failed(NETWORK, "off"));
  expect([statusOf(at), at.action("a", "charge").batch?.tries]).toEqual(["OPEN", 1]);
  for (let n = 0; n < 20; n++) {
    job(at, "a").untilCheck();
    job(at, "a").report(failed(NETWORK, "off"));
    checkPartition(at);
  }
  expect(at.action("a", "charge").batch?.tries).toBe(1);
  expect(detail(at, "a")).toBe("batch job kept: 0 of 3 done; the last check failed: NETWORK: off");
  job(at, "a").check({ done: true, results: results(0, 1, 2) });
  expect(at.status("a", "charge")).toBe("COMPLETED");
});

test("a check that fails with what is no outage is spent, also while the breaker is open", () => {
  const at = play();
  start(at, "a");
  job(at, "a").submit("kept");
  change(at, OPEN());
  for (let n = 0; n < 2; n++) {
    job(at, "a").untilCheck();
    job(at, "a").report(failed(FailureMode.WORKER_LOST, "gone"));
  }
  expect([at.status("a", "charge"), items(at, "a")]).toEqual(["FAILED", ["FAILED", "FAILED", "FAILED"]]);
  checkPartition(at);
});

test("the next job of an action is held, the one before is not undone by it", () => {
  const at = play({ ...OVER, batch: { ...BATCH, itemsAJob: 2 } });
  start(at, "a");
  job(at, "a").submit("first");
  change(at, OPEN());
  job(at, "a").check({ done: true, results: results(0, 1) });
  expect([at.status("a", "charge"), items(at, "a")]).toEqual([
    "WAITING",
    ["SUCCEEDED", "SUCCEEDED", "PENDING"],
  ]);
  checkPartition(at);
  change(at, RESET);
  expect(at.action("a", "charge").batch).toMatchObject({ job: 2, size: 1 });
  job(at, "a").submit("second");
  job(at, "a").check({ done: true, results: results(2) });
  expect(at.status("a", "charge")).toBe("COMPLETED");
});

test("held jobs leave in the order in which they came, in waves that double", () => {
  const at = play(OVER, { probes: 1 });
  start(at, "f");
  change(at, OPEN());
  start(at, ...Array.from({ length: 9 }, (_, n) => `h${n + 1}`));
  const out = (): string[] => [...at.open.values()].map(({ runId }) => runId).filter((run) => run !== "f");
  job(at, "f").report(failed(VALIDATION));
  change(at, OPEN(at.nowNs + 1_000_000_000n));
  at.pass(1_000);
  expect([statusOf(at), out()]).toEqual(["HALF_OPEN", ["h1"]]);
  job(at, "h1").submit();
  expect([statusOf(at), out()]).toEqual(["RECOVERING", ["h2", "h3"]]);
  checkPartition(at);
  for (const run of out()) job(at, run).submit();
  expect(out()).toEqual(["h4", "h5", "h6", "h7"]);
  for (const run of out()) job(at, run).submit();
  expect([statusOf(at), out()]).toEqual(["CLOSED", ["h8", "h9"]]);
  checkPartition(at);
});

test("jobs of a wave that come to nothing open it again", () => {
  const at = play({ batch: BATCH, retry: TWICE }, { failureRateBp: 5_000 });
  change(at, OPEN(at.nowNs + 1_000_000_000n));
  const runs = Array.from({ length: 9 }, (_, n) => `h${n + 1}`);
  start(at, ...runs);
  at.pass(1_000);
  for (const run of runs.slice(0, 3)) job(at, run).submit();
  expect(statusOf(at)).toBe("RECOVERING");
  const down = { done: true, error: failure(UNAVAILABLE, "no machine") };
  at.pass(1_000);
  job(at, "h1").report(checkedJob(down));
  // It was the probe, and what is known since are two jobs that were taken.
  expect([statusOf(at), breakerOf(at)?.ended.reduce((a, b) => a + b)]).toEqual(["RECOVERING", 3]);
  job(at, "h2").report(checkedJob(down));
  expect([statusOf(at), breakerOf(at)?.transitions.at(-1)?.cause]).toEqual([
    "OPEN",
    "2 of 3 attempts failed within 1 min",
  ]);
  checkPartition(at);
});

test.each([
  ["fails", OnOpen.FAIL, "FAILED", "FAILED"],
  ["skips", OnOpen.SKIP, "COMPLETED", "SKIPPED"],
])("a policy that %s ends what was to be submitted, and holds nothing", (_what, onOpen, status, item) => {
  const at = play(OVER, { onOpen });
  start(at, "a", "b");
  // Nobody had its submit yet when the breaker opened.
  const { attempt } = at.action("b", "charge");
  job(at, "a").report(failed(UNAVAILABLE));
  held(at, "b", attempt);
  expect([at.status("b", "charge"), items(at, "b")]).toEqual([status, [item, item, item]]);
  start(at, "c");
  expect([at.status("c", "charge"), items(at, "c")]).toEqual([status, [item, item, item]]);
  // What is to be submitted again is refused, too.
  at.pass(200);
  expect([at.status("a", "charge"), items(at, "a")]).toEqual([status, [item, item, item]]);
  expect(at.itemRecord("c", "charge", 0)?.detail?.text).toMatch(/breaker open until/);
  expect(at.view.keysOf("H")).toEqual([]);
  checkPartition(at);
});

test.each([
  ["fails", OnOpen.FAIL, "FAILED", "FAILED"],
  ["skips", OnOpen.SKIP, "SKIPPED", "COMPLETED"],
])("a policy that %s ends a whole job before it is submitted", (_what, onOpen, status, run) => {
  const at = play({ batch: BATCH, retry: TWICE }, { onOpen });
  start(at, "a");
  job(at, "a").report(failed(UNAVAILABLE));
  start(at, "b");
  expect([at.status("b", "charge"), RunStatus[at.run("b").status]]).toEqual([status, run]);
  at.pass(200);
  expect(at.status("a", "charge")).toBe(status);
  checkPartition(at);
});

test("of very many items a policy that fails ends them piece by piece", () => {
  const at = play(OVER, { onOpen: OnOpen.FAIL });
  change(at, OPEN());
  begin(at, "a");
  const count = REFUSED_AT_ONCE_MAX + 5;
  at.load(
    "a",
    "charge",
    Array.from({ length: count }, (_, row) => json(row)),
  );
  expect(at.counts("a", "charge")).toMatchObject({ failed: REFUSED_AT_ONCE_MAX, pending: 5 });
  at.pass(1);
  expect([at.status("a", "charge"), at.counts("a", "charge").failed]).toEqual(["FAILED", count]);
  checkPartition(at);
});

test("a submit that no worker has is taken back when the breaker opens, and is not spent", () => {
  const at = play();
  start(at, "a", "b");
  job(at, "a").report(failed(UNAVAILABLE));
  held(at, "b", 1);
  expect([at.status("b", "charge"), phase(at, "b"), at.inFlight("b")]).toEqual(["WAITING", "SUBMITTING", []]);
  expect(at.action("b", "charge").batch).toMatchObject({ job: 1, tries: 0 });
  checkPartition(at);
  change(at, RESET);
  expect(at.action("b", "charge")).toMatchObject({ attempt: 2, batch: { job: 1, tries: 0, size: 3 } });
  checkPartition(at);
});

test("a cancelled probe gives its place to the next, and what is held of a cancelled run leaves no row", () => {
  const at = play();
  change(at, OPEN(at.nowNs + 1_000_000_000n));
  start(at, "a", "b", "c");
  at.control(cancel("b"));
  expect([RunStatus[at.run("b").status], breakerOf(at)?.held]).toEqual(["CANCELLED", 2]);
  at.pass(1_000);
  expect([at.inFlight("a"), at.inFlight("c")]).toEqual([["charge"], []]);
  at.control(cancel("a"));
  expect(at.inFlight("c")).toEqual(["charge"]);
  checkPartition(at);
});

test("a run that is cancelled while its submit is held ends, with what it was to submit", () => {
  const at = play();
  start(at, "a");
  job(at, "a").report(failed(UNAVAILABLE));
  at.pass(200);
  expect(at.status("a", "charge")).toBe("WAITING");
  at.control(cancel("a"));
  expect([RunStatus[at.run("a").status], items(at, "a")]).toEqual([
    "CANCELLED",
    ["CANCELLED", "CANCELLED", "CANCELLED"],
  ]);
  expect(at.view.keysOf("H")).toEqual([]);
  checkPartition(at);
});

test("the action's time runs on while it is held, and what it fails with says so", () => {
  for (const fields of [OVER, { batch: BATCH, retry: TWICE }]) {
    const at = play({ ...fields, batch: { ...BATCH, timeoutMs: 30_000n } });
    change(at, OPEN());
    start(at, "a");
    at.pass(30_001);
    expect(at.status("a", "charge")).toBe("FAILED");
    const why = at.itemRecord("a", "charge", 0)?.failure ?? at.action("a", "charge").failure;
    expect([why?.mode, why?.message]).toEqual([
      FailureMode.TIMEOUT,
      "the outside system gave no result within 30 s; breaker open until it is reset: by ann, opened: maintenance",
    ]);
    // Nothing was asked of the outside system: this is no news of it.
    expect([at.view.keysOf("H"), breakerOf(at)?.ended.every((count) => count === 0)]).toEqual([[], true]);
    checkPartition(at);
  }
});

test("the action's time may end while its submit is held: what the job was to have fails, nothing is left behind", () => {
  const at = play({ ...OVER, batch: { ...BATCH, timeoutMs: 5_000n } });
  start(at, "a");
  job(at, "a").report(failed(UNAVAILABLE));
  at.pass(200);
  expect([at.status("a", "charge"), phase(at, "a")]).toEqual(["WAITING", "SUBMITTING"]);
  at.pass(5_000);
  expect([at.status("a", "charge"), items(at, "a")]).toEqual(["FAILED", ["FAILED", "FAILED", "FAILED"]]);
  expect(at.view.keysOf("H")).toEqual([]);
  checkPartition(at);
});

test("a paused run keeps no place, and submits once it goes on", () => {
  const at = play();
  change(at, OPEN());
  start(at, "a", "b");
  at.control({
    case: "pauseRun",
    value: { $typeName: "holdfast.v1.PauseRun", runId: "a", who: "ann", reason: "" },
  });
  change(at, RESET);
  expect([at.inFlight("a"), at.inFlight("b")]).toEqual([[], ["charge"]]);
  checkPartition(at);
  at.control({ case: "resumeRun", value: { $typeName: "holdfast.v1.ResumeRun", runId: "a", who: "ann" } });
  expect(at.inFlight("a")).toEqual(["charge"]);
  checkPartition(at);
});

test("a retry of what failed is held while the breaker is open, and heals when it is not", () => {
  const at = play({ ...OVER, retry: ONE_ATTEMPT }, { minSamples: 2 });
  start(at, "a");
  job(at, "a").submit();
  job(at, "a").check({ done: true, results: [resultOf(0, failed(UNAVAILABLE)), ...results(1, 2)] });
  expect([RunStatus[at.run("a").status], statusOf(at)]).toEqual(["COMPLETED_WITH_FAILURES", "CLOSED"]);
  change(at, OPEN());
  at.control(retry("a"));
  expect([at.status("a", "charge"), items(at, "a")]).toEqual([
    "WAITING",
    ["PENDING", "SUCCEEDED", "SUCCEEDED"],
  ]);
  checkPartition(at);
  change(at, RESET);
  expect(job(at, "a").items).toEqual([0]);
  job(at, "a").submit();
  job(at, "a").check({ done: true, results: results(0) });
  expect(RunStatus[at.run("a").status]).toBe("COMPLETED");
});
