/** What is recommended for a run that has ended. */
import { FailureMode, type Recommendation, type RunRecord, RunStatus } from "@holdfast/proto";
import type { DefinitionPlan } from "../definition/plan.js";
import { completionOf } from "./completion.js";
import { recommend } from "./recommend.js";
import { undoneOf } from "./undone.js";

export function recommendForRun(runId: string, plan: DefinitionPlan, run: RunRecord): Recommendation {
  const { done, total } = completionOf(plan, run);
  const undone = undoneOf(plan, run);
  return recommend({
    cancelled: run.status === RunStatus.CANCELLED,
    mode: run.failure?.mode ?? FailureMode.UNSPECIFIED,
    modes: run.failure?.modes ?? [],
    done,
    total,
    subject: `run ${runId}`,
    undone: undone.done,
    notUndone: undone.failed.map(({ name }) => name),
  });
}
