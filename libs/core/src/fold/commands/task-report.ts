/**
 * TaskReport: how one attempt ended. From a worker, or from the owner for a worker that can't.
 *
 * 1. Only a report of the current attempt changes anything (I5); any other is stale and says so.
 * 2. An attempt that its worker gives back goes on: nothing changes but what it used, and somebody may have it again.
 */
import {
  type Command,
  FailureMode,
  FailureSchema,
  RejectCode,
  type TaskReport,
  type TaskReturn,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { type Actor, isCancelling, loadActor, saveActor, stateOf } from "../../actor/actor.js";
import { advance } from "../../actor/advance.js";
import { isCurrentAttempt, isUndoRunning } from "../../actor/attempt.js";
import { cancelReported, runningCancel } from "../../actor/batch-cancel.js";
import { batchReported } from "../../actor/batch-report.js";
import { spareAttempt } from "../../actor/held-items.js";
import { checkSpent } from "../../actor/guardrails.js";
import { checkedOutcome, type Outcome, reportAction, reportItem } from "../../actor/report.js";
import { undoReported } from "../../actor/undo.js";
import { countUsage } from "../../actor/usage.js";
import { tellBreaker } from "../../breaker/gate.js";
import type { ActionPlan } from "../../definition/plan.js";
import { DETAIL_CHARS_MAX, WORKER_CHARS_MAX } from "../../limits.js";
import { quoted } from "../../names.js";
import { isTerminal } from "../../status.js";
import { cutText } from "../../text.js";
import type { FoldContext } from "../context.js";

export function taskReport(ctx: FoldContext, command: Command, report: TaskReport): void {
  const actor = loadActor(ctx, report.runId);
  const action = actor?.plan.actions[report.action];
  if (actor === undefined || action === undefined || !isAwaited(actor, action, report)) {
    ctx.emit({
      kind: "stale-report",
      runId: report.runId,
      action: report.action,
      item: report.item ?? -1,
      attempt: report.attempt,
    });
    const message = `attempt ${report.attempt} of run ${quoted(report.runId)}, action ${report.action} is not the current one: nothing was changed`;
    ctx.reject(command, RejectCode.STALE_ATTEMPT, message, report.runId, actor?.run.status);
    return;
  }
  if (report.outcome.case === "returned" && !isCancelling(actor))
    return returned(actor, action, command, report, report.outcome.value);
  ctx.emit({
    kind: "closed",
    runId: report.runId,
    action: action.index,
    item: report.item ?? -1,
    attempt: report.attempt,
  });
  if (report.usage !== undefined) countUsage(actor, action, report.usage);
  // Before the outcome counts, so that it sets nothing off any more.
  const exceeds = checkSpent(actor);
  const ended = apply(actor, action, report);
  if (ended || exceeds) advance(actor);
  saveActor(actor);
  ctx.accept(command, { runId: report.runId, status: actor.run.status });
}

/** The attempt goes on, as somebody else's. */
function returned(
  actor: Actor,
  action: ActionPlan,
  command: Command,
  { runId, item = -1, attempt, worker, usage }: TaskReport,
  { reason, noFunction }: TaskReturn,
): void {
  const { ctx } = actor;
  ctx.emit({
    kind: "returned",
    runId,
    action: action.index,
    item,
    attempt,
    worker: cutText(worker || ctx.batch.producer, WORKER_CHARS_MAX),
    reason: cutText(reason, DETAIL_CHARS_MAX),
    noFunction,
  });
  if (usage !== undefined) {
    countUsage(actor, action, usage);
    if (checkSpent(actor)) advance(actor);
    saveActor(actor);
  }
  ctx.accept(command, { runId, status: actor.run.status });
}

/** Its attempt is the current one, or one to cancel a job, for which nothing waits. */
function isAwaited(actor: Actor, action: ActionPlan, report: TaskReport): boolean {
  if (isCurrentAttempt(actor, action, report)) return true;
  return report.item === undefined && runningCancel(stateOf(actor, action), report.attempt) !== undefined;
}

/** Whether the action has ended, so that the run is to go on. */
function apply(actor: Actor, action: ActionPlan, report: TaskReport): boolean {
  const { ctx } = actor;
  const worker = cutText(report.worker || ctx.batch.producer, WORKER_CHARS_MAX);
  const by = { worker, attempt: report.attempt, startedAtNs: report.startedAtNs };
  const said = saidOutcome(report.outcome);
  const outcome = checkedOutcome(ctx, said, by, report.item !== undefined);
  const state = stateOf(actor, action);
  const cancel = report.item === undefined ? runningCancel(state, report.attempt) : undefined;
  if (cancel !== undefined) {
    cancelReported(actor, action, cancel, outcome);
    return false;
  }
  if (isUndoRunning(actor, action)) {
    undoReported(actor, action, outcome, worker);
    return false;
  }
  if (action.batch !== undefined) {
    batchReported(actor, action, by, report.outcome, outcome);
    return isTerminal(state.status);
  }
  if (tellBreaker(actor, action, report, outcome)) spareAttempt(actor, action, report);
  if (report.item !== undefined) reportItem(actor, action, report.item, by, outcome);
  else reportAction(actor, action, worker, outcome);
  return isTerminal(state.status);
}

function saidOutcome(outcome: TaskReport["outcome"]): Outcome {
  if (outcome.case === "batch") return NO_BATCH;
  return outcome.case === "returned" ? CANCELLED : outcome;
}

/** What is given back of a run that is being cancelled: nobody is to have it again. */
const CANCELLED: Outcome = {
  case: "failure",
  value: init(FailureSchema, { mode: FailureMode.CANCELLED, message: "cancelled before it was done" }),
};

/** What a batch report comes to where none is wanted. */
const NO_BATCH: Outcome = {
  case: "failure",
  value: init(FailureSchema, {
    mode: FailureMode.HANDLER_BUG,
    message: "the worker reported of a job where none was to be submitted or checked",
    rawClass: "Report",
  }),
};
