/**
 * What workers say of jobs: that one was submitted, how far one is, and the results of its items.
 *
 * 1. A result counts for an item that the job still works on, once; any other changes nothing, and is counted.
 * 2. A result ends its item through the same function as an inline report does.
 */
import {
  ActionStatus,
  type BatchCheck,
  type BatchReport,
  type BatchResult,
  BatchPhase,
  Encoding,
  type Failure,
  FailureMode,
  ItemStatus,
  type Payload,
  RunEventType,
  Source,
  type TaskReport,
  TaskSuccessSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { tellBreaker } from "../breaker/gate.js";
import { jobAnswered, jobTaken, jobUnanswered, noteResult } from "../breaker/job.js";
import type { ActionPlan } from "../definition/plan.js";
import { BATCH_HANDLE_BYTES_MAX, BATCH_PROGRESS_CHARS_MAX, BATCH_RESULTS_A_COMMAND_MAX } from "../limits.js";
import { isTerminal } from "../status.js";
import { cutText } from "../text.js";
import { endAction } from "./actions.js";
import { type Actor, addEvent, makeFailure, payloadProblem, stateOf } from "./actor.js";
import { failedText } from "./attempt.js";
import { batchOf, close, handleText, jobOver, jobText, leaveJob, submitted, waitForCheck } from "./batch.js";
import { backOff, pauseAfter } from "./failed-attempt.js";
import { recordOf, statusOf } from "./items.js";
import { checkedOutcome, type ItemReporter, type Outcome, reportAction, reportItem } from "./report.js";

/** The current attempt at a job has ended. `checked`: what it comes to where it says nothing of a job. */
export function batchReported(
  actor: Actor,
  action: ActionPlan,
  by: ItemReporter,
  { case: kind, value }: TaskReport["outcome"],
  checked: Outcome,
): void {
  const state = stateOf(actor, action);
  const batch = batchOf(actor, action);
  const isCheck = batch.phase === BatchPhase.CHECKING;
  state.worker = by.worker;
  const said = kind === "batch" ? value : undefined;
  const failure =
    said === undefined ? failureOf(actor, by, checked) : reportProblem(actor, by, said, isCheck);
  // No attempt is under way now, whatever comes of it.
  if (isCheck) batch.phase = BatchPhase.SUBMITTED;
  else state.status = ActionStatus.WAITING;
  if (failure !== undefined) {
    if (isCheck) checkFailed(actor, action, failure);
    else submitFailed(actor, action, by, failure);
  } else if (said?.step.case === "submitted") {
    tellBreaker(actor, action, by, TAKEN);
    jobTaken(actor, action);
    submitted(actor, action, said.step.value);
    addEvent(actor, RunEventType.BATCH_SUBMITTED, {
      action: action.index,
      attempt: state.attempt,
      actionStatus: state.status,
      detail: `batch job ${handleText(said.step.value)}${state.items === undefined ? "" : `, ${batch.size} items`}`,
      items: state.items?.counts,
    });
  } else if (said?.step.case === "checked") answered(actor, action, by.worker, said.step.value);
}

/** What a submit comes to that was not in vain. */
const TAKEN: Outcome = { case: "success", value: init(TaskSuccessSchema) };

const bug = (actor: Actor, { worker, attempt }: ItemReporter, message: string): Failure =>
  makeFailure(
    { mode: FailureMode.HANDLER_BUG, message, rawClass: "Report" },
    { atNs: actor.ctx.atNs, source: Source.ENGINE, worker, attempt },
  );

function failureOf(actor: Actor, by: ItemReporter, outcome: Outcome): Failure {
  return outcome.case === "failure"
    ? outcome.value
    : bug(actor, by, "the worker's report says nothing of the job, but a submit or a check must");
}

/** Why what was said of a job can't be taken; undefined: it can. */
function reportProblem(
  actor: Actor,
  by: ItemReporter,
  { step }: BatchReport,
  isCheck: boolean,
): Failure | undefined {
  if (step.case === "submitted" && !isCheck) {
    const problem = handleProblem(step.value);
    return problem === undefined ? undefined : bug(actor, by, problem);
  }
  if (step.case !== "checked" || !isCheck)
    return bug(actor, by, `the worker's report is not of a ${isCheck ? "check" : "submit"}`);
  return undefined;
}

function handleProblem(handle: Payload): string | undefined {
  const { body, encoding } = handle;
  if (encoding !== Encoding.UNSPECIFIED)
    return "the job's handle is not JSON: what submit gives back must be, since people are shown it";
  if (body.case === "inline" && body.value.length <= BATCH_HANDLE_BYTES_MAX) {
    const problem = payloadProblem(handle);
    return problem === undefined ? undefined : `the job's handle can't be kept: ${problem.message}`;
  }
  const size = body.case === "inline" ? `${body.value.length} bytes` : "not inline";
  return `the job's handle is ${size}: what submit gives back must be JSON of at most ${BATCH_HANDLE_BYTES_MAX} bytes`;
}

/** As the action's attempts are retried; the job's number stays, so that the outside system can tell the same submit again. */
function submitFailed(
  actor: Actor,
  action: ActionPlan,
  { worker, attempt }: ItemReporter,
  failure: Failure,
): void {
  const batch = batchOf(actor, action);
  // A probe is not spent.
  if (!tellBreaker(actor, action, { attempt }, { case: "failure", value: failure })) batch.tries += 1;
  if (action.forEach === undefined) {
    reportAction(actor, action, worker, { case: "failure", value: failure }, batch.jobs - 1 + batch.tries);
    return;
  }
  const pauseMs = pauseAfter(actor, action, failure, batch.tries, -1);
  if (pauseMs === undefined) close(actor, action, failure, { final: true });
  else backOff(actor, action, failure, pauseMs);
}

function checkFailed(actor: Actor, action: ActionPlan, failure: Failure): void {
  const state = stateOf(actor, action);
  const batch = batchOf(actor, action);
  const why = `; the last check failed: ${failedText(failure)}`;
  if (jobUnanswered(actor, action, failure)) {
    waitForCheck(actor, action, undefined, why);
    return;
  }
  batch.tries += 1;
  const pauseMs = pauseAfter(actor, action, failure, batch.tries, -1);
  addEvent(actor, RunEventType.ATTEMPT_FAILED, {
    action: action.index,
    attempt: state.attempt,
    actionStatus: state.status,
    detail: `check of ${jobText(state)}: ${failedText(failure)}`,
  });
  if (pauseMs !== undefined) {
    waitForCheck(actor, action, pauseMs, why);
    return;
  }
  leaveJob(actor, action, "it could not be checked");
  if (state.items !== undefined) {
    close(actor, action, failure, { final: true });
    return;
  }
  state.detail = undefined;
  endAction(actor, action, ActionStatus.FAILED, failure);
}

/** The outside system said how far the job is. */
function answered(actor: Actor, action: ActionPlan, worker: string, check: BatchCheck): void {
  const state = stateOf(actor, action);
  const batch = batchOf(actor, action);
  batch.checks += 1;
  batch.tries = 0;
  batch.checkedAtNs = actor.ctx.atNs;
  if (check.progress !== "") batch.progress = cutText(check.progress, BATCH_PROGRESS_CHARS_MAX);
  if (check.unusable !== "") batch.unusable = cutText(check.unusable, BATCH_PROGRESS_CHARS_MAX);
  batch.done = check.done;
  jobAnswered(actor, action);
  if (state.items === undefined) {
    if (check.done) endJob(actor, action, worker, check);
    else waitForCheck(actor, action);
    return;
  }
  const { results } = check;
  if (results.length <= BATCH_RESULTS_A_COMMAND_MAX) applyResults(actor, action, worker, results);
  else {
    // What fits counts; nobody's work is undone for what stands beside it.
    batch.unusable = `the check's report holds ${results.length} results; the first ${BATCH_RESULTS_A_COMMAND_MAX} count: send the others before it`;
    applyResults(actor, action, worker, results.slice(0, BATCH_RESULTS_A_COMMAND_MAX));
  }
  if (isTerminal(state.status)) return;
  const missing = state.items.counts?.running ?? 0;
  if (!check.done && missing > 0) {
    waitForCheck(actor, action);
    return;
  }
  if (missing === 0) {
    jobOver(actor, action);
    return;
  }
  const message = `batch job ${handleText(batch.handle)} ended without a result for this item${batch.unusable === "" ? "" : ` (${batch.unusable})`}`;
  const lost = { mode: FailureMode.PARTIAL_TOOL_FAILURES, message, rawClass: "NoResult" };
  const failure = jobFailure(actor, worker, check) ?? stamped(actor, worker, lost);
  noteResult(actor, action, { case: "failure", value: failure });
  close(actor, action, failure, {});
}

const stamped = (actor: Actor, worker: string, failure: Parameters<typeof makeFailure>[0]): Failure =>
  makeFailure(failure, { atNs: actor.ctx.atNs, source: Source.WORKER, worker });

function jobFailure(actor: Actor, worker: string, { error }: BatchCheck): Failure | undefined {
  return error === undefined ? undefined : stamped(actor, worker, { ...error, modes: [] });
}

/** A job that is not over items is done: the action ends as an inline one does. */
function endJob(actor: Actor, action: ActionPlan, worker: string, check: BatchCheck): void {
  const { ctx } = actor;
  const state = stateOf(actor, action);
  const { jobs } = batchOf(actor, action);
  const { error, success, unusable } = check;
  let outcome: Outcome = { case: "success", value: success ?? init(TaskSuccessSchema) };
  if (error !== undefined) outcome = { case: "failure", value: error };
  // It has no items that results could be of: whoever gave some meant another answer.
  else if (unusable !== "")
    outcome = {
      case: "failure",
      value: bug(actor, { worker, attempt: state.attempt, startedAtNs: 0n }, unusable),
    };
  const counted = checkedOutcome(ctx, outcome, { worker, attempt: state.attempt }, false);
  noteResult(actor, action, counted);
  leaveJob(actor, action);
  state.detail = undefined;
  reportAction(actor, action, worker, counted, jobs);
}

/** How many counted; stops where they end the action. */
export function applyResults(
  actor: Actor,
  action: ActionPlan,
  worker: string,
  results: readonly BatchResult[],
): number {
  const state = stateOf(actor, action);
  const batch = batchOf(actor, action);
  let applied = 0;
  for (const { index, outcome } of results) {
    if (statusOf(actor, action, index) !== ItemStatus.RUNNING) {
      batch.ignored += 1;
      continue;
    }
    const attempt = recordOf(actor, action, index)?.attempt ?? 1;
    const by = { worker, attempt, startedAtNs: batch.submittedAtNs };
    const counted = checkedOutcome(actor.ctx, outcome, by, true);
    noteResult(actor, action, counted);
    reportItem(actor, action, index, by, counted);
    applied += 1;
    if (isTerminal(state.status)) break;
  }
  return applied;
}
