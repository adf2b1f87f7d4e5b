/** Guardrails as users declare them, made into what the definition carries. */
import { USAGE_MICRO_MAX } from "@holdfast/core";
import { type Guardrails, GuardrailsSchema, type UsageBudget, UsageBudgetSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { waitMs } from "../duration.js";
import { HoldfastError } from "../errors.js";
import type { GuardrailOptions } from "./options.js";

const MICRO = 1_000_000;

/** Throws `INVALID_DEFINITION` or `INVALID_ARGUMENT`, naming what is wrong. */
export function guardrails(given: GuardrailOptions): Guardrails {
  const { maxDuration, maxSteps, budgets = {}, stuckRevisitGap } = given;
  const maxDurationMs = maxDuration === undefined ? 0n : waitMs(maxDuration, "guardrails.maxDuration");
  if (maxDuration !== undefined && maxDurationMs === 0n)
    throw invalid(`guardrails.maxDuration is ${JSON.stringify(maxDuration)}: give more than 0`);
  if (maxSteps !== undefined && !(Number.isInteger(maxSteps) && maxSteps >= 1))
    throw invalid(`guardrails.maxSteps is ${maxSteps}: give a whole number of at least 1`);
  if (stuckRevisitGap !== undefined && !(Number.isInteger(stuckRevisitGap) && stuckRevisitGap >= 1))
    throw invalid(`guardrails.stuckRevisitGap is ${stuckRevisitGap}: give a whole number from 1 to 50`);
  return init(GuardrailsSchema, {
    maxDurationMs,
    maxSteps: maxSteps ?? 0,
    budgets: Object.entries(budgets).map(([name, limit]) => budget(name, limit)),
    stuckRevisitGap: stuckRevisitGap ?? 0,
  });
}

function budget(name: string, limit: number): UsageBudget {
  const most = Number(USAGE_MICRO_MAX) / MICRO;
  const limitMicro =
    typeof limit === "number" && limit > 0 && limit < most
      ? BigInt(Math.floor(limit)) * BigInt(MICRO) + BigInt(Math.round((limit % 1) * MICRO))
      : 0n;
  if (limitMicro === 0n)
    throw invalid(
      `guardrails.budgets.${name} is ${limit}: give at least 0.000001 and less than ${Math.floor(most)}`,
    );
  return init(UsageBudgetSchema, { name, limitMicro });
}

const invalid = (message: string): HoldfastError => new HoldfastError("INVALID_DEFINITION", message);
