/** Guardrails: what exceeds one is stopped, what had succeeded stays, and a forced retry gets on. */
import {
  type ActionDefinition,
  BatchReportSchema,
  BatchSchema,
  CheckpointStepSchema,
  FailureMode,
  type Guardrails,
  GuardrailsSchema,
  ItemStatus,
  RecoveryPolicySchema,
  RecoveryStrategy,
  RejectCode,
  RunStatus,
  SignalWaitSchema,
  type TaskReport,
  TriggerRule,
  WaitSchema,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import { checkRun } from "../check/check-run.js";
import { recommendForRun } from "../recovery/recommend-run.js";
import { runKey } from "../state/tables.js";
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
import { budgets, usage } from "../testing/guardrail-moves.js";
import { TestPartition } from "../testing/partition.js";
import { runView } from "../views/run-view.js";

let partition: TestPartition;
beforeEach(() => {
  partition = new TestPartition();
  partition.announce();
});

const TOKENS: Init<Guardrails> = { budgets: budgets({ tokens: 10n }) };

function begin(guardrails: Init<Guardrails>, actions: ActionDefinition[], fields = {}): void {
  partition.send(
    define(workflow("w", actions, { ...fields, guardrails: init(GuardrailsSchema, guardrails) })),
  );
  partition.send(start("r", "w"));
}

const spend = (name: string, tokens: bigint, outcome: TaskReport["outcome"] = succeeded(), item?: number) =>
  partition.finish("r", name, outcome, item, { usage: usage({ tokens }) });
const run = () => partition.run("r");
const sound = (): void =>
  expect(
    checkRun(partition.view, "r", partition.view.get(runKey("r")) ?? run(), partition.planOf("r")).breaches,
  ).toEqual([]);
const step = (index: number, attempt = 1): void => {
  const value = init(CheckpointStepSchema, {
    runId: "r",
    attempt,
    index,
    name: `s${index}`,
    result: inline(index),
  });
  partition.send(command({ case: "checkpointStep", value }));
};

describe("a budget", () => {
  const three = (): ActionDefinition[] => [
    action("a"),
    action("b", { after: ["a"] }),
    action("c", { after: ["b"] }),
    action("last", { after: ["c"], trigger: TriggerRule.ALL_DONE }),
  ];

  test("that is just used up stops nothing; beyond it what would begin fails, and what comes after that is skipped", () => {
    begin(TOKENS, three());
    spend("a", 10n);
    expect(partition.inFlight("r")).toEqual(["b"]);
    spend("b", 1n);
    expect(partition.status("r", "b")).toBe("COMPLETED");
    expect(partition.status("r", "c")).toBe("FAILED");
    // Whatever its trigger: it, too, would begin now.
    expect(partition.status("r", "last")).toBe("FAILED");
    expect(run().status).toBe(RunStatus.FAILED);
    expect(run().failure).toMatchObject({
      mode: FailureMode.POLICY_BUDGET,
      message: "guardrail budget tokens exceeded: 0.000011 was used, at most 0.00001 is allowed",
    });
    expect(partition.open.size).toBe(0);
    sound();
  });

  test("that only what ended the run exceeds has stopped nothing", () => {
    begin(TOKENS, [action("a")]);
    spend("a", 11n);
    expect(run().status).toBe(RunStatus.COMPLETED);
    expect(run().failure).toBeUndefined();
    expect(run().guardrails?.exceeded).toBeUndefined();
  });

  test("stops what is open: workers are told, pauses and waits end, a child is cancelled, dependants are skipped", () => {
    const wait = init(WaitSchema, {
      for: { case: "signal", value: init(SignalWaitSchema, { name: "go", timeoutMs: 0n }) },
    });
    begin(TOKENS, [
      action("spender"),
      action("worker"),
      action("pausing", { retry: retryPolicy({ maxAttempts: 3 }) }),
      action("recovering", { retry: ONE_ATTEMPT, recover: true }),
      action("waiting", { wait }),
      action("dependant", { after: ["worker"] }),
    ]);
    partition.finish("r", "pausing", failed(FailureMode.NETWORK, "away"));
    partition.finish("r", "recovering", failed(FailureMode.VALIDATION, "odd"));
    spend("spender", 11n);
    const stopped = partition.effects.flatMap((effect) =>
      effect.kind === "cancel-tasks" ? effect.tasks : [],
    );
    expect(stopped.map(({ action: index, attempt }) => [index, attempt])).toEqual([
      [1, 1],
      [3, 2],
    ]);
    const why = "guardrail budget tokens exceeded: 0.000011 was used, at most 0.00001 is allowed";
    expect(partition.action("r", "worker").failure?.message).toBe(why);
    expect(partition.action("r", "waiting").failure?.message).toBe(why);
    expect(partition.action("r", "pausing").detail?.text).toBe(
      `${why}; its last attempt failed: NETWORK: away`,
    );
    expect(partition.action("r", "recovering").detail?.text).toBe(
      `${why}; it was recovering from VALIDATION: odd`,
    );
    expect(partition.action("r", "dependant").detail?.text).toBe("upstream worker failed");
    expect(partition.status("r", "spender")).toBe("COMPLETED");
    expect(run().status).toBe(RunStatus.FAILED);
    expect(partition.open.size).toBe(0);
    sound();
  });

  test("counts what failed attempts spent; the attempt that exceeds it gets no other one", () => {
    begin(TOKENS, [action("a", { retry: retryPolicy({ maxAttempts: 5 }), recover: true })]);
    spend("a", 6n, failed(FailureMode.NETWORK, "away"));
    partition.pass(60_000);
    spend("a", 6n, failed(FailureMode.VALIDATION, "odd"));
    expect(run().status).toBe(RunStatus.FAILED);
    expect(partition.action("r", "a").failure?.message).toMatch(
      /^guardrail budget tokens .*; it was recovering from VALIDATION: odd$/,
    );
    expect(partition.open.size).toBe(0);
    sound();
  });

  const overItems = (): ActionDefinition[] => [
    action("rows", { forEach: overInput("", 2) }),
    action("mail", { forEach: overItemsOf("rows", 5) }),
  ];

  test("keeps the items that had succeeded, and a forced retry goes on with the others alone", () => {
    begin(TOKENS, overItems());
    partition.load("r", "rows", [json(0), json(1), json(2), json(3)]);
    spend("rows", 9n, succeeded(), 0);
    spend("rows", 9n, succeeded(), 1);
    expect(partition.counts("r", "rows")).toMatchObject({ succeeded: 2, cancelled: 2, total: 4 });
    expect(partition.status("r", "rows")).toBe("FAILED");
    expect(partition.status("r", "mail")).toBe("SKIPPED");
    expect(run().failure?.mode).toBe(FailureMode.POLICY_BUDGET);
    sound();

    const refused = partition.control(retry("r"));
    expect(refused).toMatchObject({ case: "rejected", value: { code: RejectCode.TERMINAL_MODE } });
    expect(JSON.stringify(refused.value, (_, v) => (typeof v === "bigint" ? `${v}` : v))).toContain(
      "retry it with force, which counts anew",
    );
    partition.control(retry("r", { force: true }));
    expect(partition.inFlight("r")).toEqual(["rows#2", "rows#3"]);
    spend("rows", 9n, succeeded(), 2);
    spend("rows", 1n, succeeded(), 3);
    for (const item of [0, 1, 2, 3]) partition.finish("r", "mail", succeeded(), item);
    expect(run().status).toBe(RunStatus.COMPLETED);
    // All of it was spent.
    expect(run().usage?.counts).toMatchObject([{ name: "tokens", amountMicro: 28n }]);
    sound();
  });

  test("stops an action before it begins, and a forced retry begins it", () => {
    begin(TOKENS, [action("a"), action("rows", { after: ["a"], forEach: overInput("", 2) })]);
    spend("a", 11n);
    expect(partition.status("r", "rows")).toBe("FAILED");
    partition.control(retry("r", { force: true }));
    partition.load("r", "rows", [json(0)]);
    partition.finish("r", "rows", succeeded(), 0);
    expect(run().status).toBe(RunStatus.COMPLETED);
  });

  test("stops a per-item dependant that healing opened again, and a forced retry goes on with it", () => {
    begin(TOKENS, [
      action("rows", { forEach: overInput("", 5), retry: ONE_ATTEMPT }),
      action("slow", {}),
      action("mail", { forEach: overItemsOf("rows", 5), after: ["slow"] }),
    ]);
    partition.load("r", "rows", [json(0), json(1)]);
    partition.finish("r", "slow", succeeded());
    partition.finish("r", "rows", succeeded(), 0);
    partition.finish("r", "rows", failed(FailureMode.VALIDATION), 1);
    partition.finish("r", "mail", succeeded(), 0);
    expect(run().status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
    partition.control(retry("r"));
    spend("rows", 11n, succeeded(), 1);
    expect(partition.status("r", "mail")).toBe("FAILED");
    expect(partition.itemStatus("r", "mail", 0)).toBe(ItemStatus.SUCCEEDED);
    partition.control(retry("r", { force: true }));
    expect(partition.inFlight("r")).toEqual(["mail#1"]);
    partition.finish("r", "mail", succeeded(), 1);
    expect(run().status).toBe(RunStatus.COMPLETED);
    sound();
  });

  test("is not overcome by a plain retry of a run that failed otherwise", () => {
    begin(TOKENS, [action("a", { retry: ONE_ATTEMPT })], {
      recovery: init(RecoveryPolicySchema, { auto: true }),
    });
    spend("a", 11n, failed(FailureMode.NETWORK, "away"));
    expect(run()).toMatchObject({ status: RunStatus.FAILED, recoverAtNs: 0n });
    expect(recommendForRun("r", partition.planOf("r"), run()).strategy).toBe(RecoveryStrategy.MANUAL);
    expect(partition.control(retry("r"))).toMatchObject({ value: { code: RejectCode.TERMINAL_MODE } });
    partition.control(retry("r", { force: true }));
    spend("a", 10n);
    expect(run().status).toBe(RunStatus.COMPLETED);
  });

  test("that is exceeded after the end, by the cancel of a job, calls the planned recovery off, and who waits is told", () => {
    const batchOf = init(BatchSchema, { timeoutMs: 1_000n, cancellable: true });
    begin(TOKENS, [action("a", { retry: ONE_ATTEMPT, batch: batchOf })], {
      recovery: init(RecoveryPolicySchema, {
        auto: true,
        backoff: retryPolicy({ initialBackoffMs: 60_000 }),
      }),
    });
    partition.append(
      batch([start("r", "w", { notifyEnd: true })].map((kind) => ({ ...kind, correlation: 7n }))),
    );
    const value = init(BatchReportSchema, { step: { case: "submitted", value: inline("job-1") } });
    partition.finish("r", "a", { case: "batch", value });
    partition.pass(2_000);
    expect(run()).toMatchObject({ status: RunStatus.FAILED });
    expect(run().recoverAtNs).toBeGreaterThan(0n);
    const told = (): boolean =>
      partition.effects.some((effect) => effect.kind === "reply" && effect.outcome.result.case === "ended");
    spend("a", 11n);
    expect(told()).toBe(false);
    partition.pass(120_000);
    expect(told()).toBe(true);
    expect(run()).toMatchObject({ status: RunStatus.FAILED, recoverAtNs: 0n, recoveries: 0 });
    expect(run().detail?.text).toMatch(
      /; it is not recovered: run r may not go on \(guardrail budget tokens/,
    );
  });

  test("holds up no compensation, and a run that is stopped is undone", () => {
    begin(TOKENS, [action("a", { undo: UNDO }), action("b", { after: ["a"] })]);
    spend("a", 11n);
    expect(run().undo?.cause?.mode).toBe(FailureMode.POLICY_BUDGET);
    spend("a", 11n);
    expect(run().status).toBe(RunStatus.FAILED);
    expect(run().detail?.text).toMatch(/^guardrail budget tokens exceeded: 0\.000011 was used.*; undone: a$/);
    sound();
  });

  test("counts no report that is stale", () => {
    begin(TOKENS, [action("a"), action("b")]);
    partition.finish("r", "a", succeeded());
    partition.send(report("r", { action: 0, outcome: succeeded(), usage: usage({ tokens: 50n }) }));
    expect(run().usage).toBeUndefined();
    expect(run().status).toBe(RunStatus.RUNNING);
  });

  test("ends nothing of a run that is being cancelled", () => {
    begin(TOKENS, [action("a"), action("b")]);
    partition.control(cancel("r", "not wanted", 5_000));
    spend("a", 11n);
    expect(run().status).toBe(RunStatus.RUNNING);
    partition.finish("r", "b", succeeded());
    expect(run().status).toBe(RunStatus.COMPLETED);
  });
});

test("a run shows its guardrails, and what counts against them", () => {
  begin({ maxDurationMs: 1_000n, maxSteps: 5, budgets: budgets({ tokens: 10n }) }, [
    action("a"),
    action("b"),
  ]);
  step(0);
  spend("a", 4n);
  const view = runView({
    runId: "r",
    run: run(),
    plan: partition.planOf("r"),
    partition: 0,
    seq: 1n,
    retryableUntilNs: 0n,
    olderEvents: [],
    stepsOf: () => [],
    full: true,
    workflowPaused: "",
  });
  expect(view.guardrails).toMatchObject({
    maxDurationMs: 1_000n,
    maxSteps: 5,
    steps: 1,
    budgets: [{ name: "tokens", limitMicro: 10n, usedMicro: 4n }],
    exceeded: "",
  });
  expect(view.guardrails?.deadline).toBeDefined();
  expect(view.usage?.counts).toMatchObject([{ name: "tokens", amountMicro: 4n }]);
  expect(view.actions[0]?.usage?.counts).toMatchObject([{ name: "tokens", amountMicro: 4n }]);
});
