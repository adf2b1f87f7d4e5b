/** Steps, strategies and automatic recovery, told as stories of one run. */
import {
  ActionStatus,
  CheckpointStepSchema,
  type CheckpointStep,
  Effect,
  FailureMode,
  RecoveryPolicySchema,
  RecoveryStrategy,
  RejectCode,
  RunStatus,
  StartRunSchema,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import { stepKey } from "../state/tables.js";
import {
  action,
  batch,
  command,
  define,
  failed,
  inline,
  json,
  ONE_ATTEMPT,
  overInput,
  overItemsOf,
  retry,
  retryPolicy,
  start,
  succeeded,
  workflow,
} from "../testing/build.js";
import { TestPartition } from "../testing/partition.js";

const checkpoint = (runId: string, fields: Init<CheckpointStep>) =>
  command({ case: "checkpointStep", value: init(CheckpointStepSchema, { runId, attempt: 1, ...fields }) });

let partition: TestPartition;
beforeEach(() => {
  partition = new TestPartition();
  partition.announce();
});

const stepNames = (runId: string, item = -1, bound = 10): string[] =>
  Array.from(
    { length: bound },
    (_, index) => partition.view.get(stepKey(runId, 0, item, index))?.name ?? "",
  ).filter((name) => name !== "");

describe("a step", () => {
  beforeEach(() => {
    partition.send(
      define(
        workflow("one", [action("only", { retry: retryPolicy({ maxAttempts: 2, initialBackoffMs: 10 }) })]),
      ),
    );
    partition.send(start("r1", "one", { input: inline(1) }));
  });

  test("is kept once, and only of the current attempt", () => {
    expect(partition.send(checkpoint("r1", { index: 0, name: "a", result: inline("x") })).case).toBe(
      "accepted",
    );
    expect(partition.send(checkpoint("r1", { index: 0, name: "again", result: inline("y") })).case).toBe(
      "accepted",
    );
    expect(partition.send(checkpoint("r1", { index: 1, name: "b", attempt: 2 })).case).toBe("rejected");
    expect(stepNames("r1")).toEqual(["a"]);
    partition.finish("r1", "only", failed(FailureMode.NETWORK));
    expect(partition.send(checkpoint("r1", { index: 1, name: "late" })).case).toBe("rejected");
    partition.pass(1_000);
    expect(partition.action("r1", "only").attempt).toBe(2);
    expect(partition.send(checkpoint("r1", { index: 1, name: "b", attempt: 2 })).case).toBe("accepted");
    expect(stepNames("r1")).toEqual(["a", "b"]);
    expect(partition.action("r1", "only").steps).toBe(2);
  });

  test.each([
    ["no name", { index: 0, name: "" }, RejectCode.INVALID_NAME],
    ["a name without end", { index: 0, name: "x".repeat(200) }, RejectCode.INVALID_NAME],
    ["too high a number", { index: 10_000, name: "a" }, RejectCode.TOO_LARGE],
    ["another run", { index: 0, name: "a", runId: "r2" }, RejectCode.STALE_ATTEMPT],
    ["another action", { index: 0, name: "a", action: 7 }, RejectCode.STALE_ATTEMPT],
    ["an item where there are none", { index: 0, name: "a", item: 0 }, RejectCode.STALE_ATTEMPT],
  ])("with %s is refused and changes nothing", (_what, fields, code) => {
    const answer = partition.send(checkpoint("r1", fields));
    expect(answer.case === "rejected" ? answer.value.code : answer.case).toBe(code);
    expect(stepNames("r1")).toEqual([]);
    expect(partition.action("r1", "only").steps).toBe(0);
  });
});

test("steps of items are kept apart, and survive the item's failure", () => {
  partition.send(define(workflow("many", [action("each", { forEach: overInput(), retry: ONE_ATTEMPT })])));
  partition.send(start("r1", "many", { input: inline([1, 2]) }));
  partition.load("r1", "each", [json(1), json(2)]);
  partition.send(checkpoint("r1", { item: 0, index: 0, name: "a0" }));
  partition.send(checkpoint("r1", { item: 1, index: 0, name: "a1" }));
  partition.finish("r1", "each", failed(FailureMode.NETWORK), 0);
  partition.finish("r1", "each", succeeded(), 1);
  expect(partition.run("r1").status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
  expect([stepNames("r1", 0), stepNames("r1", 1)]).toEqual([["a0"], ["a1"]]);
  expect(partition.itemRecord("r1", "each", 0)?.steps).toBe(1);
  partition.control(retry("r1"));
  partition.send(checkpoint("r1", { item: 0, index: 1, name: "b0", attempt: 2 }));
  expect(stepNames("r1", 0)).toEqual(["a0", "b0"]);
});

describe("a strategy", () => {
  const definition = workflow("three", [
    action("check", { forEach: overInput(), retry: ONE_ATTEMPT }),
    action("load", { forEach: overItemsOf("check"), retry: ONE_ATTEMPT }),
    action("other", { retry: ONE_ATTEMPT }),
    action("report", { after: ["load", "other"], retry: ONE_ATTEMPT }),
  ]);

  beforeEach(() => {
    partition.send(define(definition));
    partition.send(start("r1", "three", { input: inline([1, 2]) }));
    partition.load("r1", "check", [json(1), json(2)]);
    partition.finish("r1", "other", succeeded());
    partition.finish("r1", "check", failed(FailureMode.NETWORK), 0);
    partition.finish("r1", "check", succeeded(), 1);
    partition.finish("r1", "load", succeeded(), 1);
    partition.finish("r1", "report", succeeded());
  });

  const retryWith = (strategy: RecoveryStrategy) => partition.control(retry("r1", { strategy }));
  const statuses = () =>
    ["check", "load", "other", "report"].map((name) => ActionStatus[partition.action("r1", name).status]);

  test("RETRY_FAILED runs the failed item alone; where it fails again, nothing behind it runs", () => {
    expect(partition.run("r1").status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
    expect(retryWith(RecoveryStrategy.RETRY_FAILED).case).toBe("accepted");
    expect(statuses()).toEqual(["RUNNING", "COMPLETED", "COMPLETED", "COMPLETED"]);
    partition.finish("r1", "check", failed(FailureMode.NETWORK), 0);
    expect(partition.run("r1").status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
    expect(partition.action("r1", "report").attempt).toBe(1);
  });

  test("RETRY_FROM_CHECKPOINT runs what comes after the failed part again, come what may", () => {
    retryWith(RecoveryStrategy.RETRY_FROM_CHECKPOINT);
    expect(statuses()).toEqual(["RUNNING", "PENDING", "COMPLETED", "PENDING"]);
    partition.finish("r1", "check", failed(FailureMode.NETWORK), 0);
    expect(statuses()).toEqual(["COMPLETED_WITH_FAILURES", "COMPLETED", "COMPLETED", "RUNNING"]);
    expect(partition.action("r1", "report").attempt).toBe(2);
  });

  test("RETRY_ALL keeps nothing but the count of attempts", () => {
    retryWith(RecoveryStrategy.RETRY_ALL);
    expect(statuses()).toEqual(["RUNNING", "PENDING", "RUNNING", "PENDING"]);
    expect(partition.counts("r1", "load").total).toBe(0);
    partition.load("r1", "check", [json(1), json(2)]);
    for (const item of [0, 1]) partition.finish("r1", "check", succeeded(), item);
    for (const item of [0, 1]) partition.finish("r1", "load", succeeded(), item);
    partition.finish("r1", "other", succeeded());
    partition.finish("r1", "report", succeeded());
    expect(partition.run("r1").status).toBe(RunStatus.COMPLETED);
    expect(partition.run("r1").effect).toBe(Effect.VALUE);
    expect(partition.itemRecord("r1", "check", 1)?.attempt).toBe(2);
    expect(partition.action("r1", "report").attempt).toBe(2);
  });

  test.each([RecoveryStrategy.ABORT, RecoveryStrategy.MANUAL, 99])(
    "%s is nothing to retry with",
    (strategy) => {
      const answer = retryWith(strategy);
      expect(answer.case === "rejected" ? answer.value.code : answer.case).toBe(RejectCode.UNSUPPORTED);
      expect(partition.run("r1").generation).toBe(1);
    },
  );
});

test("RETRY_ALL forgets steps, and takes no late one of before for a new one", () => {
  partition.send(
    define(workflow("one", [action("only", { retry: ONE_ATTEMPT, steps: ["a", "b", "c", "d", "e"] })])),
  );
  partition.send(start("r1", "one"));
  partition.send(checkpoint("r1", { index: 0, name: "a" }));
  partition.finish("r1", "only", failed(FailureMode.NETWORK));
  partition.control(retry("r1", { strategy: RecoveryStrategy.RETRY_ALL }));
  expect(partition.action("r1", "only").steps).toBe(0);
  partition.send(checkpoint("r1", { index: 0, name: "late" }));
  expect(stepNames("r1")).toEqual(["a"]);
  partition.send(checkpoint("r1", { index: 0, name: "fresh", attempt: 2 }));
  expect(stepNames("r1")).toEqual(["fresh"]);
});

describe("a workflow that recovers by itself", () => {
  const recovery = init(RecoveryPolicySchema, {
    auto: true,
    maxAttempts: 2,
    backoff: retryPolicy({ initialBackoffMs: 1_000, jitterMilli: 0 }),
  });
  beforeEach(() => {
    partition.send(define(workflow("auto", [action("only", { retry: ONE_ATTEMPT })], { recovery })));
    partition.send(start("r1", "auto"));
  });

  test("retries a failed run after growing pauses, as often as it may, and says so", () => {
    partition.finish("r1", "only", failed(FailureMode.NETWORK));
    expect(partition.run("r1").detail?.text).toMatch(/; recovery 1 of 2 \(RETRY_ALL\) in 1000 ms$/);
    partition.pass(990);
    expect(partition.run("r1").status).toBe(RunStatus.FAILED);
    partition.pass(20);
    expect(partition.run("r1").status).toBe(RunStatus.RUNNING);
    partition.finish("r1", "only", failed(FailureMode.NETWORK));
    expect(partition.run("r1").detail?.text).toMatch(/recovery 2 of 2 \(RETRY_ALL\) in 2000 ms$/);
    partition.pass(2_001);
    partition.finish("r1", "only", failed(FailureMode.NETWORK));
    expect(partition.run("r1").detail?.text).not.toMatch(/recovery/);
    partition.pass(100_000);
    expect(partition.run("r1").status).toBe(RunStatus.FAILED);
    expect(partition.run("r1").generation).toBe(3);
  });

  test("tells nobody of an end that is none, and whoever starts it again waits for the real one", () => {
    partition.finish("r1", "only", failed(FailureMode.NETWORK));
    expect(partition.run("r1").recoverAtNs).toBeGreaterThan(0n);
    const again = command(
      { case: "startRun", value: init(StartRunSchema, { runId: "r1", workflow: "auto", notifyEnd: true }) },
      { correlation: 77n },
    );
    const answers = () =>
      partition.effects.flatMap((effect) => (effect.kind === "reply" ? [effect.outcome.result.case] : []));
    partition.append(batch([again]));
    expect(answers()).toEqual(["accepted"]);
    partition.pass(1_001);
    expect(partition.run("r1").recoverAtNs).toBe(0n);
    partition.finish("r1", "only", succeeded());
    expect(answers()).toContain("ended");
  });

  test("leaves alone what a person has to mend", () => {
    partition.finish("r1", "only", failed(FailureMode.VALIDATION));
    partition.pass(100_000);
    expect(partition.run("r1").generation).toBe(1);
  });

  test("does nothing where an operator was faster, and counts anew after that", () => {
    partition.finish("r1", "only", failed(FailureMode.NETWORK));
    partition.control(retry("r1"));
    partition.pass(5_000);
    expect(partition.run("r1").generation).toBe(2);
    partition.finish("r1", "only", failed(FailureMode.NETWORK));
    expect(partition.run("r1").detail?.text).toMatch(/recovery 1 of 2/);
  });
});
