/** What is shown of a run's guardrails, and of recoveries. Reads only. */
import {
  BudgetViewSchema,
  type GuardrailsView,
  GuardrailsViewSchema,
  type RecoverState,
  type RecoverView,
  RecoverViewSchema,
  type RunRecord,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { exceededOf, stepsCounted, usageCounted } from "../actor/guardrails.js";
import type { DefinitionPlan } from "../definition/plan.js";
import { timestamp } from "./timestamp.js";

/** Undefined where the workflow declares none. */
export function guardrailsView({ guardrails }: DefinitionPlan, run: RunRecord): GuardrailsView | undefined {
  if (guardrails === undefined) return undefined;
  const { maxDurationMs, maxSteps, budgets } = guardrails;
  return init(GuardrailsViewSchema, {
    maxDurationMs,
    deadline: timestamp(run.guardrails?.deadlineNs ?? 0n),
    maxSteps,
    steps: stepsCounted({ run }),
    budgets: budgets.map(({ name, limitMicro }) =>
      init(BudgetViewSchema, { name, limitMicro, usedMicro: usageCounted({ run }, name) }),
    ),
    exceeded: exceededOf({ run })?.message ?? "",
  });
}

export function recoverView(recover: RecoverState | undefined): RecoverView | undefined {
  if (recover === undefined) return undefined;
  const { original, failed } = recover;
  return init(RecoverViewSchema, { original, failed });
}
