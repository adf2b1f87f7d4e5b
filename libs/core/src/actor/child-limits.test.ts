/** What a child run may take and spend, and what it is given: its action's time-out, its usage in its parent, its input's schema. */
import {
  FailureMode,
  GuardrailsSchema,
  OutputSourceSchema,
  type PartitionMessage,
  RequestEndedSchema,
  RunEndedSchema,
  RunStatus,
  TimeoutsSchema,
  UsageSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import { CANCEL_GRACE_DEFAULT_MS, CHILDREN_LEFT_MAX } from "../limits.js";
import { usageText } from "../policy/usage.js";
import {
  action,
  cancel,
  childRun,
  define,
  delivery,
  failed,
  failure,
  inline,
  loaded,
  ONE_ATTEMPT,
  report,
  retry,
  retryPolicy,
  succeeded,
  workflow,
} from "../testing/build.js";
import { budgets, usage } from "../testing/guardrail-moves.js";
import {
  allHold,
  begin,
  childOf,
  cluster,
  control,
  detail,
  finish,
  of,
  run,
  setUp,
  status,
  textOf,
} from "../testing/child-scene.js";

const TIME_MS = 1_000;
/** Amounts are kept in millionths. */
const WHOLE = 1_000_000n;
const timeouts = init(TimeoutsSchema, { startToCloseMs: TIME_MS });
const hasty = workflow("hasty", [
  action("sub", { child: childRun("leaf"), timeouts }),
  action("after", { after: ["sub"], retry: ONE_ATTEMPT }),
]);
const patient = workflow("patient", [
  action("sub", {
    child: childRun("leaf"),
    timeouts,
    retry: retryPolicy({ maxAttempts: 2, initialBackoffMs: 50, jitterMilli: 0 }),
  }),
]);
const leafAgain = workflow("leaf-twice", [action("work", { retry: retryPolicy({ maxAttempts: 2 }) })]);

beforeEach(() => setUp(hasty, patient, leafAgain));

/** Ends the one attempt of `work`, which spent so many tokens. */
function spend(child: string, tokens: number, outcome = succeeded(), attempt = 1): void {
  cluster.of(child).send(
    report(child, {
      action: 0,
      attempt,
      outcome,
      usage: usage({ tokens: BigInt(tokens) * WHOLE }),
      worker: "w",
    }),
  );
  cluster.settle();
}
const spent = (runId: string): string => usageText(run(runId).usage ?? init(UsageSchema));
const spentBy = (runId: string, name: string): string =>
  usageText(cluster.of(runId).action(runId, name).usage ?? init(UsageSchema));

describe("the time that a child has", () => {
  test("over, it is cancelled and its action has failed with TIMEOUT", () => {
    const child = begin("hasty");
    expect(of("p", "sub")).toBe("WAITING");
    cluster.pass(TIME_MS - 100);
    expect([status("p"), status(child)]).toEqual(["RUNNING", "RUNNING"]);
    cluster.pass(100);
    expect([status("p"), status(child)]).toEqual(["FAILED", "RUNNING"]);
    expect(run(child).cancel).toMatchObject({ who: "run p", reason: "the time that p gave it is over: 1 s" });
    cluster.pass(CANCEL_GRACE_DEFAULT_MS);
    expect(status(child)).toBe("CANCELLED");
    expect([of("p", "sub"), of("p", "after")]).toEqual(["FAILED", "SKIPPED"]);
    expect(cluster.of("p").action("p", "sub").failure).toMatchObject({
      mode: FailureMode.TIMEOUT,
      message: `run ${child} of leaf did not end within 1 s, and is cancelled`,
    });
    expect(cluster.of("p").action("p", "sub").child).toMatchObject({ status: RunStatus.CANCELLED });
    allHold();
  });

  test("does not matter once it has ended", () => {
    const child = begin("hasty");
    finish(child, "work");
    finish("p", "after");
    cluster.pass(TIME_MS * 2);
    expect([status("p"), status(child)]).toEqual(["COMPLETED", "COMPLETED"]);
    allHold();
  });

  test("is counted anew for each attempt, which begins another child", () => {
    const first = begin("patient");
    cluster.pass(TIME_MS);
    expect(of("p", "sub")).toBe("RETRYING");
    cluster.pass(50);
    const second = childOf("p", "sub");
    expect(second).not.toBe(first);
    expect([of("p", "sub"), status(first), status(second)]).toEqual(["WAITING", "RUNNING", "RUNNING"]);
    expect(run(first).cancel).toBeDefined();
    cluster.pass(TIME_MS - 60);
    finish(second, "work");
    expect(status("p")).toBe("COMPLETED");
    cluster.pass(TIME_MS);
    allHold();
  });

  test("was nearly over: a child that completed before it was told to stop completes its action in the pause", () => {
    const child = begin("patient");
    // The parent's time is over, and its message is still under way when the child ends.
    cluster.of("p").pass(TIME_MS);
    cluster.of(child).finish(child, "work", succeeded());
    cluster.settle();
    expect([status(child), of("p", "sub"), status("p")]).toEqual(["COMPLETED", "COMPLETED", "COMPLETED"]);
    allHold();
  });

  test("also runs while its input is being brought; what comes then begins nothing", () => {
    const from = { case: "inputPointer" as const, value: "/a" };
    setUp(workflow("part", [action("sub", { child: childRun("leaf", { input: from }), timeouts })]));
    begin("part", inline({ a: 1 }));
    cluster.pass(TIME_MS);
    expect([status("p"), run("p").failure?.mode]).toEqual(["FAILED", FailureMode.TIMEOUT]);
    cluster.of("p").asOwner(loaded("p", { action: 0, last: true, input: inline(1) }));
    cluster.settle();
    expect(cluster.partitions.flatMap(({ view }) => view.keysOf("r"))).toEqual(["rp"]);
    allHold();
  });

  test("over: a retry of the parent begins another child from its beginning", () => {
    const child = begin("hasty");
    cluster.pass(TIME_MS);
    expect(control("p", retry("p"))).toBe("accepted");
    expect(childOf("p", "sub")).not.toBe(child);
    finish(childOf("p", "sub"), "work");
    finish("p", "after");
    expect(status("p")).toBe("COMPLETED");
    allHold();
  });

  test("over for an optional child: the run goes on in part", () => {
    setUp(
      workflow("may", [
        action("sub", { child: childRun("leaf"), timeouts, optional: true }),
        action("other", { retry: ONE_ATTEMPT }),
      ]),
    );
    begin("may");
    cluster.pass(TIME_MS);
    finish("p", "other");
    expect(status("p")).toBe("COMPLETED_WITH_FAILURES");
    allHold();
  });
});

describe("what a child spends", () => {
  test("counts for its action and for its parent's run, and is said apart", () => {
    setUp(
      workflow("two", [action("sub", { child: childRun("leaf") }), action("own", { retry: ONE_ATTEMPT })]),
    );
    const child = begin("two");
    spend(child, 5);
    const own = { action: 1, attempt: 1, outcome: succeeded(), worker: "w" };
    cluster.of("p").send(report("p", { ...own, usage: usage({ tokens: 2n * WHOLE }) }));
    expect([spent("p"), spentBy("p", "sub"), spentBy("p", "own")]).toEqual([
      "tokens 7",
      "tokens 5",
      "tokens 2",
    ]);
    expect(usageText(cluster.of("p").action("p", "sub").child?.usage ?? init(UsageSchema))).toBe("tokens 5");
    allHold();
  });

  test("counts once, however often its end is told, and through retries only what is new", () => {
    const child = begin();
    spend(child, 5, failed());
    expect([status("p"), spent("p")]).toEqual(["FAILED", "tokens 5"]);
    control("p", retry("p"));
    spend(child, 3, succeeded(), 2);
    finish("p", "after");
    expect([status("p"), spent(child), spent("p")]).toEqual(["COMPLETED", "tokens 8", "tokens 8"]);
    allHold();
  });

  test("counts also where it was cancelled with its parent", () => {
    setUp(leafAgain, workflow("above", [action("sub", { child: childRun("leaf-twice") })]));
    const child = begin("above");
    spend(child, 4, failed(FailureMode.NETWORK));
    expect(spent("p")).toBe("");
    control("p", cancel("p"));
    expect([status(child), spent("p")]).toEqual(["CANCELLED", "tokens 4"]);
    allHold();
  });

  test("counts of a child in whose place there is another by now, also if it is heard of late", () => {
    setUp(
      leafAgain,
      workflow("above", [
        action("sub", {
          child: childRun("leaf-twice"),
          timeouts,
          retry: retryPolicy({ maxAttempts: 2, initialBackoffMs: 50, jitterMilli: 0 }),
        }),
      ]),
    );
    const first = begin("above");
    spend(first, 4, failed(FailureMode.NETWORK));
    const there = cluster.of("p");
    there.pass(TIME_MS);
    there.pass(50);
    expect([childOf("p", "sub") === first, spent("p")]).toEqual([false, ""]);
    cluster.settle();
    spend(childOf("p", "sub"), 1);
    expect([status("p"), spent("p")]).toEqual(["COMPLETED", "tokens 1"]);
    cluster.pass(CANCEL_GRACE_DEFAULT_MS);
    expect([status(first), spent("p")]).toEqual(["CANCELLED", "tokens 5"]);
    allHold();
  });

  test("counts where its time is over, too: what is under way has a grace to end in", () => {
    const child = begin("hasty");
    cluster.pass(TIME_MS);
    expect([status("p"), spent("p")]).toEqual(["FAILED", ""]);
    spend(child, 6, failed(FailureMode.CANCELLED));
    expect([status(child), spent("p")]).toEqual(["CANCELLED", "tokens 6"]);
    allHold();
  });

  test("beyond a budget of its parent stops that", () => {
    setUp(
      workflow(
        "frugal",
        [action("sub", { child: childRun("leaf") }), action("other", { retry: ONE_ATTEMPT })],
        { guardrails: init(GuardrailsSchema, { budgets: budgets({ tokens: 4n * WHOLE }) }) },
      ),
    );
    const child = begin("frugal");
    spend(child, 5);
    expect(status(child)).toBe("COMPLETED");
    expect([status("p"), of("p", "sub"), of("p", "other")]).toEqual(["FAILED", "COMPLETED", "FAILED"]);
    expect(run("p").failure).toMatchObject({
      mode: FailureMode.POLICY_BUDGET,
      message: expect.stringContaining("guardrail budget tokens exceeded: 5 was used"),
    });
    allHold();
  });

  test("is not followed of more than so many that were left", () => {
    const all = Array.from({ length: CHILDREN_LEFT_MAX + 2 }, () => 0);
    setUp(
      workflow("again", [
        action("sub", {
          child: childRun("leaf"),
          timeouts,
          retry: retryPolicy({
            maxAttempts: all.length + 1,
            initialBackoffMs: 10,
            factorMilli: 1000,
            jitterMilli: 0,
          }),
        }),
      ]),
    );
    begin("again");
    for (const _ of all) {
      cluster.pass(TIME_MS);
      cluster.pass(10);
    }
    expect(cluster.of("p").action("p", "sub").childrenLeft).toHaveLength(CHILDREN_LEFT_MAX);
    allHold();
  });

  test("is not taken from an end of a run that was never its child", () => {
    const child = begin();
    const told = (runId: string): PartitionMessage["kind"] => ({
      case: "requestEnded",
      value: init(RequestEndedSchema, {
        requester: run(child).requester,
        ended: init(RunEndedSchema, {
          runId,
          status: RunStatus.COMPLETED,
          usage: usage({ tokens: 9n * WHOLE }),
        }),
        generation: 1,
      }),
    });
    const from = (cluster.of("p").number + 1) % cluster.partitions.length;
    cluster.of("p").send(delivery([told("stranger")], { from, firstN: 1n }));
    expect([of("p", "sub"), spent("p")]).toEqual(["WAITING", ""]);
  });
});

describe("a child's input that is to fit its workflow's schema", () => {
  const strict = workflow("strict", [action("work", { retry: ONE_ATTEMPT })], {
    inputSchema: '{"type":"number"}',
  });
  const above = (checkInput: boolean) =>
    workflow("above", [action("sub", { child: childRun("strict", { checkInput }) })]);

  test("is brought by the owner, who holds it against that", () => {
    setUp(strict, above(true));
    begin("above", inline(7));
    expect(of("p", "sub")).toBe("WAITING");
    expect(cluster.of("p").loads).toContainEqual(expect.objectContaining({ runId: "p", action: 0 }));
    expect(cluster.partitions.flatMap(({ view }) => view.keysOf("r"))).toEqual(["rp"]);
    cluster.of("p").asOwner(loaded("p", { action: 0, last: true, input: inline(7) }));
    cluster.settle();
    expect(textOf(run(childOf("p", "sub")).input)).toBe("7");
    allHold();
  });

  test("fails its action where it does not, and begins nothing", () => {
    setUp(strict, above(true));
    begin("above", inline("seven"));
    cluster
      .of("p")
      .asOwner(loaded("p", { action: 0, failure: failure(FailureMode.VALIDATION, "must be number") }));
    cluster.settle();
    expect([status("p"), detail("p", "sub")]).toEqual(["FAILED", "VALIDATION: must be number"]);
    expect(cluster.partitions.flatMap(({ view }) => view.keysOf("r"))).toEqual(["rp"]);
    allHold();
  });

  test.each([
    ["was compiled before there was a check", [strict, above(false)]],
    ["declares no schema", [workflow("strict", [action("work")]), above(true)]],
  ])("is not asked for where the workflow %s", (_what, workflows) => {
    setUp(...workflows);
    begin("above", inline("seven"));
    expect(status(childOf("p", "sub"))).toBe("RUNNING");
    expect(cluster.of("p").loads).toEqual([]);
  });

  test("is held against the pinned definition where one is pinned", () => {
    const loose = workflow("strict", [action("work", { retry: ONE_ATTEMPT })]);
    const pinned = define(strict);
    const definitionHash = pinned.kind.case === "defineWorkflow" ? pinned.kind.value.hash : "";
    const child = childRun("strict", { checkInput: true, definitionHash });
    setUp(strict, loose, workflow("above", [action("sub", { child })]));
    begin("above", inline(1));
    expect(cluster.of("p").loads).toHaveLength(1);
  });

  test("and is an action's output is brought, too", () => {
    const value = init(OutputSourceSchema, { action: "first", pointer: "" });
    const child = childRun("strict", { checkInput: true, input: { case: "outputOf", value } });
    setUp(
      strict,
      workflow("above", [
        action("first", { retry: ONE_ATTEMPT }),
        action("sub", { after: ["first"], child }),
      ]),
    );
    begin("above");
    finish("p", "first", succeeded(3));
    expect(cluster.of("p").loads).toHaveLength(1);
    allHold();
  });
});
