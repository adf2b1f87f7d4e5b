/** The ending of a run whose actions have all ended, written from the rules and not from the fold's code. */
import { ActionStatus, RunStatus } from "@holdfast/proto";
import type { RunUnderTest } from "./must.js";

export function expectedRunStatus({ run, plan }: RunUnderTest): RunStatus {
  const all = plan.actions.map(({ index, definition }) => ({
    status: run.actions[index]?.status,
    optional: definition.optional,
  }));
  // A child run can be cancelled without its parent. A cancelled retry leaves a run as failed as it was.
  const asked = run.cancel !== undefined && run.generation === 1;
  if (asked && all.some(({ status }) => status === ActionStatus.CANCELLED)) return RunStatus.CANCELLED;
  const isBorne = run.cancel !== undefined && run.retriedFrom === RunStatus.COMPLETED_WITH_FAILURES;
  if (isBorne && all.every(({ status, optional }) => status !== ActionStatus.FAILED || optional))
    return all.some(({ status }) => status !== ActionStatus.COMPLETED && status !== ActionStatus.SKIPPED)
      ? RunStatus.COMPLETED_WITH_FAILURES
      : RunStatus.COMPLETED;
  const failed = [ActionStatus.FAILED, ...(asked ? [] : [ActionStatus.CANCELLED])];
  if (all.some(({ status, optional }) => failed.includes(status as ActionStatus) && !optional))
    return RunStatus.FAILED;
  const has = (wanted: ActionStatus): boolean => all.some(({ status }) => status === wanted);
  return [ActionStatus.COMPLETED_WITH_FAILURES, ...failed].some(has)
    ? RunStatus.COMPLETED_WITH_FAILURES
    : RunStatus.COMPLETED;
}
