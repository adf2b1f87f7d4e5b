/** Child runs: an action that is a run of another workflow, in another partition, through everything that can become of either. */
import {
  ActionStatus,
  FailureMode,
  OutputSourceSchema,
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
  loaded,
  ONE_ATTEMPT,
  overOutputOf,
  retry,
  succeeded,
  workflow,
} from "../testing/build.js";
import { runView } from "../views/run-view.js";
import { childRunId } from "./child-id.js";

import {
  allHold,
  begin,
  childOf,
  cluster,
  control,
  detail,
  finish,
  load,
  of,
  run,
  setUp,
  status,
  textOf,
} from "../testing/child-scene.js";

beforeEach(() => setUp());

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
      workflowPaused: "",
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
