/** Compensation, told as stories of one run. */
import {
  ActionStatus,
  CheckpointStepSchema,
  FailureMode,
  type Outcome,
  RecoveryPolicySchema,
  RecoveryStrategy,
  RejectCode,
  RunEventType,
  RunStatus,
  SignalRunSchema,
  UndoStatus,
  type UndoView,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import { checkRun } from "../check/check-run.js";
import { runKey, stepKey, UNDO_STEPS } from "../state/tables.js";
import {
  action,
  batch,
  cancel,
  command,
  define,
  failed,
  inline,
  json,
  ONE_ATTEMPT,
  overInput,
  overItemsOf,
  report,
  retry,
  retryPolicy,
  start,
  succeeded,
  UNDO,
  workflow,
} from "../testing/build.js";
import { TestPartition } from "../testing/partition.js";
import { runView } from "../views/run-view.js";

const TWICE = retryPolicy({ maxAttempts: 2, initialBackoffMs: 100, jitterMilli: 0 });

let partition: TestPartition;
beforeEach(() => {
  partition = new TestPartition();
  partition.announce();
});

/** reserve → pay → ship; the first two can be undone. */
function order(fields: Parameters<typeof workflow>[2] = {}): void {
  partition.send(
    define(
      workflow(
        "order",
        [
          action("reserve", { undo: UNDO, retry: TWICE }),
          action("pay", { after: ["reserve"], undo: UNDO, retry: TWICE }),
          action("ship", { after: ["pay"], retry: ONE_ATTEMPT }),
        ],
        fields,
      ),
    ),
  );
  const outcomes = partition.append(
    batch([command(start("r1", "order", { notifyEnd: true }).kind, { correlation: 9n })]),
  );
  expect(outcomes).toHaveLength(1);
}

/** Up to the failure of the last action. */
function failedOrder(mode = FailureMode.NETWORK): void {
  order();
  partition.finish("r1", "reserve", succeeded("place 7"));
  partition.finish("r1", "pay", succeeded("receipt"));
  partition.finish("r1", "ship", failed(mode, "no carrier"));
}

const view = () =>
  runView({
    runId: "r1",
    run: partition.run("r1"),
    plan: partition.planOf("r1"),
    partition: 0,
    seq: 1n,
    olderEvents: [],
    stepsOf: () => [],
    full: true,
    retryableUntilNs: 0n,
    workflowPaused: "",
  });
const undoOf = (name: string): UndoView | undefined =>
  view().actions.find((each) => each.name === name)?.undo;
const undoWord = (name: string) => UndoStatus[undoOf(name)?.status ?? 0];
const status = (): string => RunStatus[partition.run("r1").status];
const detail = (): string => partition.run("r1").detail?.text ?? "";
const told = (): Outcome["result"][] =>
  partition.effects.flatMap((effect) => (effect.kind === "reply" ? [effect.outcome.result] : []));
const rejection = (result: Outcome["result"]): string =>
  result.case === "rejected" ? `${RejectCode[result.value.code]}: ${result.value.message}` : `${result.case}`;

describe("a run that is about to fail", () => {
  test("is undone last things first, one at a time, and only then ends", () => {
    failedOrder();
    expect(status()).toBe("RUNNING");
    expect(detail()).toBe("undoing: 0 of 2; ship: no carrier");
    expect(partition.inFlight("r1")).toEqual(["pay"]);
    expect([undoWord("pay"), undoWord("reserve"), undoOf("ship")]).toEqual(["RUNNING", "PENDING", undefined]);
    expect(told().filter(({ case: kind }) => kind === "ended")).toEqual([]);
    expect(checkRun(partition.view, "r1", partition.run("r1"), partition.planOf("r1")).breaches).toEqual([]);

    partition.finish("r1", "pay", succeeded());
    expect(detail()).toBe("undoing: 1 of 2; ship: no carrier");
    expect(partition.inFlight("r1")).toEqual(["reserve"]);

    partition.finish("r1", "reserve", succeeded());
    expect(status()).toBe("FAILED");
    expect(detail()).toBe("ship: no carrier; undone: pay, reserve");
    expect(partition.run("r1").failure).toMatchObject({
      mode: FailureMode.NETWORK,
      message: "ship: no carrier",
    });
    expect([undoWord("pay"), undoWord("reserve")]).toEqual(["DONE", "DONE"]);
    expect(partition.status("r1", "pay")).toBe("COMPLETED");
    expect(told().find(({ case: kind }) => kind === "ended")?.value).toMatchObject({
      status: RunStatus.FAILED,
    });
    const types = partition.run("r1").events.map(({ type }) => RunEventType[type]);
    expect(types.slice(types.indexOf("UNDO_STARTED"))).toEqual([
      "UNDO_STARTED",
      "ACTION_UNDO_STARTED",
      "ACTION_UNDONE",
      "ACTION_UNDO_STARTED",
      "ACTION_UNDONE",
      "RUN_ENDED",
    ]);
  });

  test("undoes by the action's retry policy; a report of an earlier attempt changes nothing", () => {
    failedOrder();
    partition.finish("r1", "pay", failed(FailureMode.NETWORK, "bank away"));
    expect(undoOf("pay")).toMatchObject({
      status: UndoStatus.RETRYING,
      attempts: 1,
      detail: "NETWORK: bank away",
    });
    expect(partition.inFlight("r1")).toEqual([]);
    expect(view().actions.find(({ name }) => name === "pay")?.attempt).toBe(1);
    partition.pass(100);
    expect(undoOf("pay")).toMatchObject({ status: UndoStatus.RUNNING, attempts: 2 });
    for (const attempt of [1, 2]) {
      const again = partition.send(report("r1", { action: 1, attempt, outcome: succeeded() }));
      expect(rejection(again)).toMatch(/^STALE_ATTEMPT/);
      expect(undoWord("pay")).toBe("RUNNING");
    }
    const ofAnItem = partition.send(report("r1", { action: 1, item: 0, attempt: 3, outcome: succeeded() }));
    expect(rejection(ofAnItem)).toMatch(/^STALE_ATTEMPT/);
    partition.finish("r1", "pay", succeeded());
    expect(partition.inFlight("r1")).toEqual(["reserve"]);
  });

  test("keeps the steps of an undo for its next attempt, apart from those of the action", () => {
    order();
    const step = (index: number, attempt: number, name: string, at = 0) =>
      command({
        case: "checkpointStep",
        value: init(CheckpointStepSchema, {
          runId: "r1",
          action: at,
          attempt,
          index,
          name,
          result: inline(name),
        }),
      });
    partition.send(step(0, 1, "done"));
    partition.finish("r1", "reserve", succeeded());
    partition.finish("r1", "pay", failed());
    expect(partition.inFlight("r1")).toEqual(["reserve"]);
    expect(partition.send(step(0, 1, "late")).case).toBe("rejected");
    expect(partition.send(step(0, 2, "undo-a")).case).toBe("accepted");
    expect(partition.send(step(0, 2, "again")).case).toBe("accepted");
    expect(partition.send(step(1, 2, "undo-b")).case).toBe("accepted");
    const { steps, undo } = partition.action("r1", "reserve");
    expect([steps, undo?.steps]).toEqual([1, 2]);
    expect(partition.view.get(stepKey("r1", 0, -1, 0))?.name).toBe("done");
    expect(partition.view.get(stepKey("r1", 0, UNDO_STEPS, 0))?.name).toBe("undo-a");
    expect(partition.view.get(stepKey("r1", 0, UNDO_STEPS, 1))?.name).toBe("undo-b");
  });

  test("goes on with the others where one can't be undone, and leaves that to a person", () => {
    failedOrder();
    partition.finish("r1", "pay", failed(FailureMode.VALIDATION, "no such receipt"));
    expect(undoOf("pay")).toMatchObject({ status: UndoStatus.FAILED, attempts: 1 });
    partition.finish("r1", "reserve", succeeded());
    expect(status()).toBe("FAILED");
    const could = "ship: no carrier; could not be undone: pay (VALIDATION: no such receipt)";
    expect(detail()).toBe(`${could}; undone: reserve`);
    expect(partition.run("r1").failure).toMatchObject({ mode: FailureMode.NETWORK, message: could });
    const { recommendation, partial } = view();
    expect(recommendation).toMatchObject({
      strategy: RecoveryStrategy.MANUAL,
      reason: "could not be undone: pay",
      recoverable: false,
    });
    expect(partial).toMatchObject({
      completedSteps: ["pay"],
      failedSteps: ["ship"],
      remainingSteps: ["reserve"],
    });
  });

  test("is not undone where a recovery is to come, and is after the last", () => {
    const recovery = init(RecoveryPolicySchema, {
      auto: true,
      maxAttempts: 1,
      backoff: retryPolicy({ initialBackoffMs: 1000, jitterMilli: 0 }),
    });
    order({ recovery });
    partition.finish("r1", "reserve", succeeded());
    partition.finish("r1", "pay", succeeded());
    partition.finish("r1", "ship", failed(FailureMode.NETWORK));
    expect(status()).toBe("FAILED");
    expect(undoOf("pay")).toBeUndefined();
    partition.pass(1_000);
    expect(partition.inFlight("r1")).toEqual(["ship"]);
    partition.finish("r1", "ship", failed(FailureMode.NETWORK));
    expect([status(), undoWord("pay")]).toEqual(["RUNNING", "RUNNING"]);
  });

  test("that only failed in part, or of which nothing completed, is not undone", () => {
    partition.send(
      define(
        workflow("w", [
          action("first", { undo: UNDO, retry: ONE_ATTEMPT }),
          action("extra", { optional: true, retry: ONE_ATTEMPT }),
        ]),
      ),
    );
    partition.send(start("r1", "w"));
    partition.finish("r1", "first", succeeded());
    partition.finish("r1", "extra", failed());
    expect([status(), undoOf("first")]).toEqual(["COMPLETED_WITH_FAILURES", undefined]);
    partition.send(start("r2", "w"));
    partition.finish("r2", "extra", succeeded());
    partition.finish("r2", "first", failed());
    expect(RunStatus[partition.run("r2").status]).toBe("FAILED");
  });
});

describe("a run that is cancelled", () => {
  test("is undone as well, and ends CANCELLED", () => {
    order();
    partition.finish("r1", "reserve", succeeded());
    partition.control(cancel("r1", "changed my mind"));
    expect(status()).toBe("RUNNING");
    expect(detail()).toBe("undoing: 0 of 1; cancelled: changed my mind");
    expect(partition.run("r1").undo?.cause).toMatchObject({ mode: FailureMode.CANCELLED });
    partition.finish("r1", "reserve", succeeded());
    expect(status()).toBe("CANCELLED");
    expect(detail()).toBe("cancelled: changed my mind; undone: reserve");
    expect(view().recommendation).toMatchObject({ strategy: RecoveryStrategy.ABORT });
    expect(partition.run("r1").failure).toBeUndefined();
  });

  test("says what could not be undone", () => {
    order();
    partition.finish("r1", "reserve", succeeded());
    partition.control(cancel("r1", "changed my mind"));
    partition.finish("r1", "reserve", failed(FailureMode.CONFLICT, "gone"));
    expect(status()).toBe("CANCELLED");
    expect(partition.run("r1").failure).toMatchObject({
      mode: FailureMode.CONFLICT,
      message: "cancelled: changed my mind; could not be undone: reserve (CONFLICT: gone)",
    });
    expect(view().recommendation).toMatchObject({ strategy: RecoveryStrategy.MANUAL });
    expect(rejection(partition.control(retry("r1")))).toMatch(/^NOT_RECOVERABLE/);
  });
});

describe("while a run is undone", () => {
  test.each([
    ["a cancel", cancel("r1"), /^ALREADY_ENDED: .*compensation, which a cancel does not stop: 1 of 2 undone/],
    [
      "a retry",
      retry("r1", { strategy: RecoveryStrategy.RETRY_ALL, force: true }),
      /^NOT_FAILED: .*being undone \(1 of 2\)/,
    ],
    [
      "a signal",
      { case: "signalRun" as const, value: init(SignalRunSchema, { runId: "r1", name: "go" }) },
      /^ALREADY_ENDED: .*being undone \(1 of 2\)/,
    ],
  ])("%s is refused and changes nothing", (_, kind, message) => {
    failedOrder();
    partition.finish("r1", "pay", succeeded());
    const before = partition.view.dump().get(runKey("r1"));
    expect(rejection(partition.control(kind))).toMatch(message);
    expect(partition.view.dump().get(runKey("r1"))).toEqual(before);
    partition.finish("r1", "reserve", succeeded());
    expect(status()).toBe("FAILED");
  });
});

describe("a retry of a run that was undone", () => {
  const undone = (): void => {
    failedOrder();
    partition.finish("r1", "pay", succeeded());
    partition.finish("r1", "reserve", succeeded());
  };

  test("is recommended as one that does it all again, and says so", () => {
    undone();
    expect(view().recommendation).toMatchObject({ strategy: RecoveryStrategy.RETRY_ALL });
    expect(view().recommendation?.hint).toContain(
      "What was undone (pay, reserve) runs again, whatever the strategy.",
    );
    expect(view().completionMilli).toBe(0);
  });

  test.each([
    RecoveryStrategy.UNSPECIFIED,
    RecoveryStrategy.RETRY_FAILED,
    RecoveryStrategy.RETRY_FROM_CHECKPOINT,
    RecoveryStrategy.RETRY_ALL,
  ])("does anew what was undone, under strategy %i", (strategy) => {
    undone();
    expect(partition.control(retry("r1", { strategy })).case).toBe("accepted");
    expect([partition.inFlight("r1"), undoOf("pay"), undoOf("reserve")]).toEqual([
      ["reserve"],
      undefined,
      undefined,
    ]);
    expect(partition.action("r1", "reserve").undo?.times).toBe(1);
    partition.finish("r1", "reserve", succeeded());
    partition.finish("r1", "pay", succeeded());
    partition.finish("r1", "ship", failed());
    expect(undoWord("pay")).toBe("RUNNING");
    partition.finish("r1", "pay", succeeded());
    partition.finish("r1", "reserve", succeeded());
    expect([status(), partition.action("r1", "reserve").undo?.times]).toEqual(["FAILED", 2]);
  });

  test("takes what could not be undone for done, and tries to undo it again where it must", () => {
    failedOrder();
    partition.finish("r1", "pay", succeeded());
    partition.finish("r1", "reserve", failed(FailureMode.CONFLICT, "gone"));
    partition.control(retry("r1"));
    expect(partition.inFlight("r1")).toEqual(["pay"]);
    expect(undoOf("reserve")).toMatchObject({
      status: UndoStatus.FAILED,
      detail: "CONFLICT: gone",
      generation: 1,
    });
    partition.finish("r1", "pay", failed());
    expect(partition.inFlight("r1")).toEqual(["reserve"]);
    partition.finish("r1", "reserve", succeeded());
    expect(detail()).toContain("; undone: reserve");
    expect(view().recommendation?.strategy).toBe(RecoveryStrategy.MANUAL);
    expect(view().recommendation?.reason).toContain("VALIDATION");
  });
});

test("an action over items is undone as a whole, and all its items are done again", () => {
  partition.send(
    define(
      workflow("w", [
        action("load", { forEach: overInput("/rows"), undo: UNDO, retry: ONE_ATTEMPT }),
        action("each", { forEach: overItemsOf("load"), retry: ONE_ATTEMPT }),
        action("last", { after: ["each"], retry: ONE_ATTEMPT }),
      ]),
    ),
  );
  partition.send(start("r1", "w"));
  partition.load("r1", "load", [json(1), json(2), json(3)]);
  for (const item of [0, 2]) partition.finish("r1", "load", succeeded(item), item);
  partition.finish("r1", "load", failed(FailureMode.NETWORK), 1);
  for (const item of [0, 2]) partition.finish("r1", "each", succeeded(item), item);
  partition.finish("r1", "last", failed(FailureMode.NETWORK));
  expect(partition.status("r1", "load")).toBe("COMPLETED_WITH_FAILURES");
  expect(partition.inFlight("r1")).toEqual(["load"]);
  partition.finish("r1", "load", succeeded());
  expect(status()).toBe("FAILED");
  partition.control(retry("r1"));
  expect(partition.action("r1", "each").status).toBe(ActionStatus.PENDING);
  partition.load("r1", "load", [json(1), json(2), json(3)]);
  expect(partition.inFlight("r1")).toEqual(["load#0", "load#1", "load#2"]);
  for (const item of [0, 1, 2]) partition.finish("r1", "load", succeeded(item), item);
  expect(partition.inFlight("r1")).toEqual(["each#0", "each#1", "each#2"]);
  for (const item of [0, 1, 2]) partition.finish("r1", "each", succeeded(item), item);
  partition.finish("r1", "last", succeeded());
  expect(status()).toBe("COMPLETED");
});
