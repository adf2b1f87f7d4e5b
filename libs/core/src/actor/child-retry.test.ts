/** Child runs through retries and recoveries of either side, and what healed on one heals on the other. */
import {
  FailureMode,
  OutputSourceSchema,
  RecoveryPolicySchema,
  RecoveryStrategy,
  RunStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import {
  action,
  cancel,
  childRun,
  failed,
  inline,
  ONE_ATTEMPT,
  overInput,
  report,
  retry,
  retryPolicy,
  succeeded,
  UNDO,
  workflow,
} from "../testing/build.js";

import {
  allHold,
  begin,
  childOf,
  cluster,
  control,
  finish,
  load,
  of,
  run,
  setUp,
  status,
  textOf,
} from "../testing/child-scene.js";

beforeEach(() => setUp());

describe("a retry of the parent", () => {
  test("retries the child's failed parts, not the child from its beginning", () => {
    const child = begin("over-items", inline([1, 2]));
    load(child, "each", 2);
    finish(child, "each", succeeded(), 0);
    finish(child, "each", failed(), 1);
    finish("p", "after", failed());
    expect(status("p")).toBe("FAILED");
    expect(control("p", retry("p"))).toBe("accepted");
    expect(childOf("p", "sub")).toBe(child);
    expect(cluster.of(child).inFlight(child)).toEqual(["each#1"]);
    expect(run(child).generation).toBe(2);
    finish(child, "each", succeeded(), 1);
    finish("p", "after");
    expect(status("p")).toBe("COMPLETED");
    expect(cluster.of("p").action("p", "sub").child).toMatchObject({
      generation: 2,
      status: RunStatus.COMPLETED,
    });
    allHold();
  });

  test("with RETRY_ALL begins another child", () => {
    const child = begin();
    finish(child, "work", failed());
    control("p", retry("p", { strategy: RecoveryStrategy.RETRY_ALL }));
    const second = childOf("p", "sub");
    expect(second).not.toBe(child);
    expect([status(child), status(second)]).toEqual(["FAILED", "RUNNING"]);
    finish(second, "work");
    finish("p", "after");
    expect(status("p")).toBe("COMPLETED");
    allHold();
  });

  test("begins another child where its input is another", () => {
    setUp(
      workflow("from", [
        action("first", { forEach: overInput("", 9), retry: ONE_ATTEMPT }),
        action("gather", { after: ["first"], retry: ONE_ATTEMPT }),
        action("sub", {
          child: childRun("leaf", {
            input: { case: "outputOf", value: init(OutputSourceSchema, { action: "gather" }) },
          }),
        }),
      ]),
    );
    begin("from", inline([1, 2]));
    load("p", "first", 2);
    finish("p", "first", succeeded(), 0);
    finish("p", "first", failed(), 1);
    finish("p", "gather", succeeded("one"));
    const child = childOf("p", "sub");
    finish(child, "work", failed());
    control("p", retry("p"));
    finish("p", "first", succeeded(), 1);
    finish("p", "gather", succeeded("both"));
    const second = childOf("p", "sub");
    expect(second).not.toBe(child);
    expect(textOf(run(second).input)).toBe('"both"');
    allHold();
  });

  test("of a child that failed in a terminal mode needs force, and passes it on", () => {
    const child = begin();
    finish(child, "work", failed(FailureMode.POLICY_SECURITY));
    expect(control("p", retry("p"))).toBe("rejected");
    expect(control("p", retry("p", { force: true }))).toBe("accepted");
    expect(status(child)).toBe("RUNNING");
    allHold();
  });

  test("begins another child where the failed one was cancelled", () => {
    const child = begin();
    control(child, cancel(child));
    control("p", retry("p"));
    expect(childOf("p", "sub")).not.toBe(child);
    finish(childOf("p", "sub"), "work");
    finish("p", "after");
    expect(status("p")).toBe("COMPLETED");
    allHold();
  });
});

describe("a retry policy on the action", () => {
  beforeEach(() => {
    const policy = retryPolicy({ maxAttempts: 2, initialBackoffMs: 100, jitterMilli: 0 });
    setUp(workflow("twice", [action("sub", { child: childRun("leaf"), retry: policy })]));
  });

  test("retries a child whose failure may pass, after a pause", () => {
    const child = begin("twice");
    finish(child, "work", failed(FailureMode.NETWORK));
    expect(of("p", "sub")).toBe("RETRYING");
    cluster.pass(200);
    expect([of("p", "sub"), status(child)]).toEqual(["WAITING", "RUNNING"]);
    expect(cluster.of("p").action("p", "sub").attempt).toBe(2);
    finish(child, "work", failed(FailureMode.NETWORK));
    expect([of("p", "sub"), status("p")]).toEqual(["FAILED", "FAILED"]);
    allHold();
  });

  test("takes the result of a child that was retried and completed during the pause", () => {
    const child = begin("twice");
    finish(child, "work", failed(FailureMode.NETWORK));
    control(child, retry(child));
    finish(child, "work");
    expect(status("p")).toBe("COMPLETED");
    cluster.pass(500);
    expect(run("p").generation).toBe(1);
    allHold();
  });

  test("does not retry a child whose failure won't pass", () => {
    const child = begin("twice");
    finish(child, "work", failed(FailureMode.VALIDATION));
    expect(of("p", "sub")).toBe("FAILED");
  });
});

describe("a child that is retried by itself", () => {
  test("heals its parent when it completes: what was skipped runs, in a new generation", () => {
    const child = begin();
    finish(child, "work", failed());
    expect([status("p"), of("p", "after")]).toEqual(["FAILED", "SKIPPED"]);
    control(child, retry(child));
    expect(status("p")).toBe("FAILED");
    finish(child, "work", succeeded("healed"));
    expect([status("p"), of("p", "sub"), of("p", "after")]).toEqual(["RUNNING", "COMPLETED", "RUNNING"]);
    expect(run("p").generation).toBe(2);
    finish("p", "after");
    expect(status("p")).toBe("COMPLETED");
    allHold();
  });

  test("heals in part: what had completed over a part runs again over more", () => {
    const child = begin("over-items", inline([1, 2]));
    load(child, "each", 2);
    finish(child, "each", succeeded(), 0);
    finish(child, "each", failed(), 1);
    finish("p", "after");
    expect(status("p")).toBe("COMPLETED_WITH_FAILURES");
    control(child, retry(child));
    finish(child, "each", succeeded(), 1);
    expect([of("p", "sub"), of("p", "after")]).toEqual(["COMPLETED", "RUNNING"]);
    finish("p", "after");
    expect(status("p")).toBe("COMPLETED");
    allHold();
  });

  test("leaves its parent as it is where it fails again, and shows how the child stands", () => {
    const child = begin();
    finish(child, "work", failed());
    control(child, retry(child));
    finish(child, "work", failed(FailureMode.NETWORK));
    expect(run("p")).toMatchObject({ status: RunStatus.FAILED, generation: 1 });
    expect(cluster.of("p").action("p", "sub").child?.generation).toBe(2);
    allHold();
  });

  test("is taken at the parent's next retry where the parent had not ended", () => {
    setUp(
      workflow("wide", [action("sub", { child: childRun("leaf") }), action("other", { retry: ONE_ATTEMPT })]),
    );
    const child = begin("wide");
    finish(child, "work", failed());
    control(child, retry(child));
    finish(child, "work");
    expect([of("p", "sub"), status("p")]).toEqual(["FAILED", "RUNNING"]);
    finish("p", "other");
    expect(status("p")).toBe("FAILED");
    control("p", retry("p"));
    expect([status("p"), childOf("p", "sub")]).toEqual(["COMPLETED", child]);
    expect(run(child).generation).toBe(2);
    allHold();
  });

  test("heals no parent that was cancelled", () => {
    setUp(workflow("wide", [action("sub", { child: childRun("leaf") }), action("other")]));
    const child = begin("wide");
    finish(child, "work", failed());
    control("p", cancel("p"));
    control(child, retry(child));
    finish(child, "work");
    expect(status("p")).toBe("CANCELLED");
    allHold();
  });
});

describe("a child that recovers by itself", () => {
  const recovery = init(RecoveryPolicySchema, {
    auto: true,
    maxAttempts: 1,
    backoff: retryPolicy({ initialBackoffMs: 50, jitterMilli: 0 }),
  });
  beforeEach(() => {
    setUp(
      workflow("tough", [action("work", { retry: ONE_ATTEMPT })], { recovery }),
      workflow("over-tough", [action("sub", { child: childRun("tough") })]),
    );
  });

  test("has not ended for its parent before no recovery is to come", () => {
    const child = begin("over-tough");
    finish(child, "work", failed(FailureMode.NETWORK));
    expect([status(child), of("p", "sub")]).toEqual(["FAILED", "WAITING"]);
    cluster.pass(100);
    expect(status(child)).toBe("RUNNING");
    finish(child, "work", failed(FailureMode.NETWORK));
    expect(status("p")).toBe("FAILED");
    allHold();
  });

  test("recovers no more once its parent was cancelled", () => {
    const child = begin("over-tough");
    finish(child, "work", failed(FailureMode.NETWORK));
    control("p", cancel("p"));
    cluster.pass(500);
    expect([status("p"), status(child)]).toEqual(["CANCELLED", "FAILED"]);
    expect(run(child).recoverAtNs).toBe(0n);
    allHold();
  });
});

describe("a child that can be undone", () => {
  const undoing = (auto: boolean): string => {
    const backoff = retryPolicy({ initialBackoffMs: 50, jitterMilli: 0 });
    setUp(
      workflow(
        "kind",
        [action("first", { undo: UNDO }), action("work", { after: ["first"], retry: ONE_ATTEMPT })],
        { recovery: init(RecoveryPolicySchema, { auto, maxAttempts: 1, backoff }) },
      ),
      workflow("over-kind", [action("sub", { child: childRun("kind") })]),
    );
    const child = begin("over-kind");
    finish(child, "first");
    finish(child, "work", failed(FailureMode.NETWORK));
    return child;
  };

  test("has not ended for its parent before it is undone, which the parent's cancel does not stop", () => {
    const child = undoing(false);
    expect([status(child), of("p", "sub")]).toEqual(["RUNNING", "WAITING"]);
    const before = run(child).nextEvent;
    control("p", cancel("p"));
    expect([status("p"), status(child), run(child).nextEvent]).toEqual(["CANCELLED", "RUNNING", before]);
    allHold();
    finish(child, "first");
    expect([status(child), run(child).actions[0]?.undo?.times]).toEqual(["FAILED", 1]);
    allHold();
  });

  test("is told to its parent as it ended", () => {
    const child = undoing(false);
    finish(child, "first");
    expect([status(child), status("p")]).toEqual(["FAILED", "FAILED"]);
    expect(run("p").failure?.mode).toBe(FailureMode.NETWORK);
    allHold();
  });

  test("is undone where the recovery that was to come is called off, in a generation of its own", () => {
    const child = undoing(true);
    expect([status(child), run(child).generation]).toEqual(["FAILED", 1]);
    control("p", cancel("p"));
    expect([status(child), run(child).generation, run(child).undo?.total]).toEqual(["RUNNING", 2, 1]);
    allHold();
    cluster.pass(500);
    finish(child, "first");
    expect([status(child), run(child).recoverAtNs]).toEqual(["FAILED", 0n]);
    expect(run(child).detail?.text).toContain("; undone: first");
    allHold();
  });
});

describe("repetitions and strangers change nothing", () => {
  test("an end that is told twice counts once, one of another attempt not at all", () => {
    const child = begin();
    cluster.of(child).finish(child, "work", failed());
    const from = cluster.of(child).number;
    const to = cluster.of("p").number;
    cluster.post(from, to);
    cluster.arrive(0, true);
    cluster.arrive(0);
    expect(run("p").generation).toBe(1);
    // Answers to the first attempt come when the second waits.
    cluster.post(from, to, 100, -1);
    control("p", retry("p"));
    for (let i = 0; cluster.wire.length > 0 && i < 9; i++) cluster.arrive(0);
    expect(of("p", "sub")).toBe("WAITING");
    allHold();
  });

  test("a report for an action that is a child run is stale", () => {
    begin();
    const { index } = cluster.of("p").actionPlan("p", "sub");
    expect(cluster.of("p").send(report("p", { action: index, outcome: succeeded() })).case).toBe("rejected");
    expect(of("p", "sub")).toBe("WAITING");
  });
});
