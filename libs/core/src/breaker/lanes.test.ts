/** Items whose breaker's key is taken from the item: held under their own key, while those of other keys go on. */
import {
  ActionStatus,
  type AppliedRecord,
  type Breaker,
  BreakerSchema,
  BreakerTotalsSchema,
  FailureMode,
  HeldKeysRecordSchema,
  HeldTaskSchema,
  OnOpen,
  RecoveryStrategy,
  RetryRunSchema,
  RunStatus,
  TasksHeldSchema,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import { BREAKERS_MAX, HELD_AT_ONCE_MAX, HELD_ITEMS_A_ROW, HELD_KEYS_MAX } from "../limits.js";
import { appliedKey, chunkKey, heldKeysKey } from "../state/tables.js";
import { begin, breakerOf, change, OPEN, POLICY, RESET, scene, statusOf } from "../testing/breaker-scene.js";
import {
  action,
  batch,
  cancel,
  command,
  define,
  failed,
  json,
  ONE_ATTEMPT,
  overInput,
  overItemsOf,
  retryPolicy,
  succeeded,
  tolerateCount,
  workflow,
} from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { TestPartition } from "../testing/partition.js";
import { heldTextOfItem, heldTextOfRun } from "./held-text.js";

/** One action over items, each with a host of its own. */
function hosts(window: number, policy: Init<Breaker> = {}, fields: Parameters<typeof scene>[1] = {}) {
  return scene(
    { itemKey: "/host", ...policy },
    { forEach: overInput("/rows", window), retry: ONE_ATTEMPT, ...fields },
  );
}

const on = (...names: string[]): Uint8Array[] => names.map((host) => json({ host }));
const load = (at: TestPartition, run: string, ...names: string[]): void =>
  at.load(run, "charge", on(...names));
const fail = (at: TestPartition, run: string, ...items: number[]): void => {
  for (const item of items) at.finish(run, "charge", failed(FailureMode.NETWORK), item);
};
const succeed = (at: TestPartition, run: string, ...items: number[]): void => {
  for (const item of items) at.finish(run, "charge", succeeded(), item);
};
const numbers = (at: TestPartition, run: string): number[] =>
  at.inFlight(run).map((name) => Number(name.split("#")[1]));
const heldKeys = (at: TestPartition, run: string) =>
  (at.view.get(heldKeysKey(run, 0))?.keys ?? []).map(({ key, head, tail }) => [key, tail - head]);

/** Run "r" with its first two items, of host "a", failed: "a" is open. The rest are of the hosts named. */
function tripped(window: number, names: string[], policy: Init<Breaker> = {}): TestPartition {
  const at = hosts(window, policy);
  begin(at, "r");
  load(at, "r", "a", "a", ...names);
  fail(at, "r", 0, 1);
  expect([statusOf(at, "a"), statusOf(at)]).toEqual(["OPEN", "UNSPECIFIED"]);
  checkPartition(at);
  return at;
}

test("while a key is open its items are held, spend no attempt and say so; items of others go on", () => {
  const at = tripped(2, ["b", "a", "a", "b", "a", "b"]);
  expect(numbers(at, "r")).toEqual([2, 5]);
  expect(heldKeys(at, "r")).toEqual([["a", 2]]);
  succeed(at, "r", 2);
  expect(numbers(at, "r")).toEqual([5, 7]);
  expect(at.counts("r", "charge")).toMatchObject({ failed: 2, succeeded: 1, running: 2, pending: 3 });
  const plan = at.actionPlan("r", "charge");
  const byte = at.view.get(chunkKey("r", 0, 0))?.statuses[3] ?? 0;
  const shown = heldTextOfItem(at.view, "r", at.run("r"), plan, { item: 3, byte });
  expect(shown).toMatch(/^breaker open until \d{4}-.*; holds items of "a"$/);
  expect(at.action("r", "charge")).toMatchObject({ status: ActionStatus.RUNNING, detail: undefined });
  succeed(at, "r", 5, 7);
  expect(at.action("r", "charge")).toMatchObject({ status: ActionStatus.WAITING });
  expect(at.action("r", "charge").detail?.text).toMatch(/^breaker open until \d{4}-.*; holds items of "a"$/);
  expect(heldTextOfRun(at.view, "r", at.run("r"), [plan])).toMatch(/^charge: breaker open until/);
  expect(breakerOf(at, "a")).toMatchObject({ held: 1, heldItems: 3 });
  expect(at.itemRecord("r", "charge", 3)).toBeUndefined();
  checkPartition(at);
});

test("probes are items, held ones leave in the order in which they came, in waves that double", () => {
  const at = tripped(100, ["b", ...Array.from({ length: 9 }, () => "a")], { minSamples: 2 });
  // All of them were let out before it opened, and no worker has them.
  const tasks = numbers(at, "r")
    .filter((item) => item > 2)
    .map((item) => init(HeldTaskSchema, { runId: "r", item, attempt: 1 }));
  at.asOwner(command({ case: "tasksHeld", value: init(TasksHeldSchema, { tasks }) }));
  checkPartition(at);
  expect([numbers(at, "r"), heldKeys(at, "r")]).toEqual([[2], [["a", 9]]]);
  at.pass(1_000);
  expect(statusOf(at, "a")).toBe("HALF_OPEN");
  const out = numbers(at, "r").filter((item) => item > 2);
  expect(out).toHaveLength(1);
  const [probe = -1] = out;
  succeed(at, "r", probe);
  expect(statusOf(at, "a")).toBe("RECOVERING");
  const waves: number[] = [];
  while (statusOf(at, "a") !== "CLOSED" || numbers(at, "r").length > 1) {
    const wave = numbers(at, "r").filter((item) => item > 2);
    waves.push(wave.length);
    succeed(at, "r", ...wave);
    checkPartition(at);
  }
  expect(waves).toEqual([2, 4, 2]);
  expect(at.view.keysOf("L").concat(at.view.keysOf("M"), at.view.keysOf("H"))).toEqual([]);
  succeed(at, "r", 2);
  expect(at.run("r").status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
});

test("a probe that fails is not spent, and stands at the end of its lane", () => {
  const at = tripped(1, ["a", "a", "b"], {});
  const retried = hosts(1, {}, { retry: retryPolicy({ maxAttempts: 2, initialBackoffMs: 10 }) });
  begin(retried, "r");
  load(retried, "r", "a", "a", "a", "b");
  fail(retried, "r", 0, 1);
  for (const openMs of [1_000, 2_000]) {
    retried.pass(openMs);
    succeed(retried, "r", ...numbers(retried, "r").filter((item) => item === 3));
    const [probe = -1] = numbers(retried, "r");
    fail(retried, "r", probe);
    expect(retried.itemRecord("r", "charge", probe)?.attemptBase).toBeGreaterThan(0);
    retried.pass(100);
    checkPartition(retried);
  }
  for (let n = 0; n < 40 && retried.run("r").status === RunStatus.RUNNING; n++) {
    retried.pass(3_000);
    succeed(retried, "r", ...numbers(retried, "r"));
  }
  expect(retried.run("r").status).toBe(RunStatus.COMPLETED);
  checkPartition(retried);
  expect(numbers(at, "r")).toEqual([4]);
});

test("runs share the waves of a key, and one whose window is full gives its turn away", () => {
  const at = tripped(1, ["a", "a", "b"]);
  begin(at, "s");
  load(at, "s", "b", "a", "a");
  expect([numbers(at, "r"), numbers(at, "s")]).toEqual([[4], [0]]);
  expect(heldKeys(at, "s")).toEqual([]);
  succeed(at, "s", 0);
  expect(heldKeys(at, "s")).toEqual([["a", 2]]);
  at.pass(1_000);
  // Run "r" has no room: the probe is of "s".
  expect([numbers(at, "r"), numbers(at, "s")]).toEqual([[4], [1]]);
  checkPartition(at);
  succeed(at, "r", 4);
  checkPartition(at);
  succeed(at, "s", 1);
  checkPartition(at);
  expect(numbers(at, "r").concat(numbers(at, "s"))).toHaveLength(2);
});

test.each([
  ["fails", OnOpen.FAIL, { failed: 4, succeeded: 1 }],
  ["skips", OnOpen.SKIP, { failed: 2, skipped: 2, succeeded: 1 }],
])(
  "where its policy %s, items of an open key end, and those of others are begun",
  (_what, onOpen, counts) => {
    const at = tripped(1, ["a", "b", "a"], { onOpen });
    expect(numbers(at, "r")).toEqual([3]);
    succeed(at, "r", 3);
    expect(at.counts("r", "charge")).toMatchObject(counts);
    expect(at.run("r").status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
    expect(at.itemRecord("r", "charge", 2)?.detail?.text).toMatch(/breaker open until/);
    checkPartition(at);
  },
);

test("an operator opens and resets one key", () => {
  const at = hosts(5);
  begin(at, "r");
  expect(change(at, OPEN(), { key: "b" }).case).toBe("accepted");
  load(at, "r", "a", "b", "b", "a");
  expect([numbers(at, "r"), heldKeys(at, "r")]).toEqual([[0, 3], [["b", 2]]]);
  succeed(at, "r", 0, 3);
  at.pass(3_600_000);
  expect(at.status("r", "charge")).toBe("WAITING");
  checkPartition(at);
  expect(change(at, RESET, { key: "b" }).case).toBe("accepted");
  expect([at.status("r", "charge"), numbers(at, "r"), statusOf(at, "b")]).toEqual([
    "RUNNING",
    [1, 2],
    "CLOSED",
  ]);
  checkPartition(at);
});

test("a run that is paused keeps no place, and asks again when it is resumed", () => {
  const at = tripped(1, ["a", "a"]);
  expect(at.status("r", "charge")).toBe("WAITING");
  at.control({
    case: "pauseRun",
    value: { $typeName: "holdfast.v1.PauseRun", runId: "r", who: "ann", reason: "" },
  });
  at.pass(1_000);
  expect([statusOf(at, "a"), breakerOf(at, "a")?.held, numbers(at, "r")]).toEqual(["HALF_OPEN", 0, []]);
  checkPartition(at);
  at.control({ case: "resumeRun", value: { $typeName: "holdfast.v1.ResumeRun", runId: "r", who: "ann" } });
  expect([numbers(at, "r"), at.status("r", "charge")]).toEqual([[2], "RUNNING"]);
  checkPartition(at);
});

test.each([0, 60_000])("a cancel with a grace of %s ms leaves no lane and no row", (graceMs) => {
  const at = tripped(1, ["a", "a", "b"]);
  at.control(cancel("r", "no longer wanted", graceMs));
  expect(at.view.keysOf("L").concat(at.view.keysOf("M"), at.view.keysOf("H"))).toEqual([]);
  expect(breakerOf(at, "a")).toMatchObject({ held: 0, heldItems: 0 });
  checkPartition(at);
  if (graceMs > 0) succeed(at, "r", 4);
  expect(at.run("r").status).toBe(RunStatus.CANCELLED);
  expect(at.counts("r", "charge")).toMatchObject({ cancelled: graceMs > 0 ? 2 : 3 });
  checkPartition(at);
});

test("a retry of what failed goes by the keys of the items anew", () => {
  const at = tripped(1, ["b"]);
  succeed(at, "r", 2);
  expect(at.run("r").status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
  at.control({
    case: "retryRun",
    value: init(RetryRunSchema, { runId: "r", strategy: RecoveryStrategy.RETRY_FAILED }),
  });
  expect([at.status("r", "charge"), heldKeys(at, "r")]).toEqual(["WAITING", [["a", 2]]]);
  checkPartition(at);
  at.pass(1_000);
  succeed(at, "r", 0);
  succeed(at, "r", 1);
  expect(at.run("r").status).toBe(RunStatus.COMPLETED);
  checkPartition(at);
});

test("what is not borne ends what is held, too", () => {
  const at = hosts(1, {}, { tolerate: tolerateCount(2) });
  begin(at, "r");
  load(at, "r", "a", "a", "a", "b");
  fail(at, "r", 0, 1);
  expect(heldKeys(at, "r")).toEqual([["a", 1]]);
  fail(at, "r", 3);
  expect(at.run("r").status).toBe(RunStatus.FAILED);
  expect(at.counts("r", "charge")).toMatchObject({ failed: 3, cancelled: 1 });
  expect(at.view.keysOf("L").concat(at.view.keysOf("M"), at.view.keysOf("H"))).toEqual([]);
  checkPartition(at);
});

test("more items than a command looks at, or a row has places for, are held by and by", () => {
  const at = hosts(1);
  begin(at, "r");
  const count = HELD_AT_ONCE_MAX * 2 + 10;
  at.load("r", "charge", on("a", "a"), false);
  fail(at, "r", 0, 1);
  at.load("r", "charge", on(...Array.from({ length: count }, () => "a"), "b"));
  expect(at.action("r", "charge").items?.held).toBe(HELD_AT_ONCE_MAX);
  expect(numbers(at, "r")).toEqual([]);
  at.pass(0);
  at.pass(0);
  expect([numbers(at, "r"), heldKeys(at, "r")]).toEqual([[count + 2], [["a", count]]]);
  expect(at.view.keysOf("M")).toHaveLength(Math.ceil(count / HELD_ITEMS_A_ROW));
  expect(at.view.keysOf("H")).toHaveLength(1);
  checkPartition(at);
});

test("items of too many keys wait where they are until a key has none held any more", () => {
  const at = hosts(1);
  begin(at, "r");
  const keys = Array.from({ length: HELD_KEYS_MAX + 1 }, (_, i) => `k${i}`);
  for (const key of keys) change(at, OPEN(), { key });
  load(at, "r", ...keys, "free");
  expect(heldKeys(at, "r")).toHaveLength(HELD_KEYS_MAX);
  expect(numbers(at, "r")).toEqual([]);
  checkPartition(at);
  change(at, RESET, { key: "k7" });
  expect(numbers(at, "r")).toEqual([7]);
  succeed(at, "r", 7);
  expect(numbers(at, "r")).toEqual([HELD_KEYS_MAX + 1]);
  checkPartition(at);
});

test("items without a key, and those of keys beyond the bound, share their action's breaker", () => {
  const at = hosts(2);
  begin(at, "r");
  at.load("r", "charge", [json({ row: 1 }), json({ host: { deep: true } }), json({ host: "c" }), json(3)]);
  fail(at, "r", 0, 1);
  expect([statusOf(at), numbers(at, "r"), heldKeys(at, "r")]).toEqual(["OPEN", [2], [["", 1]]]);
  checkPartition(at);
  const full = hosts(1);
  begin(full, "r");
  const applied = full.view.get(appliedKey) as AppliedRecord;
  applied.breakers = init(BreakerTotalsSchema, { records: BREAKERS_MAX });
  full.view.put(appliedKey, applied);
  load(full, "r", "x", "y", "z");
  fail(full, "r", 0, 1);
  expect([statusOf(full), heldKeys(full, "r"), breakerOf(full, "x")]).toEqual(["OPEN", [["", 1]], undefined]);
  expect(full.itemRecord("r", "charge", 2)).toMatchObject({ attempt: 0, unkeyedIn: 1 });
  full.pass(1_000);
  succeed(full, "r", 2);
  expect(full.itemRecord("r", "charge", 2)).toMatchObject({ attempt: 1 });
  expect(full.run("r").status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
});

test("of items that are another action's outputs, the key is taken from the output", () => {
  const at = new TestPartition();
  const breaker = init(BreakerSchema, { ...POLICY, itemKey: "/host" });
  at.append(
    batch([
      define(
        workflow("pay", [
          action("find", { forEach: overInput("/rows", 10) }),
          action("charge", { breaker, retry: ONE_ATTEMPT, forEach: overItemsOf("find", 1) }),
        ]),
      ),
    ]),
  );
  begin(at, "r");
  at.load("r", "find", [json(1), json(2), json(3), json(4)]);
  ["a", "a", "a", "b"].forEach((host, i) => at.finish("r", "find", succeeded({ host }), i));
  fail(at, "r", 0, 1);
  expect([statusOf(at, "a"), numbers(at, "r")]).toEqual(["OPEN", [3]]);
  expect(at.view.get(heldKeysKey("r", 1))?.keys).toMatchObject([{ key: "a" }]);
  checkPartition(at);
});

test("attempts that no worker has are taken back, unless the breaker of their own key lets them go", () => {
  const at = tripped(4, ["a", "b"]);
  expect(numbers(at, "r")).toEqual([2, 3]);
  const tasks = [2, 3].map((item) => init(HeldTaskSchema, { runId: "r", item, attempt: 1 }));
  at.asOwner(command({ case: "tasksHeld", value: init(TasksHeldSchema, { tasks }) }));
  expect([numbers(at, "r"), heldKeys(at, "r")]).toEqual([[3], [["a", 1]]]);
  expect(at.itemRecord("r", "charge", 2)).toMatchObject({ attempt: 1, attemptBase: 1 });
  checkPartition(at);
});

test("a lane that is gone stops the partition instead of being passed over", () => {
  const at = tripped(1, ["a", "a"]);
  const keys = at.view.get(heldKeysKey("r", 0));
  expect(keys?.keys).toHaveLength(1);
  at.view.put(heldKeysKey("r", 0), init(HeldKeysRecordSchema));
  let thrown: unknown;
  try {
    at.pass(1_000);
  } catch (error) {
    thrown = error;
  }
  expect((thrown as Error).cause).toMatchObject({
    message: expect.stringContaining("run r, action charge has no lane 0 that a breaker holds"),
  });
});
