/** A retry that is ended from outside leaves what was failed failed, with its reason, and the run as retryable as before. */
import {
  type DeadLetterRecord,
  FailureMode,
  GuardrailsSchema,
  MoveToDeadLettersSchema,
  RecoveryStrategy,
  TimeoutsSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import {
  action,
  BATCH,
  batch,
  cancel,
  childRun,
  define,
  failed,
  inline,
  ONE_ATTEMPT,
  overInput,
  retry,
  retryPolicy,
  start,
  succeeded,
  tolerateCount,
  workflow,
} from "../testing/build.js";
import { readDeadLetterKey } from "../state/tables.js";
import * as children from "../testing/child-scene.js";
import { checkPartition } from "../testing/invariants.js";
import { RetryItemsScene } from "../testing/retry-items-scene.js";

let scene: RetryItemsScene;
beforeEach(() => {
  scene = new RetryItemsScene();
});

const { VALIDATION, TIMEOUT, NETWORK } = FailureMode;
const reasonOf = (item: number, name = "check"): string =>
  scene.partition.itemRecord("r", name, item)?.failure?.message ?? "none";
const failureOf = (name: string): string => scene.partition.action("r", name).failure?.message ?? "none";
const detailOf = (name: string): string => scene.partition.action("r", name).detail?.text ?? "none";
const again = (fields = {}) => scene.partition.control(retry("r", { who: "ann", ...fields }));
const stop = (graceMs = 0) => scene.partition.control(cancel("r", "no longer wanted", graceMs));

/** The floor is a new one, the retry of all that failed is taken, and what was kept is what there was. */
function staysRetryable(status = "COMPLETED_WITH_FAILURES"): void {
  const { partition } = scene;
  const run = partition.run("r");
  expect(scene.status()).toBe(status);
  expect(run.retryableUntilNs).toBeGreaterThanOrEqual(run.endedAtNs + 7n * 24n * 3_600_000_000_000n);
  expect(run.detail?.text).toContain("its retry was cancelled by tester: no longer wanted");
  checkPartition(partition);
  expect(again()).toMatchObject({ case: "accepted" });
  checkPartition(partition);
}

describe("items of an inline action", () => {
  test.each([
    ["wholly, at once", {}, 0],
    ["wholly, with a grace that nobody uses", {}, 5_000],
    ["one item, at once", { action: "check", items: [3] }, 0],
    ["one item, with a grace", { action: "check", items: [3] }, 5_000],
    ["from its checkpoint", { strategy: RecoveryStrategy.RETRY_FROM_CHECKPOINT }, 0],
  ])("retried %s", (_, fields, graceMs) => {
    scene.importInPart([VALIDATION, TIMEOUT, VALIDATION]);
    again(fields);
    stop(graceMs);
    if (graceMs > 0) scene.partition.pass(graceMs);
    expect(scene.dispositions("check")).toBe("SU FA SU FA SU FA");
    expect([1, 3, 5].map((item) => reasonOf(item))).toEqual(["row 1 is bad", "row 3 is bad", "row 5 is bad"]);
    expect(failureOf("check")).toBe("3 of 6 items failed (VALIDATION 2, TIMEOUT 1)");
    expect(scene.partition.itemRecord("r", "check", 3)?.detail?.text).toBe(
      "TIMEOUT: row 3 is bad; its retry was cancelled: no longer wanted",
    );
    staysRetryable();
  });

  test("what succeeds within the grace stays; what fails in it keeps the reason that it had", () => {
    scene.importInPart();
    again();
    stop(5_000);
    scene.good("check", 1);
    scene.bad("check", 3, NETWORK);
    scene.partition.finish("r", "check", failed(FailureMode.CANCELLED, "stopped"), 5);
    expect(scene.dispositions("check")).toBe("SU SU SU FA SU FA");
    expect(failureOf("check")).toBe("2 of 6 items failed (TIMEOUT 1, VALIDATION 1)");
    expect(reasonOf(3)).toBe("row 3 is bad");
    staysRetryable();
  });

  test("what failed for good in the retry keeps its new reason; what backed off, the old one", () => {
    scene.begin(
      workflow("import", [
        action("check", { forEach: overInput("/rows", 9), retry: retryPolicy({ maxAttempts: 2 }) }),
      ]),
    );
    scene.good("check", 0, 2, 4);
    for (const item of [1, 3, 5]) scene.bad("check", item);
    again();
    scene.partition.finish("r", "check", failed(VALIDATION, "still bad"), 1);
    scene.partition.finish("r", "check", failed(NETWORK, "away"), 3);
    expect(scene.dispositions("check")).toBe("SU FA SU RE SU RU");
    stop();
    expect([1, 3, 5].map((item) => reasonOf(item))).toEqual(["still bad", "row 3 is bad", "row 5 is bad"]);
    staysRetryable();
  });

  test("what healed and was not done after all is CANCELLED, and done with the next retry", () => {
    scene.importInPart();
    again();
    scene.good("check", 1, 3);
    scene.bad("check", 5);
    scene.good("load", 1);
    stop();
    expect(scene.dispositions("load")).toBe("SU SU SU CA SU UN");
    staysRetryable();
    scene.bad("check", 5);
    scene.good("load", 3);
    scene.partition.finish("r", "report", succeeded("5 rows"));
    expect(scene.dispositions("load")).toBe("SU SU SU SU SU UN");
    expect(scene.status()).toBe("COMPLETED_WITH_FAILURES");
  });

  test("all has healed, and the rest was stopped: the run is no worse than it was, and says what is left", () => {
    scene.importInPart();
    again();
    scene.good("check", 1, 3, 5);
    stop();
    expect(scene.partition.run("r").failure).toMatchObject({ mode: FailureMode.CANCELLED });
    staysRetryable();
  });

  test("an action that stops early leaves failed what it did not come to", () => {
    const check = action("check", {
      forEach: overInput("/rows", 1),
      retry: ONE_ATTEMPT,
      tolerate: tolerateCount(1),
    });
    scene.begin(workflow("import", [check]));
    scene.bad("check", 0);
    scene.bad("check", 1);
    expect(scene.dispositions("check")).toBe("FA FA CA CA CA CA");
    again();
    scene.bad("check", 0, TIMEOUT);
    scene.partition.finish("r", "check", failed(NETWORK, "worse"), 1);
    expect(scene.dispositions("check")).toBe("FA FA CA CA CA CA");
    again();
    scene.partition.finish("r", "check", succeeded(), 0);
    stop();
    expect(scene.dispositions("check")).toBe("SU FA CA CA CA CA");
    expect(reasonOf(1)).toBe("worse");
    expect(scene.status()).toBe("FAILED");
    checkPartition(scene.partition);
  });

  test("everything anew, and stopped: the run is failed as it was, and can be retried", () => {
    scene.importInPart();
    again({ strategy: RecoveryStrategy.RETRY_ALL });
    stop();
    expect(failureOf("check")).toBe("3 of 6 items failed (VALIDATION 2, TIMEOUT 1)");
    staysRetryable();
  });

  test("cancelled twice, retried twice: nothing is lost or counted again", () => {
    scene.importInPart();
    for (let n = 0; n < 3; n++) {
      again();
      stop();
      checkPartition(scene.partition);
    }
    expect(scene.partition.itemRecord("r", "check", 1)?.detail?.text).toBe(
      "VALIDATION: row 1 is bad; its retry was cancelled: no longer wanted",
    );
    again();
    scene.good("check", 1, 3, 5);
    scene.good("load", 1, 3, 5);
    scene.partition.finish("r", "report", succeeded("6 rows"));
    expect(scene.status()).toBe("COMPLETED");
    checkPartition(scene.partition);
  });
});

describe("dead letters", () => {
  const moveAll = (): void => {
    scene.partition.control({
      case: "moveToDeadLetters",
      value: init(MoveToDeadLettersSchema, {
        runId: "r",
        action: "check",
        items: [1, 5],
        who: "bo",
        reason: "later",
      }),
    });
  };
  const there = (): string[] =>
    scene.partition.view.keysOf("D").map((key) => {
      const { action: index, item } = readDeadLetterKey(key);
      const record = scene.partition.view.get<DeadLetterRecord>(key);
      return `${index}/${item} ${record?.reason}`;
    });

  test("items go back to where they were, and a success does not", () => {
    scene.importInPart();
    moveAll();
    expect(there()).toEqual(["0/1 later", "0/5 later"]);
    again({ action: "check", items: [1, 3, 5] });
    expect(there()).toEqual([]);
    stop(5_000);
    scene.good("check", 1);
    for (const item of [3, 5]) scene.bad("check", item);
    expect(there()).toEqual(["0/5 its retry was cancelled: no longer wanted"]);
    checkPartition(scene.partition);
  });

  test("a run goes back as a whole", () => {
    scene.importInPart();
    const value = init(MoveToDeadLettersSchema, { runId: "r", who: "bo", reason: "later" });
    scene.partition.control({ case: "moveToDeadLetters", value });
    again();
    stop();
    expect(there()).toEqual(["-1/-1 its retry was cancelled: no longer wanted"]);
    staysRetryable();
  });
});

describe("actions that are not over items", () => {
  const once = workflow("once", [
    action("first", { retry: ONE_ATTEMPT }),
    action("second", { after: ["first"], retry: ONE_ATTEMPT }),
  ]);
  const begin = (definition = once): void => {
    scene.partition.append(batch([define(definition)]));
    scene.partition.send(start("r", definition.name, { input: inline({ n: 1 }) }));
  };

  test.each([0, 5_000])("cancelled with a grace of %i ms", (graceMs) => {
    begin();
    scene.partition.finish("r", "first", failed(NETWORK, "the host is away"));
    again();
    stop(graceMs);
    if (graceMs > 0) scene.partition.finish("r", "first", failed(FailureMode.CANCELLED, "stopped"));
    expect(scene.partition.status("r", "first")).toBe("FAILED");
    expect(failureOf("first")).toBe("the host is away");
    expect(detailOf("first")).toBe("NETWORK: the host is away; its retry was cancelled: no longer wanted");
    if (graceMs === 0) expect(detailOf("second")).toBe("upstream first failed");
    staysRetryable("FAILED");
  });

  test("what had never failed is cancelled, and the run can be retried all the same", () => {
    begin();
    scene.partition.finish("r", "first", failed(NETWORK, "the host is away"));
    again();
    scene.partition.finish("r", "first", succeeded());
    stop();
    expect(scene.partition.status("r", "second")).toBe("CANCELLED");
    staysRetryable("FAILED");
    expect(scene.partition.inFlight("r")).toEqual(["second"]);
  });

  test("a job of an outside system", () => {
    begin(workflow("jobs", [action("first", { batch: BATCH, retry: ONE_ATTEMPT })]));
    scene.partition.finish("r", "first", failed(NETWORK, "the host is away"));
    again();
    stop();
    expect(failureOf("first")).toBe("the host is away");
    staysRetryable("FAILED");
  });

  test("a guardrail leaves what had failed with its reason; the run says what stopped it", () => {
    begin(
      workflow("guarded", [action("first", { retry: ONE_ATTEMPT })], {
        guardrails: init(GuardrailsSchema, { maxDurationMs: 5_000n }),
      }),
    );
    scene.partition.finish("r", "first", failed(NETWORK, "the host is away"));
    again();
    scene.partition.pass(6_000);
    expect([scene.status(), failureOf("first")]).toEqual(["FAILED", "the host is away"]);
    expect(detailOf("first")).toMatch(/^NETWORK: the host is away; its retry was stopped: guardrail max_dur/);
    expect(scene.partition.run("r").failure?.mode).toBe(FailureMode.POLICY_BUDGET);
    checkPartition(scene.partition);
    expect(again({ force: true })).toMatchObject({ case: "accepted" });
  });

  test("a first generation that is cancelled is cancelled, whatever had failed of it", () => {
    begin();
    stop();
    expect(scene.status()).toBe("CANCELLED");
    expect(again()).toMatchObject({ case: "rejected" });
  });
});

describe("child runs", () => {
  const { NETWORK: away } = FailureMode;
  beforeEach(() => children.setUp());

  test("a cancelled retry of a parent leaves it and its child failed, and the next retry retries the child", () => {
    const child = children.begin();
    children.finish(child, "work", failed(away, "the host is away"));
    expect([children.status("p"), children.status(child)]).toEqual(["FAILED", "FAILED"]);
    children.control("p", retry("p"));
    expect(children.status(child)).toBe("RUNNING");
    children.control("p", cancel("p", "not now"));
    expect([children.status("p"), children.status(child)]).toEqual(["FAILED", "FAILED"]);
    expect(children.run("p").actions[0]?.failure?.message).toContain("the host is away");
    expect(children.run(child).actions[0]?.failure?.message).toBe("the host is away");
    children.allHold();
    children.control("p", retry("p"));
    expect(children.childOf("p", "sub")).toBe(child);
    children.finish(child, "work");
    children.finish("p", "after");
    expect(children.status("p")).toBe("COMPLETED");
    children.allHold();
  });

  test("a child that failed in part does not set off a parent whose retry was cancelled", () => {
    const child = children.begin("over-items", inline([1, 2, 3]));
    children.load(child, "each", 3);
    children.finish(child, "each", succeeded(), 0);
    children.finish(child, "each", succeeded(), 1);
    children.finish(child, "each", failed(VALIDATION, "bad"), 2);
    children.finish("p", "after");
    expect(children.status("p")).toBe("COMPLETED_WITH_FAILURES");
    children.control("p", retry("p"));
    expect(children.status(child)).toBe("RUNNING");
    children.control("p", cancel("p", "not now"));
    expect([children.status("p"), children.status(child)]).toEqual([
      "COMPLETED_WITH_FAILURES",
      "COMPLETED_WITH_FAILURES",
    ]);
    children.allHold();
  });

  test("a child begun by the retry that was cancelled is not asked again: it was never failed", () => {
    children.setUp(
      workflow("late", [
        action("sub", {
          child: childRun("leaf"),
          retry: ONE_ATTEMPT,
          timeouts: init(TimeoutsSchema, { startToCloseMs: 1_000 }),
        }),
      ]),
    );
    const first = children.begin("late");
    children.cluster.pass(2_000);
    expect(children.status("p")).toBe("FAILED");
    children.control("p", retry("p"));
    const second = children.childOf("p", "sub");
    expect(second).not.toBe(first);
    children.control("p", cancel("p", "not now"));
    expect([children.status("p"), children.status(second)]).toEqual(["FAILED", "CANCELLED"]);
    children.control("p", retry("p"));
    children.finish(children.childOf("p", "sub"), "work");
    expect(children.status("p")).toBe("COMPLETED");
    children.allHold();
  });
});
