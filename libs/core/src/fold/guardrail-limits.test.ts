/** How long a run may last, and how many steps it may take. What becomes of what is stopped is told in guardrails.test.ts. */
import {
  type ActionDefinition,
  CheckpointStepSchema,
  FailureMode,
  type Guardrails,
  GuardrailsSchema,
  RunStatus,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import { checkRun } from "../check/check-run.js";
import { runKey, stepKey } from "../state/tables.js";
import {
  action,
  cancel,
  command,
  define,
  failed,
  inline,
  ONE_ATTEMPT,
  retry,
  start,
  succeeded,
  UNDO,
  workflow,
} from "../testing/build.js";
import { budgets } from "../testing/guardrail-moves.js";
import { TestPartition } from "../testing/partition.js";

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

const run = () => partition.run("r");
const sound = (): void =>
  expect(
    checkRun(partition.view, "r", partition.view.get(runKey("r")) ?? run(), partition.planOf("r")).breaches,
  ).toEqual([]);
const timers = (): number => partition.view.keysOf("t").filter((key) => !key.includes("command")).length;
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

describe("a number of steps", () => {
  test("may be taken, over all actions and generations; one more is kept, and the run is stopped", () => {
    begin({ maxSteps: 2 }, [action("a", { retry: ONE_ATTEMPT })]);
    step(0);
    partition.finish("r", "a", failed(FailureMode.NETWORK, "away"));
    partition.control(retry("r"));
    step(1, 2);
    step(1, 2);
    expect(run().status).toBe(RunStatus.RUNNING);
    step(2, 2);
    expect(run().status).toBe(RunStatus.FAILED);
    expect(run().failure?.message).toBe(
      "guardrail max_steps exceeded: 3 steps were taken, at most 2 are allowed",
    );
    expect(partition.view.get(stepKey("r", 0, -1, 2))?.name).toBe("s2");
    partition.control(retry("r", { force: true }));
    step(3, 3);
    step(4, 3);
    expect(run().status).toBe(RunStatus.RUNNING);
    partition.finish("r", "a", succeeded());
    expect(run().status).toBe(RunStatus.COMPLETED);
    sound();
  });

  test("counts those of a recovery, which are not kept", () => {
    begin({ maxSteps: 1 }, [action("a", { retry: ONE_ATTEMPT, recover: true })]);
    partition.finish("r", "a", failed());
    step(0, 2);
    expect(partition.view.get(stepKey("r", 0, -1, 0))).toBeUndefined();
    expect(partition.action("r", "a").steps).toBe(0);
    step(1, 2);
    expect(run().failure?.mode).toBe(FailureMode.POLICY_BUDGET);
    sound();
  });

  test("is not counted where it is not limited", () => {
    begin(TOKENS, [action("a")]);
    step(0);
    expect(run().guardrails?.steps).toBe(0);
  });
});

describe("a duration", () => {
  test("that is over stops a generation; a forced retry has it anew", () => {
    begin({ maxDurationMs: 1_000n }, [action("a")]);
    partition.pass(900);
    expect(run().status).toBe(RunStatus.RUNNING);
    partition.pass(200);
    expect(run().status).toBe(RunStatus.FAILED);
    expect(run().failure?.message).toMatch(
      /^guardrail max_duration exceeded: it has run for 1\d\d\d ms, at most 1 s is allowed$/,
    );
    expect(timers()).toBe(partition.view.keysOf("k").length);
    partition.control(retry("r", { force: true }));
    partition.pass(900);
    expect(run().status).toBe(RunStatus.RUNNING);
    partition.pass(200);
    expect(run().status).toBe(RunStatus.FAILED);
    sound();
  });

  test("leaves no timer behind where the run ends before", () => {
    begin({ maxDurationMs: 3_600_000n }, [action("a")]);
    expect(timers()).toBe(1);
    partition.finish("r", "a", succeeded());
    expect(timers()).toBe(0);
    expect(run().guardrails?.deadlineNs).toBe(0n);
  });

  test("begins when a delayed run does", () => {
    const guardrails = init(GuardrailsSchema, { maxDurationMs: 1_000n });
    partition.send(define(workflow("w", [action("a")], { guardrails })));
    partition.send(start("r", "w", { startAtNs: partition.nowNs + 5_000_000_000n }));
    partition.pass(4_000);
    expect(run()).toMatchObject({ status: RunStatus.PENDING, guardrails: undefined });
    partition.pass(1_500);
    expect(run().status).toBe(RunStatus.RUNNING);
    partition.pass(900);
    expect(run().status).toBe(RunStatus.RUNNING);
    partition.pass(200);
    expect(run().status).toBe(RunStatus.FAILED);
  });

  test("does not cut the grace of a cancel short, and leaves no timer behind", () => {
    begin({ maxDurationMs: 1_000n }, [action("a")]);
    partition.control(cancel("r", "not wanted", 5_000));
    expect(run().guardrails?.deadlineNs).toBe(0n);
    partition.pass(2_000);
    expect(partition.inFlight("r")).toEqual(["a"]);
    partition.finish("r", "a", succeeded());
    expect(run().status).toBe(RunStatus.COMPLETED);
  });

  test("does not cut a compensation short", () => {
    begin({ maxDurationMs: 1_000n }, [action("a", { undo: UNDO }), action("b", { after: ["a"] })]);
    partition.finish("r", "a", succeeded());
    partition.pass(2_000);
    expect(run().undo).toBeDefined();
    partition.pass(5_000);
    expect(partition.inFlight("r")).toEqual(["a"]);
    partition.finish("r", "a", succeeded());
    expect(run().status).toBe(RunStatus.FAILED);
  });
});
