/**
 * The jobs of an external batch action: a worker submits one to an outside system, it is checked on a durable timer, and what it
 * gives ends items and actions in the same functions as inline work does.
 *
 * 1. One job at a time. Over items, its items are exactly those that are RUNNING; nothing of them is dispatched.
 * 2. A submit and a check are attempts of the action, counted with all others, so that no report of one counts for another (I5).
 * 3. A job whose check fails is not lost: it is checked again, as the retry policy has it.
 * 4. Work that grows with a job's size is done in pieces; a timer that is due at once goes on with it.
 */
import {
  type ActionState,
  ActionStatus,
  type BatchState,
  BatchStateSchema,
  BatchPhase,
  type Failure,
  FailureMode,
  ItemStatus,
  type Payload,
  RunEventType,
  Source,
  TaskRefSchema,
  TimerKind,
  TimerRecordSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { refusal, tellBreaker, unhold } from "../breaker/gate.js";
import { noteResult, tellJobOver } from "../breaker/job.js";
import type { ActionPlan } from "../definition/plan.js";
import { BATCH_CLOSED_AT_ONCE_MAX, BATCH_HANDLE_SHOWN_CHARS } from "../limits.js";
import type { ResolvedBatch } from "../policy/batch.js";
import { backoffMs } from "../policy/retry.js";
import { beyondTolerance } from "../resolve.js";
import { isTerminal, ITEM_OPEN_STATUSES } from "../status.js";
import { cutText, fromUtf8, spanText } from "../text.js";
import { beginAttempt, endAction, settleItems } from "./actions.js";
import { type Actor, addEvent, makeDetail, makeFailure, stateOf } from "./actor.js";
import { addCancel } from "./batch-cancel.js";
import { mayGo, refuseItem } from "./held-items.js";
import {
  emitDispatch,
  itemsOf,
  nextItemWhere,
  openItems,
  recordOf,
  releaseItems,
  takePending,
} from "./items.js";
import { failItem } from "./report.js";

const MS = 1_000_000n;

export function batchOf(actor: Actor, action: ActionPlan): BatchState {
  const { batch } = stateOf(actor, action);
  if (batch === undefined) throw new Error(`action ${action.name} of run ${actor.runId} has begun no batch`);
  return batch;
}

function policyOf(action: ActionPlan): ResolvedBatch {
  if (action.batch === undefined) throw new Error(`action ${action.name} is no external batch action`);
  return action.batch;
}

/** An external batch action begins (again): no job yet, and its time runs. */
export function startBatch(actor: Actor, action: ActionPlan): void {
  const state = stateOf(actor, action);
  const { timeoutMs } = policyOf(action);
  const deadlineNs = timeoutMs === 0n ? 0n : actor.ctx.atNs + timeoutMs * MS;
  const { job = 0, submittedAtNs = 0n, steps = 0 } = state.batch ?? {};
  // A whole action whose job the outside system never took goes on with that job, from its steps.
  const isSame = job > 0 && submittedAtNs === 0n && action.forEach === undefined;
  state.batch = init(BatchStateSchema, isSame ? { job: job - 1, steps, deadlineNs } : { job, deadlineNs });
  if (deadlineNs > 0n) setTimer(actor, action, deadlineNs, 0);
}

function setTimer(actor: Actor, action: ActionPlan, dueNs: bigint, attempt: number): void {
  actor.ctx.setTimer(
    dueNs,
    init(TimerRecordSchema, { kind: TimerKind.BATCH, runId: actor.runId, action: action.index, attempt }),
  );
}

/** Takes what waits into the next job, unless there is one, or more is about to join it. */
export function beginJob(actor: Actor, action: ActionPlan): void {
  const { itemsAJob } = policyOf(action);
  const batch = batchOf(actor, action);
  const items = itemsOf(actor, action);
  const { counts } = items;
  if (batch.phase !== BatchPhase.UNSPECIFIED || counts === undefined || !items.loaded) return;
  if (isTerminal(stateOf(actor, action).status)) return;
  if (isOverdue(actor, batch) && openItems(counts) > 0) {
    timeOut(actor, action);
    return;
  }
  if (counts.pending === 0 || beyondTolerance(action.tolerate, counts.failed, counts.total)) return;
  // What backs off after the last job goes with the next one, unless that is full without it.
  if (counts.retrying > 0 && counts.pending < itemsAJob) return;
  if (action.breaker !== undefined && !mayGo(actor, action)) return;
  while (counts.running < itemsAJob && takePending(actor, action) !== undefined);
  beginAttempt(actor, action);
}

/** The attempt that was just counted is one to submit: of the next job, or of the same one again. */
export function submitting(actor: Actor, action: ActionPlan): void {
  const state = stateOf(actor, action);
  const batch = batchOf(actor, action);
  if (batch.phase === BatchPhase.SUBMITTING) return;
  batch.phase = BatchPhase.SUBMITTING;
  if (batch.jobs > 0) batch.steps = 0;
  batch.job += 1;
  batch.jobs += 1;
  batch.handle = undefined;
  batch.submittedAtNs = 0n;
  batch.checkedAtNs = 0n;
  batch.checks = 0;
  batch.tries = 0;
  batch.ignored = 0;
  batch.unusable = "";
  batch.progress = "";
  batch.done = false;
  batch.countedAtNs = 0n;
  batch.countedBad = false;
  batch.answered = false;
  batch.unanswered = false;
  batch.size = state.items?.counts?.running ?? 0;
}

/** The outside system has the job. */
export function submitted(actor: Actor, action: ActionPlan, handle: Payload): void {
  const batch = batchOf(actor, action);
  batch.handle = handle;
  batch.submittedAtNs = actor.ctx.atNs;
  batch.tries = 0;
  waitForCheck(actor, action);
}

/** Sets the timer of the next check; `pauseMs` where that is not the policy's next interval. */
export function waitForCheck(actor: Actor, action: ActionPlan, pauseMs?: number, why = ""): void {
  const { ctx, runId } = actor;
  const state = stateOf(actor, action);
  const batch = batchOf(actor, action);
  const key = `${runId}/${action.index}/job-${batch.job}`;
  const pause = pauseMs ?? backoffMs(policyOf(action).poll, batch.checks + 1, key);
  batch.phase = BatchPhase.SUBMITTED;
  state.status = ActionStatus.WAITING;
  state.retryAtNs = ctx.atNs + BigInt(pause) * MS;
  state.detail = makeDetail(`${jobText(state)}${why}`, Source.ENGINE, ctx.atNs);
  setTimer(actor, action, state.retryAtNs, state.attempt);
}

/** "batch job 17: 2 of 5 done", with what the outside system said of its progress. */
export function jobText(state: ReturnType<typeof stateOf>): string {
  const { batch, items } = state;
  if (batch === undefined) return "";
  const done = batch.size - (items?.counts?.running ?? 0);
  const far = items === undefined ? "not done yet" : `${done} of ${batch.size} done`;
  return `batch job ${handleText(batch.handle)}: ${far}${batch.progress === "" ? "" : `; ${batch.progress}`}`;
}

/** A handle as people see it, cut. */
export function handleText(handle: Payload | undefined): string {
  if (handle?.body.case !== "inline") return "without a handle";
  const text = fromUtf8(handle.body.value).replace(/^"(.*)"$/s, "$1");
  return cutText(text, BATCH_HANDLE_SHOWN_CHARS);
}

const isOverdue = (actor: Actor, { deadlineNs }: BatchState): boolean =>
  deadlineNs > 0n && actor.ctx.atNs >= deadlineNs;

/** A timer of an external batch action is due. False where the state has gone past it. */
export function batchDue(actor: Actor, action: ActionPlan, attempt: number): boolean {
  const state = stateOf(actor, action);
  const { batch } = state;
  if (batch === undefined || isTerminal(state.status) || state.status === ActionStatus.PENDING) return false;
  if (attempt === 0) {
    if (!isOverdue(actor, batch) || batch.phase === BatchPhase.CLOSING) return false;
    timeOut(actor, action);
    return true;
  }
  if (state.attempt !== attempt) return false;
  if (batch.phase === BatchPhase.CLOSING) closeSome(actor, action);
  else if (batch.phase === BatchPhase.SUBMITTED) check(actor, action);
  else return false;
  return true;
}

function check(actor: Actor, action: ActionPlan): void {
  const state = stateOf(actor, action);
  const batch = batchOf(actor, action);
  batch.phase = BatchPhase.CHECKING;
  // A check that is made again goes on from its steps.
  if (batch.tries === 0) batch.steps = 0;
  state.attempt += 1;
  state.retryAtNs = 0n;
  emitDispatch(actor, action, -1, state.attempt);
}

/** Its time is over: what has no result fails for good; what has one keeps it. */
function timeOut(actor: Actor, action: ActionPlan): void {
  const { ctx } = actor;
  const state = stateOf(actor, action);
  const message = `the outside system gave no result within ${spanText(policyOf(action).timeoutMs)}`;
  const job = batchOf(actor, action).handle === undefined ? "" : ` (${jobText(state)})`;
  const held = state.breaker?.held === true ? `; ${refusal(actor, action).message}` : "";
  const failure = makeFailure(
    { mode: FailureMode.TIMEOUT, message: message + job + held, rawClass: "Timeout" },
    { atNs: ctx.atNs, source: Source.TIMEOUT },
  );
  unhold(actor, action);
  noteResult(actor, action, { case: "failure", value: failure });
  leaveJob(actor, action, "its time was over");
  state.detail = undefined;
  if (state.items !== undefined) {
    close(actor, action, failure, { final: true, all: true });
    return;
  }
  endAction(actor, action, ActionStatus.FAILED, failure);
}

/**
 * There is no job under way any more: an attempt at it stops, and the outside system is told, where it has the job and `why` is
 * given.
 */
export function leaveJob(actor: Actor, action: ActionPlan, why?: string): void {
  const { ctx, runId } = actor;
  const state = stateOf(actor, action);
  const { batch } = state;
  if (batch === undefined) return;
  const { phase, handle, job } = batch;
  const reason = why ?? "it has ended";
  if (isAttemptAtJob(state)) {
    const ref = init(TaskRefSchema, { runId, action: action.index, attempt: state.attempt });
    ctx.emit({ kind: "cancel-tasks", tasks: [ref], reason, graceMs: 0 });
    ctx.emit({ kind: "closed", runId, action: action.index, item: -1, attempt: state.attempt });
    if (phase === BatchPhase.SUBMITTING) tellBreaker(actor, action, { attempt: state.attempt });
  }
  // What was said of the job is no more so.
  if (state.status === ActionStatus.WAITING && phase > BatchPhase.SUBMITTING) state.detail = undefined;
  batch.phase = BatchPhase.UNSPECIFIED;
  batch.handle = undefined;
  batch.closing = undefined;
  if (phase !== BatchPhase.SUBMITTED && phase !== BatchPhase.CHECKING) return;
  addJobEnded(actor, action, handle);
  tellJobOver(actor, action);
  if (why !== undefined && !batch.done && policyOf(action).cancellable)
    addCancel(actor, action, { job, handle, reason });
}

/** No more of the job is waited for. */
function addJobEnded(actor: Actor, action: ActionPlan, handle: Payload | undefined): void {
  const state = stateOf(actor, action);
  const { size, ignored, done, unusable } = batchOf(actor, action);
  const { counts } = state.items ?? {};
  const far = counts === undefined ? "" : `: ${size - counts.running} of ${size} items have a result`;
  addEvent(actor, RunEventType.BATCH_ENDED, {
    action: action.index,
    attempt: state.attempt,
    actionStatus: state.status,
    detail: `batch job ${handleText(handle)} is ${done ? "done" : "left"}${far}${ignored === 0 ? "" : `; ${ignored} results changed nothing`}${unusable === "" ? "" : `; ${unusable}`}`,
    items: counts,
  });
}

/** Its current attempt submits or checks a job. */
export const isAttemptAtJob = ({ status, batch }: ReturnType<typeof stateOf>): boolean =>
  batch?.phase === BatchPhase.CHECKING ||
  (batch?.phase === BatchPhase.SUBMITTING && status === ActionStatus.RUNNING);

/** Its job is one that is to be submitted, or is being: what a breaker may hold of it. */
export const isAtSubmit = ({ batch }: Pick<ActionState, "batch">): boolean =>
  batch?.phase === BatchPhase.SUBMITTING;

/** Fails what has no result: of the job that is over, or of all. `final`: whatever the retry policy says. */
export function close(
  actor: Actor,
  action: ActionPlan,
  failure: Failure,
  { final = false, all = false }: { readonly final?: boolean; readonly all?: boolean },
): void {
  leaveJob(actor, action);
  const batch = batchOf(actor, action);
  stateOf(actor, action).status = ActionStatus.WAITING;
  batch.phase = BatchPhase.CLOSING;
  batch.closing = failure;
  batch.closingFrom = 0;
  batch.closingFinal = final;
  batch.closingAll = all;
  closeSome(actor, action);
}

function closeSome(actor: Actor, action: ActionPlan): void {
  const { ctx } = actor;
  const state = stateOf(actor, action);
  const batch = batchOf(actor, action);
  const failure = batch.closing;
  if (failure === undefined) throw new Error(`a job of action ${action.name} is closed without a reason`);
  const { closingFinal, submittedAtNs } = batch;
  const wanted = batch.closingAll ? ITEM_OPEN_STATUSES : RUNNING;
  let item = nextItemWhere(actor, action, batch.closingFrom, wanted);
  for (let left = BATCH_CLOSED_AT_ONCE_MAX; item !== undefined && left > 0; left--) {
    const attempt = recordOf(actor, action, item)?.attempt ?? 1;
    const by = { worker: state.worker, attempt, startedAtNs: submittedAtNs };
    if (failure.source === Source.BREAKER) refuseItem(actor, action, { item, attempt }, failure);
    else failItem(actor, action, item, by, failure, closingFinal);
    settleItems(actor, action);
    if (isTerminal(state.status)) return;
    item = nextItemWhere(actor, action, item + 1, wanted);
  }
  if (item !== undefined) {
    batch.closingFrom = item;
    state.retryAtNs = ctx.atNs;
    state.detail = makeDetail(failure.message, failure.source, ctx.atNs);
    setTimer(actor, action, ctx.atNs, state.attempt);
    return;
  }
  jobOver(actor, action);
}

const RUNNING: ReadonlySet<ItemStatus> = new Set([ItemStatus.RUNNING]);

/** All items of the job have ended: the next one begins, or the action ends. */
export function jobOver(actor: Actor, action: ActionPlan): void {
  const state = stateOf(actor, action);
  leaveJob(actor, action);
  state.status = ActionStatus.RUNNING;
  state.failure = undefined;
  state.detail = undefined;
  state.retryAtNs = 0n;
  releaseItems(actor, action);
  settleItems(actor, action);
}
