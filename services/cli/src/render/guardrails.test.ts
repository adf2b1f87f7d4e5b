/** What a person sees of what a run spent, of its guardrails, and of recoveries. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ActionStatus, FailureMode, RunStatus, RunViewSchema } from "@holdfast/proto";
import { expect, it } from "vitest";
import { renderRun } from "./run.js";
import { plainScreen, SAMPLE_NOW_MS } from "./sample-runs.js";

const usage = {
  counts: [
    { name: "tokens", amountMicro: 120_000_000n },
    { name: "cost_usd", amountMicro: 3_100n },
  ],
};
const failure = { mode: FailureMode.VALIDATION, message: "no such row; recovery failed: cache away" };
const run = create(RunViewSchema, {
  summary: { runId: "r-1", workflow: "w", status: RunStatus.RUNNING, generation: 1, tally: { open: 1 } },
  usage: { ...usage, uncounted: 2 },
  guardrails: {
    budgets: [{ name: "tokens", limitMicro: 1_000_000_000_000n, usedMicro: 120_000_000n }],
    maxSteps: 10,
    steps: 3,
    deadline: timestampFromMs(SAMPLE_NOW_MS),
  },
  levels: [{ level: 0, tally: { open: 1 }, actions: ["load"] }],
  actions: [
    {
      name: "load",
      status: ActionStatus.FAILED,
      attempt: 2,
      detail: "VALIDATION: no such row; recovery failed: cache away",
      failure,
      usage,
      recover: {
        original: { mode: FailureMode.VALIDATION, message: "no such row" },
        failed: { mode: FailureMode.NETWORK, message: "cache away" },
      },
    },
  ],
});
const shown = (view: typeof run): string => renderRun(view, [], plainScreen(400)).join("\n");

it("what was spent, what the guardrails leave, and what could not be counted", () => {
  const text = shown(run);
  expect(text).toContain("spent: tokens 120, cost_usd 0.0031, 2 further amounts not counted");
  expect(text).toContain("guardrails: tokens 120 of 1000000 · steps 3 of 10 · until ");
  expect(text).toContain("      spent: tokens 120, cost_usd 0.0031\n");
});

it("both reasons of a recovery that failed, once", () => {
  expect(shown(run).match(/cache away/g)).toHaveLength(1);
  const [action] = run.actions;
  if (action?.failure === undefined) throw new Error("the sample has an action that failed");
  const told = {
    ...action,
    detail: "could not load",
    failure: { ...action.failure, shown: "could not load" },
  };
  expect(shown({ ...run, actions: [told] })).toContain("its recovery failed with NETWORK: cache away");
});

it("nothing of either where there is none", () => {
  const text = shown({ ...run, usage: undefined, guardrails: undefined, actions: [] });
  expect(text).not.toMatch(/spent|guardrails/);
});
