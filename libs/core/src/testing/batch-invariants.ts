/**
 * What must hold of the jobs of external batch actions: at most one under way, its items exactly those that are RUNNING, each phase
 * with its status and its timer; a job that is over leaves nothing behind but what the outside system is to be told.
 */
import { type ActionState, ActionStatus, BatchPhase, RunStatus } from "@holdfast/proto";
import type { ActionPlan } from "../definition/plan.js";
import { taskKey } from "../effects.js";
import { BATCH_CANCELS_MAX, BATCH_HANDLE_BYTES_MAX } from "../limits.js";
import { isTerminal } from "../status.js";
import { isStopped } from "./item-invariants.js";
import { must, type RunUnderTest } from "./must.js";

const { UNSPECIFIED, SUBMITTING, SUBMITTED, CHECKING, CLOSING } = BatchPhase;
const STATUSES: Readonly<Record<BatchPhase, readonly ActionStatus[]>> = {
  [UNSPECIFIED]: [],
  [SUBMITTING]: [ActionStatus.RUNNING, ActionStatus.RETRYING],
  [SUBMITTED]: [ActionStatus.WAITING],
  [CHECKING]: [ActionStatus.WAITING],
  [CLOSING]: [ActionStatus.WAITING],
};

/** Its own attempts that are open, those to cancel its jobs included. */
export function openJobAttempts({ runId }: RunUnderTest, action: ActionPlan, state: ActionState): string[] {
  const cancels = state.batchCancels.filter(({ running }) => running).map(({ attempt }) => attempt);
  const phase = state.batch?.phase;
  const own = phase === CHECKING || (phase === SUBMITTING && state.status === ActionStatus.RUNNING);
  return [...cancels, ...(own ? [state.attempt] : [])].map((attempt) =>
    taskKey(runId, action.index, -1, attempt),
  );
}

export function checkBatch({ run }: RunUnderTest, action: ActionPlan): void {
  const state = run.actions[action.index] as ActionState;
  const { batch, items } = state;
  const what = `the job of ${action.name} (${ActionStatus[state.status]}, ${BatchPhase[batch?.phase ?? 0]})`;
  if (action.batch === undefined) {
    must(batch === undefined && state.batchCancels.length === 0, `${what}: only a batch action has jobs`);
    return;
  }
  must(state.batchCancels.length <= BATCH_CANCELS_MAX, `${what}: jobs to be cancelled are bounded`);
  for (const { attempt, lastAttempt } of state.batchCancels) {
    must(
      attempt <= lastAttempt && lastAttempt <= state.attempt,
      `${what}: attempts to cancel a job are numbers of the action's`,
    );
  }
  if (batch === undefined) {
    const { PENDING, SKIPPED, CANCELLED } = ActionStatus;
    must([PENDING, SKIPPED, CANCELLED].includes(state.status) || isStopped(state), what);
    return;
  }
  const isHeld = state.breaker?.held === true;
  const running = items?.counts?.running ?? 0;
  if (batch.phase === UNSPECIFIED) {
    must(running === 0, `${what}: no item is at work without a job`);
    must(batch.handle === undefined, `${what}: nothing is known of a job that is over`);
    must(
      state.status !== ActionStatus.WAITING || isHeld,
      `${what}: nothing waits for a job that is not there`,
    );
  } else {
    const atGate = isHeld && batch.phase === SUBMITTING && state.status === ActionStatus.WAITING;
    must(
      atGate || (!isHeld && STATUSES[batch.phase].includes(state.status)),
      `${what}: phase and status agree`,
    );
    must(batch.job > 0 && batch.jobs > 0 && batch.jobs <= batch.job, `${what}: jobs are counted`);
    must(running <= batch.size, `${what}: no item comes to a job that has begun`);
  }
  if (isTerminal(state.status)) must(batch.phase === UNSPECIFIED, `${what}: a job ends with its action`);
  const isOutside = batch.phase === SUBMITTED || batch.phase === CHECKING;
  must(isOutside === (batch.handle !== undefined), `${what}: a job that is outside has a handle, no other`);
  const handle = batch.handle?.body;
  must(
    handle === undefined || (handle.case === "inline" && handle.value.length <= BATCH_HANDLE_BYTES_MAX),
    `${what}: its handle is kept, and bounded`,
  );
  if (batch.phase === SUBMITTED) must(state.retryAtNs > 0n, `${what}: knows when it is checked`);
  const isWaitingForItems = items !== undefined && items.loaded && state.status === ActionStatus.RUNNING;
  if (isWaitingForItems && batch.phase === UNSPECIFIED && run.status !== RunStatus.PAUSED)
    must((items.counts?.retrying ?? 0) > 0, `${what}: without a job it waits for what backs off`);
}

/** The timers that must be there. */
export function jobTimers({ runId }: RunUnderTest, action: ActionPlan, state: ActionState): string[] {
  const { batch, status, retryAtNs, attempt } = state;
  if (batch === undefined || isTerminal(status) || status === ActionStatus.PENDING) return [];
  const timers: string[] = [];
  if (batch.phase === SUBMITTED || batch.phase === CLOSING)
    timers.push(`BATCH ${runId}/${action.index}/-1/${attempt}@${retryAtNs}`);
  return timers;
}

/** Of timers that have no other trace of when they are due. */
export function cancelTimers({ runId }: RunUnderTest, action: ActionPlan, state: ActionState): string[] {
  return state.batchCancels.map(({ attempt }) => `BATCH ${runId}/${action.index}/-1/${attempt}@`);
}
