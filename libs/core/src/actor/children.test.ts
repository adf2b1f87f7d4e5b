/** Child runs: an action that is a run of another workflow, in another partition, through everything that can become of either. */
import {
  ActionStatus,
  FailureMode,
  OutputSourceSchema,
  type Payload,
  RecoveryPolicySchema,
  RecoveryStrategy,
  type RunRecord,
  RunStatus,
  type WorkflowDefinition,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import { CHILD_DEPTH_MAX } from "../limits.js";
import { isRunId } from "../names.js";
import {
  action,
  cancel,
  childRun,
  failed,
  failure,
  inline,
  json,
  loaded,
  ONE_ATTEMPT,
  overInput,
  overOutputOf,
  report,
  retry,
  retryPolicy,
  succeeded,
  workflow,
} from "../testing/build.js";
import { TestCluster } from "../testing/cluster.js";
import { checkPartition } from "../testing/invariants.js";
import { runView } from "../views/run-view.js";
import { childRunId } from "./child-id.js";

const PARTITIONS = 4;
const LEAF = workflow("leaf", [action("work", { retry: ONE_ATTEMPT })]);
const ITEMS = workflow("items", [action("each", { forEach: overInput("", 9), retry: ONE_ATTEMPT })]);
const PARENT = workflow("parent", [
  action("sub", { child: childRun("leaf") }),
  action("after", { after: ["sub"], retry: ONE_ATTEMPT }),
]);
const OVER_ITEMS = workflow("over-items", [
  action("sub", { child: childRun("items") }),
  action("after", { after: ["sub"], retry: ONE_ATTEMPT }),
]);
const LOOP = workflow("loop", [action("again", { child: childRun("loop") })]);
const LOST = workflow("lost", [action("sub", { child: childRun("nowhere") })]);

let cluster: TestCluster;
const setUp = (...more: WorkflowDefinition[]): void => {
  cluster = new TestCluster(PARTITIONS, [LEAF, ITEMS, PARENT, OVER_ITEMS, LOOP, LOST, ...more]);
};
beforeEach(() => setUp());

const begin = (workflowName = "parent", input = inline({ n: 1 }), runId = "p"): string => {
  expect(cluster.start(runId, workflowName, { input }).case).toBe("accepted");
  cluster.settle();
  return childOf(runId, "sub");
};
const run = (runId: string): RunRecord => cluster.of(runId).run(runId);
const childOf = (runId: string, name: string): string =>
  cluster.of(runId).action(runId, name).child?.runId ?? "";
const status = (runId: string): string => RunStatus[run(runId).status];
const of = (runId: string, name: string): string => cluster.of(runId).status(runId, name);
const detail = (runId: string, name: string): string =>
  cluster.of(runId).action(runId, name).detail?.text ?? "";
const finish = (runId: string, name: string, outcome = succeeded(), item?: number): void => {
  cluster.of(runId).finish(runId, name, outcome, item);
  cluster.settle();
};
const control = (runId: string, kind: ReturnType<typeof retry>): string => {
  const result = cluster.of(runId).control(kind);
  cluster.settle();
  return result.case ?? "";
};
const load = (runId: string, name: string, count: number): void => {
  cluster.of(runId).load(
    runId,
    name,
    Array.from({ length: count }, (_, i) => json(i)),
  );
  cluster.settle();
};
const textOf = (payload: Payload | undefined): string =>
  payload?.body.case === "inline" ? new TextDecoder().decode(payload.body.value) : `${payload?.body.case}`;
const allHold = (): void => cluster.partitions.forEach(checkPartition);

describe("a child run", () => {
  test("begins with its parent's input, trace and priority, and its parent waits for it", () => {
    cluster.start("p", "parent", { input: inline({ n: 1 }), priority: 7 });
    cluster.settle();
    const child = childOf("p", "sub");
    expect(status(child)).toBe("RUNNING");
    expect(textOf(run(child).input)).toBe('{"n":1}');
    expect(run(child)).toMatchObject({ workflow: "leaf", priority: 7, traceparent: run("p").traceparent });
    expect(of("p", "sub")).toBe("WAITING");
    expect(detail("p", "sub")).toBe(`waits for run ${child} of leaf`);
    allHold();
  });

  test("gives its action its output, and what comes after goes on", () => {
    const child = begin();
    finish(child, "work", succeeded({ answer: 42 }));
    expect(of("p", "sub")).toBe("COMPLETED");
    expect(textOf(cluster.of("p").action("p", "sub").output)).toBe('{"answer":42}');
    finish("p", "after");
    expect(status("p")).toBe("COMPLETED");
    allHold();
  });

  test("gives an output that is kept beside its record, as large as it is", () => {
    const child = begin();
    finish(child, "work", succeeded("x".repeat(60_000)));
    expect(cluster.of("p").action("p", "sub").output?.body).toMatchObject({ case: "stored", value: 60_002 });
    allHold();
  });

  test("that failed in part is completed for its parent, with its tally, its counts and its failure", () => {
    const child = begin("over-items", inline([1, 2, 3]));
    load(child, "each", 3);
    finish(child, "each", succeeded(), 0);
    finish(child, "each", failed(FailureMode.NOT_FOUND, "no such row"), 1);
    finish(child, "each", succeeded(), 2);
    const state = cluster.of("p").action("p", "sub");
    expect(ActionStatus[state.status]).toBe("COMPLETED_WITH_FAILURES");
    expect(state.failure?.mode).toBe(FailureMode.NOT_FOUND);
    expect(state.child).toMatchObject({
      runId: child,
      status: RunStatus.COMPLETED_WITH_FAILURES,
      tally: { partial: 1 },
      items: { total: 3, succeeded: 2, failed: 1 },
    });
    expect(detail("p", "sub")).toMatch(
      /^run \S+ completed with failures: each: 1 of 3 items failed \(NOT_FOUND 1\)/,
    );
    finish("p", "after");
    expect(status("p")).toBe("COMPLETED_WITH_FAILURES");
    allHold();
  });

  test("that failed fails its action with its failure, the mode kept", () => {
    const child = begin();
    finish(child, "work", failed(FailureMode.POLICY_SECURITY, "not allowed"));
    expect(of("p", "sub")).toBe("FAILED");
    expect(cluster.of("p").action("p", "sub").failure).toMatchObject({
      mode: FailureMode.POLICY_SECURITY,
      message: expect.stringContaining("not allowed"),
    });
    expect(of("p", "after")).toBe("SKIPPED");
    expect(status("p")).toBe("FAILED");
    allHold();
  });

  test("that did nothing and said why has no effect for its parent either", () => {
    setUp(workflow("only-sub", [action("sub", { child: childRun("items") })]));
    const child = begin("only-sub", inline([]));
    load(child, "each", 0);
    expect(status(child)).toBe("COMPLETED");
    expect(run("p")).toMatchObject({ status: RunStatus.COMPLETED, effect: run(child).effect });
  });

  test("that is cancelled by somebody else fails its parent, which was not asked to end", () => {
    const child = begin();
    control(child, cancel(child, "wrong day"));
    expect(of("p", "sub")).toBe("CANCELLED");
    expect(detail("p", "sub")).toContain("wrong day");
    expect(run("p")).toMatchObject({ status: RunStatus.FAILED, failure: { mode: FailureMode.CANCELLED } });
    allHold();
  });

  test("is cancelled with its parent, and what it says then changes nothing but what is known of it", () => {
    const child = begin();
    control("p", cancel("p"));
    expect([status("p"), status(child)]).toEqual(["CANCELLED", "CANCELLED"]);
    expect(run(child).cancel).toMatchObject({ who: "run p", reason: "no longer wanted" });
    expect(cluster.of("p").action("p", "sub").child?.status).toBe(RunStatus.CANCELLED);
    allHold();
  });

  test("is not begun at all where its parent was cancelled before it was asked for", () => {
    setUp(
      workflow("part", [
        action("sub", { child: childRun("leaf", { input: { case: "inputPointer", value: "/a" } }) }),
      ]),
    );
    cluster.start("p", "part", { input: inline({ a: 1 }) });
    control("p", cancel("p"));
    cluster.settle();
    expect(cluster.partitions.flatMap((partition) => partition.view.keysOf("r"))).toEqual(["rp"]);
    allHold();
  });
});

describe("a child's input", () => {
  const from = (input: Parameters<typeof childRun>[1]): WorkflowDefinition =>
    workflow("from", [
      action("first", { retry: ONE_ATTEMPT }),
      action("sub", { after: ["first"], child: childRun("leaf", input) }),
    ]);
  const output = (pointer: string) => ({
    input: { case: "outputOf" as const, value: init(OutputSourceSchema, { action: "first", pointer }) },
  });

  test("can be the output of an action before it", () => {
    setUp(from(output("")));
    begin("from");
    finish("p", "first", succeeded("y".repeat(3000)));
    const child = childOf("p", "sub");
    expect(run(child).input?.body).toMatchObject({ case: "stored", value: 3002 });
  });

  test("can be a part of it, which the owner brings", () => {
    setUp(from(output("/order/id")));
    begin("from");
    finish("p", "first", succeeded({ order: { id: "o-7" } }));
    expect(of("p", "sub")).toBe("WAITING");
    const { index } = cluster.of("p").actionPlan("p", "sub");
    expect(cluster.of("p").loads).toContainEqual(expect.objectContaining({ runId: "p", action: index }));
    cluster.of("p").asOwner(loaded("p", { action: index, last: true, input: inline("o-7") }));
    cluster.of("p").asOwner(loaded("p", { action: index, last: true, input: inline("again") }));
    cluster.settle();
    const child = childOf("p", "sub");
    expect(textOf(run(child).input)).toBe('"o-7"');
    finish(child, "work");
    expect(status("p")).toBe("COMPLETED");
    allHold();
  });

  test("that can't be had fails the action with the reason", () => {
    setUp(from(output("/none")));
    begin("from");
    finish("p", "first");
    const { index } = cluster.of("p").actionPlan("p", "sub");
    cluster
      .of("p")
      .asOwner(loaded("p", { action: index, failure: failure(FailureMode.VALIDATION, "nothing there") }));
    expect([of("p", "sub"), status("p")]).toEqual(["FAILED", "FAILED"]);
    expect(detail("p", "sub")).toContain("nothing there");
    allHold();
  });

  test("of an action that failed is none: the child is not begun, whatever its trigger", () => {
    setUp(
      workflow("from", [
        action("first", { retry: ONE_ATTEMPT }),
        action("sub", { child: childRun("leaf", output("")), trigger: 1 }),
      ]),
    );
    begin("from");
    finish("p", "first", failed());
    expect(of("p", "sub")).toBe("SKIPPED");
  });
});

describe("what can't be begun is a failure of the action that wanted it", () => {
  test("an unknown workflow", () => {
    begin("lost");
    expect(status("p")).toBe("FAILED");
    expect(cluster.of("p").action("p", "sub").failure).toMatchObject({
      mode: FailureMode.NOT_FOUND,
      message: expect.stringContaining('workflow "nowhere" is not registered'),
    });
    allHold();
  });

  test("a run id that somebody else has taken", () => {
    const taken = childRunId("p", "sub", 1);
    cluster.start(taken, "leaf");
    begin();
    expect(cluster.of("p").action("p", "sub").failure).toMatchObject({
      mode: FailureMode.CONFLICT,
      message: expect.stringContaining("somebody else"),
    });
    expect(cluster.of("p").action("p", "sub").child).toBeUndefined();
    expect(status(taken)).toBe("RUNNING");
    // A later attempt takes another id.
    expect(control("p", retry("p"))).toBe("accepted");
    expect(childOf("p", "sub")).not.toBe(taken);
    expect(of("p", "sub")).toBe("WAITING");
    allHold();
  });

  test("a workflow that begins itself: it fails at a depth that is said", () => {
    expect(cluster.start("p", "loop").case).toBe("accepted");
    cluster.settle();
    const runs = cluster.partitions
      .flatMap((partition) => partition.view.keysOf("r"))
      .map((key) => key.slice(1));
    expect(runs).toHaveLength(CHILD_DEPTH_MAX + 1);
    expect(runs.every(isRunId)).toBe(true);
    expect(new Set(runs.map(status))).toEqual(new Set(["FAILED"]));
    expect(run("p").failure?.mode).toBe(FailureMode.VALIDATION);
    expect(run("p").detail?.text).toMatch(/8 runs deep already.*begin itself/);
    allHold();
  });
});

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

test("child and parent show each other", () => {
  const child = begin();
  const view = (runId: string) =>
    runView({
      runId,
      run: run(runId),
      plan: cluster.of(runId).planOf(runId),
      full: true,
      partition: 0,
      seq: 1n,
      olderEvents: [],
      stepsOf: () => [],
      retryableUntilNs: 0n,
    });
  expect(view(child).parent).toMatchObject({ runId: "p", workflow: "parent", action: "sub" });
  expect(view("p").parent).toBeUndefined();
  expect(view("p").actions[0]?.child).toMatchObject({
    runId: child,
    workflow: "leaf",
    status: RunStatus.PENDING,
  });
  finish(child, "work");
  expect(view("p").actions[0]?.child).toMatchObject({ status: RunStatus.COMPLETED, tally: { ok: 1 } });
  expect(view("p").actions[1]?.child).toBeUndefined();
});

describe("a child's run id", () => {
  test("is a run id whatever it is made of, the same for the same child, and another for every other", () => {
    const long = "x".repeat(128);
    const ids = [
      childRunId("a", "b", 1),
      childRunId("a", "b", 2),
      childRunId("a-b", "c", 1),
      childRunId("a", "b-c", 1),
      childRunId(long, "y".repeat(64), 1),
      childRunId(long, "y".repeat(64), 2),
      childRunId(long, "z".repeat(64), 1),
    ];
    expect(ids.every(isRunId)).toBe(true);
    expect(new Set(ids).size).toBe(ids.length);
    expect(childRunId("a", "b", 1)).toBe(ids[0]);
    expect(ids[0]).toMatch(/^a-b-[0-9a-f]{10}$/);
  });
});

test("an action may take a child's output as its items", () => {
  setUp(
    workflow("feed", [
      action("sub", { child: childRun("leaf") }),
      action("each", { forEach: overOutputOf("sub", "/list"), retry: ONE_ATTEMPT }),
    ]),
  );
  const child = begin("feed");
  finish(child, "work", succeeded({ list: [1, 2] }));
  load("p", "each", 2);
  expect(cluster.of("p").inFlight("p")).toEqual(["each#0", "each#1"]);
});
