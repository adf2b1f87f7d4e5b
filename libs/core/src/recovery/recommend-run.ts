/** What is recommended for a run that has ended. */
import { FailureMode, type Recommendation, type RunRecord, RunStatus } from "@holdfast/proto";
import { spentText } from "../actor/guardrails.js";
import type { DefinitionPlan } from "../definition/plan.js";
import { completionOf } from "./completion.js";
import { recommend } from "./recommend.js";
import { undoneOf } from "./undone.js";

export function recommendForRun(runId: string, plan: DefinitionPlan, run: RunRecord): Recommendation {
  const { done, total } = completionOf(plan, run);
  const undone = undoneOf(plan, run);
  // Whatever it failed with, it is not to go on where it has spent what it may.
  const isSpent = run.failure !== undefined && spentText({ run, plan }) !== undefined;
  const mode = isSpent ? FailureMode.POLICY_BUDGET : (run.failure?.mode ?? FailureMode.UNSPECIFIED);
  return recommend({
    cancelled: run.status === RunStatus.CANCELLED,
    mode,
    modes: run.failure?.modes ?? [],
    done,
    total,
    subject: `run ${runId}`,
    undone: undone.done,
    notUndone: undone.failed.map(({ name }) => name),
  });
}
