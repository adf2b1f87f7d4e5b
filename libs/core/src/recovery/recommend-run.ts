/** What is recommended for a run that has ended. */
import {
  FailureMode,
  type Recommendation,
  RecommendationSchema,
  RecoveryStrategy,
  type RunRecord,
  RunStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { isRetryCancelled } from "../actor/actor.js";
import { spentText } from "../actor/guardrails.js";
import type { DefinitionPlan } from "../definition/plan.js";
import { isRejection } from "../failure/rejection.js";
import { completionOf } from "./completion.js";
import { recommend } from "./recommend.js";
import { undoneOf } from "./undone.js";

/** Which approvals a person rejected, and how they put it; undefined: none. */
function rejectedText(plan: DefinitionPlan, run: RunRecord): string | undefined {
  const said = plan.order.flatMap((index) => {
    const failure = run.actions[index]?.failure;
    return failure !== undefined && isRejection(failure)
      ? [`${plan.actions[index]?.name ?? ""}: ${failure.message}`]
      : [];
  });
  return said.length === 0 ? undefined : said.join("; ");
}

export function recommendForRun(runId: string, plan: DefinitionPlan, run: RunRecord): Recommendation {
  const again = run.restarted?.newest.at(-1)?.runId;
  if (again !== undefined) {
    return init(RecommendationSchema, {
      strategy: RecoveryStrategy.ABORT,
      reason: `it was restarted as run ${again}`,
      hint: `Look at run ${again}; a retry of run ${runId} would do the same work beside it.`,
      mode: run.failure?.mode ?? FailureMode.UNSPECIFIED,
    });
  }
  const { done, total } = completionOf(plan, run);
  const undone = undoneOf(plan, run);
  // Whatever it failed with, it is not to go on where it has spent what it may.
  const isSpent = run.failure !== undefined && spentText({ run, plan }) !== undefined;
  const mode = isSpent ? FailureMode.POLICY_BUDGET : (run.failure?.mode ?? FailureMode.UNSPECIFIED);
  return recommend({
    cancelled: run.status === RunStatus.CANCELLED,
    mode,
    modes: run.failure?.modes ?? [],
    rejected: rejectedText(plan, run),
    retryCancelled: isRetryCancelled(run),
    done,
    total,
    subject: `run ${runId}`,
    undone: undone.done,
    notUndone: undone.failed.map(({ name }) => name),
  });
}
