/** A person's no is not undone by a machine: whatever else failed, and in whichever run of a family it was said. */
import {
  ApprovalWaitSchema,
  DecideApprovalSchema,
  FailureMode,
  RecoveryPolicySchema,
  RecoveryStrategy,
  WaitSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, expect, test } from "vitest";
import { recommendForRun } from "../recovery/recommend-run.js";
import { runView } from "../views/run-view.js";
import { action, childRun, failed, ONE_ATTEMPT, retry, retryPolicy, workflow } from "../testing/build.js";
import { allHold, begin, cluster, control, finish, run, setUp, status } from "../testing/child-scene.js";

const recovery = init(RecoveryPolicySchema, {
  auto: true,
  maxAttempts: 5,
  backoff: retryPolicy({ initialBackoffMs: 100, maxBackoffMs: 100, jitterMilli: 0 }),
});
const ask = action("ok", {
  wait: init(WaitSchema, { for: { case: "approval", value: init(ApprovalWaitSchema, { prompt: "pay?" }) } }),
});
const work = action("work", { retry: ONE_ATTEMPT });

beforeEach(() =>
  setUp(
    workflow("asking", [ask, work], { recovery }),
    workflow(
      "above",
      [
        action("sub", {
          child: childRun("asking"),
          retry: retryPolicy({ maxAttempts: 5, initialBackoffMs: 100 }),
        }),
        action("other", { retry: ONE_ATTEMPT }),
      ],
      { recovery },
    ),
  ),
);

const reject = (runId: string): void => {
  const value = init(DecideApprovalSchema, {
    runId,
    action: "ok",
    approved: false,
    who: "ann",
    comment: "too much",
  });
  cluster.of(runId).control({ case: "decideApproval", value });
  cluster.settle();
};
const advice = (runId: string) => recommendForRun(runId, cluster.of(runId).planOf(runId), run(runId));

test("beside a failure that may pass, nothing is recovered by itself", () => {
  cluster.start("p", "asking");
  finish("p", "work", failed(FailureMode.NETWORK, "away"));
  reject("p");
  expect(advice("p")).toMatchObject({ strategy: RecoveryStrategy.MANUAL, recoverable: false });
  expect(advice("p").reason).toBe("a person said no (ok: rejected by ann: too much)");
  cluster.pass(60_000);
  expect([status("p"), run("p").generation]).toEqual(["FAILED", 1]);
  allHold();
  control("p", retry("p"));
  expect(run("p").generation).toBe(2);
});

test("said in a child, it is neither asked again by the parent's action nor by its policy", () => {
  const child = begin("above");
  finish("p", "other", failed(FailureMode.NETWORK, "away"));
  finish(child, "work", failed(FailureMode.NETWORK, "away"));
  reject(child);
  cluster.pass(60_000);
  expect([status("p"), run("p").generation, run(child).generation]).toEqual(["FAILED", 1, 1]);
  expect(advice("p").strategy).toBe(RecoveryStrategy.MANUAL);
  allHold();
});

test("what is shown as done of a run is what its recommendation goes by", () => {
  cluster.start("p", "asking");
  finish("p", "work", failed(FailureMode.NETWORK, "away"));
  cluster.of("p").control({
    case: "decideApproval",
    value: init(DecideApprovalSchema, { runId: "p", action: "ok", approved: true, who: "ann" }),
  });
  const view = runView({
    runId: "p",
    run: run("p"),
    plan: cluster.of("p").planOf("p"),
    partition: 0,
    seq: 1n,
    workflowPaused: "",
    retryableUntilNs: 0n,
    olderEvents: [],
    stepsOf: () => [],
    full: false,
  });
  expect([view.completionMilli, view.partial?.completionMilli]).toEqual([500, 500]);
  expect(view.recommendation?.reason).toContain("50.0 % is done");
});
