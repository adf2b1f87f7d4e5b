/** How far something came that failed: names, counts and the recommendation that follows from them. */
import {
  CheckpointStepSchema,
  FailureMode,
  type PartialResult,
  RecoveryStrategy,
  RunStatus,
  type StepRecord,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { describe, expect, test } from "vitest";
import { stepKey } from "../state/tables.js";
import {
  action,
  command,
  define,
  failed,
  failure,
  inline,
  ONE_ATTEMPT,
  report,
  start,
  succeeded,
  workflow,
} from "../testing/build.js";
import { TestPartition } from "../testing/partition.js";
import { runView } from "./run-view.js";

const TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

function viewOf(partition: TestPartition, runId: string) {
  const run = partition.run(runId);
  const stepsOf = (index: number): StepRecord[] =>
    Array.from({ length: run.actions[index]?.steps ?? 0 }, (_, n) =>
      partition.view.get(stepKey(runId, index, -1, n)),
    ).filter((step): step is StepRecord => step !== undefined);
  return runView({
    runId,
    run,
    plan: partition.planOf(runId),
    partition: 0,
    seq: 1n,
    retryableUntilNs: 0n,
    workflowPaused: "",
    olderEvents: [],
    stepsOf,
    full: true,
  });
}

/** A run of one action that does `done` of `declared` steps and then fails in `mode`, at the next step. */
function failedAfter(done: number, declared: number, mode: FailureMode): PartialResult {
  const partition = new TestPartition();
  const steps = Array.from({ length: declared }, (_, n) => `s${n}`);
  partition.send(define(workflow("one", [action("only", { retry: ONE_ATTEMPT, steps })])));
  partition.send(start("r1", "one", { traceparent: TRACE }));
  for (let n = 0; n < done; n++) {
    const value = init(CheckpointStepSchema, {
      runId: "r1",
      attempt: 1,
      index: n,
      name: `s${n}`,
      result: inline(n),
    });
    partition.send(command({ case: "checkpointStep", value }));
  }
  const value = failure(mode, "it broke", { step: done < declared ? `s${done}` : "" });
  partition.send(report("r1", { outcome: { case: "failure", value } }));
  return viewOf(partition, "r1").actions[0]?.partial as PartialResult;
}

describe("the partial result of an action", () => {
  test("names what is done, what failed and what remains, and keeps the last result and the trace", () => {
    const partial = failedAfter(2, 5, FailureMode.NETWORK);
    expect(partial.completedSteps).toEqual(["s0", "s1"]);
    expect(partial.failedSteps).toEqual(["s2"]);
    expect(partial.remainingSteps).toEqual(["s3", "s4"]);
    expect([partial.totalSteps, partial.failurePoint, partial.completionMilli]).toEqual([5, "s2", 400]);
    expect(partial.lastOutput?.body.value).toEqual(inline(1).body.value);
    expect(partial.traceId).toBe("4bf92f3577b34da6a3ce929d0e0e4736");
    expect(partial.recoveryHint).not.toBe("");
    expect(partial.durationMs).toBeGreaterThan(0n);
  });

  test.each([
    [0, 4, FailureMode.NETWORK, RecoveryStrategy.RETRY_ALL],
    [1, 4, FailureMode.NETWORK, RecoveryStrategy.RETRY_FROM_CHECKPOINT],
    [249, 1000, FailureMode.NETWORK, RecoveryStrategy.RETRY_ALL],
    [250, 1000, FailureMode.NETWORK, RecoveryStrategy.RETRY_FROM_CHECKPOINT],
    [749, 1000, FailureMode.NETWORK, RecoveryStrategy.RETRY_FROM_CHECKPOINT],
    [750, 1000, FailureMode.NETWORK, RecoveryStrategy.RETRY_FAILED],
    [3, 4, FailureMode.NETWORK, RecoveryStrategy.RETRY_FAILED],
    [3, 4, FailureMode.VALIDATION, RecoveryStrategy.MANUAL],
    [3, 4, FailureMode.POLICY_SECURITY, RecoveryStrategy.MANUAL],
    [0, 0, FailureMode.TIMEOUT, RecoveryStrategy.RETRY_ALL],
    [0, 1, FailureMode.TIMEOUT, RecoveryStrategy.RETRY_ALL],
  ])("%i of %i steps and mode %i: strategy %i", (done, declared, mode, strategy) => {
    const partial = failedAfter(done, declared, mode);
    expect(partial.recoveryStrategy).toBe(strategy);
    expect(partial.isRecoverable).toBe(strategy !== RecoveryStrategy.MANUAL);
    expect(partial.failedSteps).toHaveLength(1);
  });
});

test("of a run, the actions are the steps, and a partial one is a failed one", () => {
  const partition = new TestPartition();
  partition.send(
    define(
      workflow("two", [
        action("a"),
        action("b", { after: ["a"], retry: ONE_ATTEMPT }),
        action("c", { after: ["b"] }),
      ]),
    ),
  );
  partition.send(start("r1", "two", { traceparent: TRACE }));
  partition.finish("r1", "a", succeeded("from a"));
  expect(viewOf(partition, "r1").partial).toBeUndefined();
  partition.finish("r1", "b", failed(FailureMode.NETWORK));
  const { partial, summary } = viewOf(partition, "r1");
  expect(summary?.status).toBe(RunStatus.FAILED);
  expect(partial?.completedSteps).toEqual(["a"]);
  expect(partial?.failedSteps).toEqual(["b"]);
  expect(partial?.remainingSteps).toEqual(["c"]);
  expect(partial?.lastOutput?.body.value).toEqual(inline("from a").body.value);
  expect(partial?.recoveryStrategy).toBe(RecoveryStrategy.RETRY_FROM_CHECKPOINT);
  expect(partial?.traceId).toBe("4bf92f3577b34da6a3ce929d0e0e4736");
});
