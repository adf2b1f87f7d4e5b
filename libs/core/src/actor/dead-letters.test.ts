/** The dead-letter set: what goes in, what takes it out, and how long it is kept. */
import {
  FailureMode,
  PruneCause,
  RecoveryStrategy,
  RetentionPolicySchema,
  RunEventType,
  RunStatus,
  SetRetentionSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import { countsKey, rollupKey, tombstoneKey } from "../state/tables.js";
import { cancel, failed, retry, start, succeeded, timersFired } from "../testing/build.js";
import { DeadLetterScene, moveOf } from "../testing/dead-letter-scene.js";
import { EPOCH_NS, MS, type TestPartition } from "../testing/partition.js";
import { countLetters, isDeadLetter, itemLetterAt } from "./dead-letters.js";

const DAY_MS = 24 * 3_600_000;
const DAY_NS = BigInt(DAY_MS) * MS;
const EVER = 2n ** 64n - 1n;

let scene: DeadLetterScene;
let partition: TestPartition;
beforeEach(() => {
  scene = new DeadLetterScene();
  partition = scene.partition;
});

describe("a run", () => {
  test("is moved with who and why, listed, announced, and in its history", () => {
    scene.failRun();
    expect(scene.move()).toMatchObject({
      case: "accepted",
      value: { runId: "r", status: RunStatus.FAILED, items: 0 },
    });
    expect(scene.listed()).toEqual(["r"]);
    expect(scene.announced()).toMatchObject([
      {
        workflow: "plain",
        runId: "r",
        action: "",
        queue: "mail",
        mode: FailureMode.NETWORK,
        failure: "only: no answer",
        who: "ann",
        reason: "poison",
        byPolicy: false,
        untilNs: partition.nowNs + 30n * DAY_NS,
      },
    ]);
    expect(scene.lastEvent()).toMatchObject({
      type: RunEventType.DEAD_LETTERED,
      detail: "the run by ann: poison",
    });
    expect(partition.run("r").retryableUntilNs).toBe(partition.nowNs + 30n * DAY_NS);
    expect(partition.view.get(countsKey("plain"))).toMatchObject({ failed: 1, deadLetters: 1n });
  });

  test("is kept past its floor, until its time there is over, and then counted", () => {
    scene.failRun();
    scene.wait(DAY_MS);
    scene.move();
    scene.wait(29 * DAY_MS);
    scene.sweep();
    expect(scene.exists()).toBe(true);
    scene.wait(DAY_MS);
    scene.sweep();
    expect(scene.exists()).toBe(false);
    expect(scene.listed()).toEqual([]);
    expect(partition.view.get(rollupKey("plain", "mail"))?.pruned).toMatchObject([
      { cause: PruneCause.DEAD_LETTER_RETENTION, status: RunStatus.FAILED, runs: 1n },
    ]);
    expect(partition.view.get(tombstoneKey("r"))?.policy).toBe("dead letters are kept 30 d");
    expect(partition.view.get(countsKey("plain"))).toMatchObject({ failed: 0, pruned: 1n, deadLetters: 0n });
  });

  test("is taken out by a retry, and promised the longer of the two floors when it fails again", () => {
    scene.failRun();
    scene.move();
    const promised = partition.run("r").expiryNs;
    partition.control(retry("r"));
    expect(scene.listed()).toEqual([]);
    expect(partition.run("r").deadLetters).toBeUndefined();
    partition.finish("r", "only", failed(FailureMode.NETWORK));
    expect(partition.run("r").retryableUntilNs).toBe(promised);
    expect(partition.view.keysOf("yf")).toHaveLength(1);
    expect(scene.move()).toMatchObject({ case: "accepted" });
  });

  test("completes after a retry as if it had never been there", () => {
    scene.failRun();
    scene.move();
    partition.control(retry("r"));
    partition.finish("r", "only", succeeded());
    expect(partition.view.keysOf("yc")).toHaveLength(1);
    expect(scene.listed()).toEqual([]);
  });

  test("that waits for its own recovery is not recovered any more, and whoever waits is told", () => {
    const sent = start("r", "patient", { notifyEnd: true });
    partition.send(sent);
    partition.finish("r", "only", failed(FailureMode.NETWORK));
    expect(partition.run("r").recoverAtNs).toBeGreaterThan(0n);
    expect(scene.move()).toMatchObject({ case: "ended", value: { status: RunStatus.FAILED } });
    expect(partition.run("r")).toMatchObject({ recoverAtNs: 0n, waiters: [], status: RunStatus.FAILED });
    expect(partition.run("r").detail?.text).toContain(
      "not recovered by itself: moved to the dead letters by ann: poison",
    );
    partition.pass(10_000);
    expect(partition.run("r").generation).toBe(1);
    expect(scene.listed()).toEqual(["r"]);
  });
});

describe("items", () => {
  test("are moved by themselves, and keep their run", () => {
    scene.failItems();
    expect(scene.move("r", "rows", [3, 1, 3])).toMatchObject({ case: "accepted", value: { items: 2 } });
    expect(scene.listed()).toEqual(["r/0#1", "r/0#3"]);
    expect(isDeadLetter(partition.run("r"))).toBe(false);
    expect(scene.announced()).toMatchObject([{ action: "rows", items: [1, 3], failure: "row 1" }]);
    expect(scene.lastEvent()?.detail).toBe("items 1 and 3 by ann: poison");
    scene.wait(29 * DAY_MS);
    scene.sweep("listed");
    expect(scene.exists()).toBe(true);
    scene.wait(2 * DAY_MS);
    scene.sweep("listed");
    expect(scene.exists()).toBe(false);
    expect(scene.listed()).toEqual([]);
  });

  test("that are there already are passed over where others are not", () => {
    scene.failItems();
    scene.move("r", "rows", [1]);
    expect(scene.move("r", "rows", [1, 3])).toMatchObject({ case: "accepted", value: { items: 1 } });
    expect(countLetters(partition.run("r"))).toBe(2);
  });

  test("are taken out by the retry that sets them off, and only they", () => {
    scene.failItems("tolerant", [FailureMode.NETWORK, FailureMode.POLICY_SECURITY]);
    scene.move("r", "rows", [1, 3]);
    partition.control(retry("r"));
    expect(scene.listed()).toEqual(["r/0#3"]);
    expect(itemLetterAt(partition.run("r"), 0, 1)).toBeUndefined();
    partition.finish("r", "rows", succeeded(), 1);
    expect(partition.run("r").status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
    expect(partition.view.keysOf("yd")).toHaveLength(1);
  });

  test("are all taken out where everything begins anew", () => {
    scene.failItems();
    scene.move("r", "rows", [1, 3]);
    partition.control(retry("r", { strategy: RecoveryStrategy.RETRY_ALL }));
    expect(scene.listed()).toEqual([]);
  });

  test("can be given up while their run goes on", () => {
    scene.failItems("tolerant", [FailureMode.NETWORK, FailureMode.POLICY_SECURITY]);
    scene.move("r", "rows", [1, 3]);
    partition.control(retry("r"));
    expect(scene.discard()).toMatchObject({
      case: "accepted",
      value: { items: 1, status: RunStatus.RUNNING },
    });
    partition.finish("r", "rows", succeeded(), 1);
    expect(partition.view.keysOf("yf")).toHaveLength(1);
  });
});

describe("a workflow's policy", () => {
  test("moves what fails, where nothing is recovered by itself", () => {
    scene.failRun("r", "policed");
    expect(scene.listed()).toEqual(["r"]);
    expect(scene.announced()).toMatchObject([
      { who: "", byPolicy: true, reason: "it failed, and its workflow recovers nothing by itself" },
    ]);
  });

  test("moves it after the last recovery, not before", () => {
    scene.failRun("r", "recovering");
    expect(scene.listed()).toEqual([]);
    partition.pass(2_000);
    partition.finish("r", "only", failed(FailureMode.NETWORK));
    expect(scene.listed()).toEqual(["r"]);
    expect(scene.lastEvent()?.detail).toBe("the run by its workflow's policy: its 1 recoveries are spent");
  });

  test("moves at once what can't be recovered without a person", () => {
    scene.failRun("r", "recovering", FailureMode.VALIDATION);
    expect(scene.listed()).toEqual(["r"]);
    expect(scene.announced()[0]?.reason).toMatch(/^it can't be recovered by itself: /);
  });

  test("leaves alone what completed or was cancelled", () => {
    partition.send(start("a", "policed"));
    partition.finish("a", "only", succeeded());
    partition.send(start("b", "policed"));
    partition.control(cancel("b"));
    expect(scene.listed()).toEqual([]);
  });
});

describe("a discard", () => {
  test("ends the time in the set, never the floor, and stays in the history", () => {
    scene.failRun();
    const floor = partition.run("r").expiryNs;
    scene.move();
    expect(scene.discard()).toMatchObject({ case: "accepted", value: { items: 0 } });
    expect(scene.listed()).toEqual([]);
    expect(partition.run("r")).toMatchObject({
      expiryNs: floor,
      discarded: { who: "bob", reason: "of no use" },
    });
    expect(scene.lastEvent()).toMatchObject({
      type: RunEventType.DISCARDED,
      detail: "the run by bob: of no use",
    });
    expect(partition.effects.some((effect) => effect.kind === "sweep")).toBe(true);
    scene.wait(6 * DAY_MS);
    scene.sweep();
    expect(scene.exists()).toBe(true);
    scene.wait(DAY_MS);
    scene.sweep();
    expect(scene.exists()).toBe(false);
    expect(partition.view.get(rollupKey("plain", "mail"))?.pruned).toMatchObject([
      { cause: PruneCause.DISCARDED },
    ]);
    expect(partition.view.get(tombstoneKey("r"))?.policy).toMatch(
      /^discarded by bob at .+: of no use; failed runs are kept 7 d$/,
    );
  });

  test("of some items leaves the others", () => {
    scene.failItems();
    scene.move("r", "rows", [1, 3]);
    expect(scene.discard("rows", [3])).toMatchObject({ case: "accepted", value: { items: 1 } });
    expect(scene.listed()).toEqual(["r/0#1"]);
    expect(scene.discard("rows")).toMatchObject({ case: "accepted", value: { items: 1 } });
    expect(scene.listed()).toEqual([]);
  });

  test("can be followed by a retry, which forgets it", () => {
    scene.failRun();
    scene.move();
    scene.discard();
    partition.control(retry("r"));
    expect(partition.run("r").discarded).toBeUndefined();
  });
});

describe("how long", () => {
  const set = (deadLetterRetentionS: number): void => {
    const policy = init(RetentionPolicySchema, { deadLetterRetentionS });
    partition.control({
      case: "setRetention",
      value: init(SetRetentionSchema, { workflow: "plain", policy }),
    });
  };

  test("a longer time counts for what is there", () => {
    scene.failRun();
    scene.move();
    set(60 * 86_400);
    scene.wait(31 * DAY_MS);
    scene.sweep();
    expect(scene.exists()).toBe(true);
    set(1);
    scene.wait(28 * DAY_MS);
    scene.sweep();
    expect(scene.exists(), "the sweep made a promise of it").toBe(true);
    scene.wait(2 * DAY_MS);
    scene.sweep();
    expect(scene.exists()).toBe(false);
  });

  test("a shorter one cuts nothing that was promised, and never the floor", () => {
    scene.failRun();
    scene.move();
    set(1);
    scene.wait(29 * DAY_MS);
    scene.sweep();
    expect(scene.exists()).toBe(true);
    scene.failRun("later");
    scene.move("later");
    scene.wait(6 * DAY_MS);
    scene.sweep();
    expect([scene.exists(), scene.exists("later")]).toEqual([false, true]);
  });
});

test("a move that is sent again is made once", () => {
  scene.failRun();
  const first = partition.control(moveOf("r"), "the-same");
  expect(partition.control(moveOf("r"), "the-same")).toEqual(first);
  expect(scene.lastEvent()?.type).toBe(RunEventType.DEAD_LETTERED);
  expect(partition.events.get("r")?.filter(({ type }) => type === RunEventType.DEAD_LETTERED)).toHaveLength(
    1,
  );
});

test("who and why are cut to their limits", () => {
  scene.failRun();
  partition.control(moveOf("r", "", [], "x".repeat(10_000)));
  expect(scene.announced()[0]?.who).toHaveLength(128);
});

test("a recovery that was called off does not come back with its timer", () => {
  scene.failRun("r", "patient");
  scene.move();
  partition.nowNs = EPOCH_NS + DAY_NS;
  partition.asOwner(timersFired(EVER));
  expect(partition.run("r")).toMatchObject({ status: RunStatus.FAILED, generation: 1 });
});
