/** What the attempts of a run spent: summed on the action and on the run, whatever becomes of them. */
import { type Usage, UsageSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ActionPlan } from "../definition/plan.js";
import { addUsage, admitted, checkedUsage } from "../policy/usage.js";
import { type Actor, stateOf } from "./actor.js";

/** Counts what an attempt of the action spent. What it is not counted under is the same on action and run. */
export function countUsage(actor: Actor, action: ActionPlan, reported: Usage | undefined): void {
  const usage = checkedUsage(reported);
  if (usage === undefined || (usage.counts.length === 0 && usage.uncounted === 0)) return;
  const { run, plan } = actor;
  const state = stateOf(actor, action);
  run.usage ??= init(UsageSchema, { counts: [] });
  state.usage ??= init(UsageSchema, { counts: [] });
  const taken = admitted(usage, run.usage, plan.guardrails?.budgets.map(({ name }) => name) ?? []);
  addUsage(run.usage, taken);
  addUsage(state.usage, taken);
}
