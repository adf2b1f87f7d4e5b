/** Whether a workflow's guardrails, and its recovery handlers, can be held to. */
import type { ActionDefinition, Guardrails } from "@holdfast/proto";
import { STUCK_REVISIT_GAP_MAX, USAGE_MICRO_MAX, USAGE_NAMES_MAX, WAIT_MS_MAX } from "../limits.js";
import { nameProblem, quoted } from "../names.js";

type Say = (problem: string | undefined) => void;

const UINT32_MAX = 0xffff_ffff;

export function guardrailProblems(guardrails: Guardrails, say: Say): void {
  const { maxDurationMs, maxSteps, budgets, stuckRevisitGap } = guardrails;
  if (maxDurationMs < 0n || maxDurationMs > WAIT_MS_MAX)
    say(`guardrail max_duration is ${maxDurationMs} ms: give 1 to ${WAIT_MS_MAX}, or leave it out`);
  if (!Number.isInteger(maxSteps) || maxSteps < 0 || maxSteps > UINT32_MAX)
    say(`guardrail max_steps is ${maxSteps}: give a whole number from 1 to ${UINT32_MAX}, or leave it out`);
  if (!Number.isInteger(stuckRevisitGap) || stuckRevisitGap < 0 || stuckRevisitGap > STUCK_REVISIT_GAP_MAX)
    say(
      `guardrail stuck_revisit_gap is ${stuckRevisitGap}: give a whole number from 1 to ${STUCK_REVISIT_GAP_MAX}, or leave it out`,
    );
  if (budgets.length > USAGE_NAMES_MAX)
    say(`${budgets.length} budgets are too many: a workflow has at most ${USAGE_NAMES_MAX}`);
  const names = new Set<string>();
  for (const { name, limitMicro } of budgets) {
    say(nameProblem("budget", name));
    if (names.has(name)) say(`two budgets are named ${quoted(name)}`);
    names.add(name);
    if (limitMicro <= 0n || limitMicro > USAGE_MICRO_MAX)
      say(`budget ${quoted(name)} is ${limitMicro} millionths: give more than 0, at most ${USAGE_MICRO_MAX}`);
  }
}

export function recoverProblem({ name, wait, child, batch }: ActionDefinition): string | undefined {
  if (wait === undefined && child === undefined && batch === undefined) return undefined;
  const what =
    wait !== undefined
      ? "only waits: there is nothing to recover"
      : child !== undefined
        ? "is a child run: its own workflow's actions can be recovered"
        : "is an external batch: what one job fails at, the next one tries again";
  return `action ${quoted(name)} ${what}; declare the recovery on an action with a handler`;
}
