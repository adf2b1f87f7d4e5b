import { type Guardrails, GuardrailsSchema, WaitSchema } from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { describe, expect, test } from "vitest";
import { USAGE_MICRO_MAX, USAGE_NAMES_MAX, WAIT_MS_MAX } from "../limits.js";
import { action, childRun, workflow } from "../testing/build.js";
import { budgets } from "../testing/guardrail-moves.js";
import { planOf } from "./plan.js";
import { definitionProblems } from "./validate.js";

const problems = (guardrails: Init<Guardrails>): string[] =>
  definitionProblems(workflow("w", [action("a")], { guardrails: init(GuardrailsSchema, guardrails) }));

const many = (count: number): Record<string, bigint> =>
  Object.fromEntries(Array.from({ length: count }, (_, i): [string, bigint] => [`n${i}`, 1n]));

describe("guardrails", () => {
  test.each<[string, Init<Guardrails>, RegExp]>([
    ["too long", { maxDurationMs: WAIT_MS_MAX + 1n }, /max_duration is \d+ ms: give 1 to/],
    ["a negative duration", { maxDurationMs: -1n }, /max_duration is -1 ms/],
    ["half a step", { maxSteps: 0.5 }, /max_steps is 0\.5: give a whole number from 1/],
    ["too many steps", { maxSteps: 2 ** 32 }, /max_steps is 4294967296/],
    ["too wide a gap", { stuckRevisitGap: 51 }, /stuck_revisit_gap is 51: give a whole number from 1 to 50/],
    ["a negative gap", { stuckRevisitGap: -1 }, /stuck_revisit_gap is -1/],
    [
      "a budget of nothing",
      { budgets: budgets({ tokens: 0n }) },
      /budget "tokens" is 0 millionths: give more/,
    ],
    ["a negative budget", { budgets: budgets({ tokens: -1n }) }, /budget "tokens" is -1 millionths/],
    [
      "too large a budget",
      { budgets: budgets({ tokens: USAGE_MICRO_MAX + 1n }) },
      /at most 9223372036854775807/,
    ],
    ["a bad name", { budgets: budgets({ "no way": 1n }) }, /budget name "no way" is not valid/],
    [
      "two of a name",
      { budgets: [...budgets({ a: 1n }), ...budgets({ a: 2n })] },
      /two budgets are named "a"/,
    ],
    ["too many", { budgets: budgets(many(USAGE_NAMES_MAX + 1)) }, /33 budgets are too many: .* at most 32/],
  ])("with %s are refused", (_, guardrails, message) => {
    expect(problems(guardrails).join("; ")).toMatch(message);
  });

  test("at their limits are right", () => {
    const most = budgets({ ...many(USAGE_NAMES_MAX - 1), last: USAGE_MICRO_MAX });
    expect(
      problems({ maxDurationMs: WAIT_MS_MAX, maxSteps: 2 ** 32 - 1, stuckRevisitGap: 50, budgets: most }),
    ).toEqual([]);
  });

  test("that limit nothing cost a run nothing", () => {
    const guardrails = init(GuardrailsSchema, { stuckRevisitGap: 7 });
    expect(planOf(workflow("w", [action("a")], { guardrails })).guardrails).toBeUndefined();
  });
});

test.each([
  [
    "waits",
    { wait: init(WaitSchema, { for: { case: "sleepMs", value: 1n } }) },
    /"a" only waits: there is nothing to recover/,
  ],
  ["is a child run", { child: childRun("other") }, /"a" is a child run: its own workflow's actions/],
  ["is an external batch", { batch: {} as never }, /"a" is an external batch: what one job fails at/],
])("a recovery of an action that %s is refused", (_, fields, message) => {
  expect(definitionProblems(workflow("w", [action("a", { recover: true, ...fields })])).join("; ")).toMatch(
    message,
  );
});
