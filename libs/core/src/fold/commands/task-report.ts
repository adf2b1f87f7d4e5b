/**
 * TaskReport: how one attempt ended. From a worker, or from the owner for a worker that can't.
 *
 * 1. Only a report of the current attempt changes anything (I5); any other is stale and says so.
 * 2. Every attempt that ends leaves a detail.
 */
import {
  ActionStatus,
  type Command,
  Effect,
  type Failure,
  FailureMode,
  ItemStatus,
  RejectCode,
  Source,
  type TaskReport,
  type TaskSuccess,
} from "@holdfast/proto";
import type { Init } from "@holdfast/proto/codec";
import { addMode, endAction, settleItems } from "../../actor/actions.js";
import {
  type Actor,
  keepPayload,
  loadActor,
  makeDetail,
  makeFailure,
  payloadProblem,
  saveActor,
  stateOf,
} from "../../actor/actor.js";
import { advance } from "../../actor/advance.js";
import { failedText, isCurrentAttempt, isUndoRunning, retryAt } from "../../actor/attempt.js";
import { attemptFailed, pauseAfter } from "../../actor/failed-attempt.js";
import { endAttempt, itemsOf, recordOf, releaseItems, setStatus } from "../../actor/items.js";
import { undoReported } from "../../actor/undo.js";
import type { ActionPlan } from "../../definition/plan.js";
import { traitsOf } from "../../failure/modes.js";
import { WORKER_CHARS_MAX } from "../../limits.js";
import { quoted } from "../../names.js";
import { isTerminal } from "../../status.js";
import { cutText } from "../../text.js";
import type { FoldContext } from "../context.js";

export function taskReport(ctx: FoldContext, command: Command, report: TaskReport): void {
  const actor = loadActor(ctx, report.runId);
  const action = actor?.plan.actions[report.action];
  if (actor === undefined || action === undefined || !isCurrentAttempt(actor, action, report)) {
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
  ctx.emit({
    kind: "closed",
    runId: report.runId,
    action: action.index,
    item: report.item ?? -1,
    attempt: report.attempt,
  });
  const outcome = checkedOutcome(ctx, report);
  const undoes = isUndoRunning(actor, action);
  if (undoes) undoReported(actor, action, outcome, workerOf(ctx, report));
  else if (report.item === undefined) reportAction(actor, action, report, outcome);
  else reportItem(actor, action, report.item, report, outcome);
  if (!undoes && isTerminal(stateOf(actor, action).status)) advance(actor);
  saveActor(actor);
  ctx.accept(command, { runId: report.runId, status: actor.run.status });
}

/** The outcome as it counts: one that can't be kept is a failure that says so. */
function checkedOutcome(ctx: FoldContext, report: TaskReport): TaskReport["outcome"] {
  const { outcome } = report;
  const stamped = (failure: Init<Failure>, source: Source): TaskReport["outcome"] => {
    const stamp = { atNs: ctx.atNs, source, worker: workerOf(ctx, report), attempt: report.attempt };
    return { case: "failure", value: makeFailure(failure, stamp) };
  };
  const failed = (message: string): TaskReport["outcome"] =>
    stamped({ mode: FailureMode.HANDLER_BUG, message, rawClass: "Report" }, Source.ENGINE);
  if (outcome.case === undefined) return failed("the worker's report says neither success nor failure");
  if (outcome.case === "success") {
    const problem = payloadProblem(outcome.value.output);
    if (problem !== undefined) return failed(`the output can't be kept: ${problem.message}`);
  }
  if (outcome.case === "skip" && report.item === undefined)
    return failed("only an item can be skipped by its handler");
  if (outcome.case !== "failure") return outcome;
  // Only the owner may say that a worker was lost or a time-out passed without it.
  const source = ctx.batch.owner === undefined ? Source.WORKER : outcome.value.source || Source.ENGINE;
  // Counts by mode are the fold's own to make: a worker's could hide a terminal mode.
  return stamped({ ...outcome.value, modes: [] }, source);
}

const workerOf = (ctx: FoldContext, report: TaskReport): string =>
  cutText(report.worker || ctx.batch.producer, WORKER_CHARS_MAX);

/** What a success did, also where its worker did not say: a value did something, nothing at all is silent. */
function effectOf({ effect, output }: TaskSuccess): Effect {
  if (effect === Effect.VALUE || effect === Effect.NONE_WITH_REASON || effect === Effect.SILENT)
    return effect;
  return output?.body.case === undefined ? Effect.SILENT : Effect.VALUE;
}

function reportAction(
  actor: Actor,
  action: ActionPlan,
  report: TaskReport,
  outcome: TaskReport["outcome"],
): void {
  const { ctx } = actor;
  const state = stateOf(actor, action);
  state.worker = workerOf(ctx, report);
  if (outcome.case === "success") {
    const { output, reason, detail } = outcome.value;
    state.output = keepPayload(actor, action.index + 1, output);
    state.effect = effectOf(outcome.value);
    const text = detail || reason;
    if (text !== "") state.detail = makeDetail(text, Source.WORKER, ctx.atNs);
    endAction(actor, action, ActionStatus.COMPLETED);
    return;
  }
  attemptFailed(actor, action, outcome.value as Failure);
}

function reportItem(
  actor: Actor,
  action: ActionPlan,
  item: number,
  report: TaskReport,
  outcome: TaskReport["outcome"],
): void {
  const { ctx } = actor;
  const items = itemsOf(actor, action);
  const common = { startedAtNs: report.startedAtNs, endedAtNs: ctx.atNs, worker: workerOf(ctx, report) };
  if (outcome.case === "success") {
    const { output, reason, detail } = outcome.value;
    const effect = effectOf(outcome.value);
    const text = detail || reason;
    endAttempt(actor, action, item, {
      ...common,
      output,
      effect,
      detail: text === "" ? undefined : makeDetail(text, Source.WORKER, ctx.atNs),
    });
    setStatus(actor, action, item, ItemStatus.SUCCEEDED);
    items.healed += 1;
    if (effect === Effect.NONE_WITH_REASON) items.noEffect += 1;
    else if (effect === Effect.SILENT) items.silent += 1;
    else items.withEffect += 1;
  } else if (outcome.case === "skip") {
    endAttempt(actor, action, item, {
      ...common,
      detail: makeDetail(outcome.value.reason || "skipped by its handler", Source.WORKER, ctx.atNs),
    });
    setStatus(actor, action, item, ItemStatus.SKIPPED);
  } else {
    failItem(actor, action, item, report, outcome.value as Failure, common);
  }
  releaseItems(actor, action);
  settleItems(actor, action);
}

function failItem(
  actor: Actor,
  action: ActionPlan,
  item: number,
  report: TaskReport,
  failure: Failure,
  common: { startedAtNs: bigint; endedAtNs: bigint; worker: string },
): void {
  const before = recordOf(actor, action, item);
  const attempts = report.attempt - (before?.attemptBase ?? 0);
  const pauseMs = pauseAfter(actor, action, failure, attempts, item);
  const retryAtNs = pauseMs === undefined ? 0n : retryAt(actor, action, item, report.attempt, pauseMs);
  endAttempt(actor, action, item, {
    ...common,
    failure,
    retryAtNs,
    detail: makeDetail(failedText(failure), failure.source, actor.ctx.atNs),
  });
  if (pauseMs !== undefined) {
    setStatus(actor, action, item, ItemStatus.RETRYING);
    return;
  }
  setStatus(actor, action, item, ItemStatus.FAILED, traitsOf(failure.mode).terminal);
  addMode(itemsOf(actor, action).modes, failure.mode, 1);
}
