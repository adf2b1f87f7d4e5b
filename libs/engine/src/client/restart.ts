/** Whether a run may be restarted: asked of its view by whoever is about to begin another in its place. */
import { isRunTerminal } from "@holdfast/core";
import { RunStatus, type RunView } from "@holdfast/proto";

/** What is wrong, and what to do now; undefined: it may be. `newRunId`: of the run in its place; the same request again is no second restart. */
export function restartProblem({ summary, restartedAs }: RunView, newRunId: string): string | undefined {
  const { runId = "", status = RunStatus.UNSPECIFIED, recoverAt } = summary ?? {};
  if (restartedAs.some((one) => one.runId === newRunId)) return undefined;
  if (!isRunTerminal(status))
    return `run ${runId} has not ended, it is ${RunStatus[status]}: cancel it first, then restart it`;
  if (recoverAt !== undefined)
    return `run ${runId} is ${RunStatus[status]}, but is about to be retried by itself: cancel it first, then restart it`;
  return undefined;
}
