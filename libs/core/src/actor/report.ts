/**
 * How an attempt of an action or item ended, whoever says so: one way for all, so that work that is done inline and work that an
 * outside system does end alike.
 *
 * 1. What can't be kept as it was said is a failure that says why.
 * 2. Every attempt that ends leaves a detail.
 */
import {
  ActionStatus,
  Effect,
  type Failure,
  FailureMode,
  type ItemRecord,
  ItemStatus,
  Source,
  type TaskReport,
  type TaskSuccess,
} from "@holdfast/proto";
import type { Init } from "@holdfast/proto/codec";
import type { ActionPlan } from "../definition/plan.js";
import { traitsOf } from "../failure/modes.js";
import type { FoldContext } from "../fold/context.js";
import { addMode, endAction, settleItems } from "./actions.js";
import {
  type Actor,
  cancelText,
  isCancelling,
  keepPayload,
  makeDetail,
  makeFailure,
  payloadProblem,
  stateOf,
} from "./actor.js";
import { failedText, retryAt } from "./attempt.js";
import { failItemAgain } from "./failed-again.js";
import { attemptFailed, lastAttemptText, pauseAfter } from "./failed-attempt.js";
import {
  emitDispatch,
  endAttempt,
  itemsOf,
  recordOf,
  releaseItems,
  setStatus,
  TERMINAL_MODE,
} from "./items.js";
import {
  failedRecovery,
  isRecoverable,
  recoverFrom,
  recoveringDetail,
  recoveringText,
  successText,
} from "./recovery.js";
import { hasMoved } from "./due-since.js";
import { show } from "./shown.js";
import { countFailedItem } from "./signatures.js";

/** Without what ends no attempt by itself: a batch report, and what is given back. */
export type Outcome = Exclude<TaskReport["outcome"], { case: "batch" | "returned" }>;

/** Who reports of which attempt. */
export interface Reporter {
  readonly worker: string;
  readonly attempt: number;
}

/** The outcome as it counts. */
export function checkedOutcome(ctx: FoldContext, outcome: Outcome, by: Reporter, ofItem: boolean): Outcome {
  const problem = outcomeProblem(outcome, ofItem);
  if (problem !== undefined) {
    const failure = { mode: FailureMode.HANDLER_BUG, message: problem, rawClass: "Report" };
    return stamped(ctx, by, failure, Source.ENGINE);
  }
  if (outcome.case !== "failure") return outcome;
  // Only the owner may say that a worker was lost or a time-out passed without it.
  const source = ctx.batch.owner === undefined ? Source.WORKER : outcome.value.source || Source.ENGINE;
  // Counts by mode are the fold's own to make: a worker's could hide a terminal mode.
  return stamped(ctx, by, { ...outcome.value, modes: [] }, source);
}

/** Why an outcome can't count as it was said. */
function outcomeProblem(outcome: Outcome, ofItem: boolean): string | undefined {
  if (outcome.case === undefined) return "the worker's report says neither success nor failure";
  if (outcome.case === "success") {
    const problem = payloadProblem(outcome.value.output);
    return problem === undefined ? undefined : `the output can't be kept: ${problem.message}`;
  }
  return outcome.case === "skip" && !ofItem ? "only an item can be skipped by its handler" : undefined;
}

const stamped = (ctx: FoldContext, by: Reporter, failure: Init<Failure>, source: Source): Outcome => ({
  case: "failure",
  value: makeFailure(failure, { atNs: ctx.atNs, source, ...by }),
});

/** What a success did, also where its worker did not say: a value did something, nothing at all is silent. */
function effectOf({ effect, output }: TaskSuccess): Effect {
  if (effect === Effect.VALUE || effect === Effect.NONE_WITH_REASON || effect === Effect.SILENT)
    return effect;
  return output?.body.case === undefined ? Effect.SILENT : Effect.VALUE;
}

/** The current attempt of an action that is not over items has ended; `attempts`: how many were made in this generation, if not all. */
export function reportAction(
  actor: Actor,
  action: ActionPlan,
  worker: string,
  outcome: Outcome,
  attempts?: number,
): void {
  const { ctx } = actor;
  const state = stateOf(actor, action);
  state.worker = worker;
  if (outcome.case === "success") {
    const { output, reason, detail } = outcome.value;
    state.output = keepPayload(actor, action.index + 1, output);
    state.effect = effectOf(outcome.value);
    if (state.recover !== undefined) state.detail = undefined;
    const text = successText(state.recover, detail || reason);
    if (text !== "") state.detail = makeDetail(text, Source.WORKER, ctx.atNs);
    endAction(actor, action, ActionStatus.COMPLETED);
    return;
  }
  attemptFailed(actor, action, outcome.value as Failure, attempts);
}

export interface ItemReporter extends Reporter {
  readonly startedAtNs: bigint;
}

/** The current attempt of an item has ended. May end the action. */
export function reportItem(
  actor: Actor,
  action: ActionPlan,
  item: number,
  by: ItemReporter,
  outcome: Outcome,
): void {
  const { ctx } = actor;
  const items = itemsOf(actor, action);
  hasMoved(actor, action);
  const recover = recordOf(actor, action, item)?.recover;
  const common = { startedAtNs: by.startedAtNs, endedAtNs: ctx.atNs, worker: by.worker, before: undefined };
  if (outcome.case === "success") {
    const { output, reason, detail } = outcome.value;
    const effect = effectOf(outcome.value);
    const text = successText(recover, detail || reason);
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
      detail: makeDetail(
        successText(recover, outcome.value.reason || "skipped by its handler"),
        Source.WORKER,
        ctx.atNs,
      ),
    });
    setStatus(actor, action, item, ItemStatus.SKIPPED);
  } else {
    failItem(actor, action, item, by, outcome.value as Failure);
  }
  releaseItems(actor, action);
  settleItems(actor, action);
}

/** `final`: whatever the retry policy says. Neither lets other items out nor ends the action. */
export function failItem(
  actor: Actor,
  action: ActionPlan,
  item: number,
  by: ItemReporter,
  failure: Failure,
  final = false,
): void {
  if (isCancelling(actor)) {
    const { recover, before } = recordOf(actor, action, item) ?? {};
    const text = cancelText(actor) + recoveringText(recover) + lastAttemptText(failure);
    const { startedAtNs, worker } = by;
    if (before !== undefined) {
      endAttempt(actor, action, item, { startedAtNs, worker });
      failItemAgain(actor, action, item, { text, source: Source.OPERATOR });
      return;
    }
    const detail = makeDetail(text, Source.OPERATOR, actor.ctx.atNs);
    endAttempt(actor, action, item, { startedAtNs, endedAtNs: actor.ctx.atNs, worker, detail });
    setStatus(actor, action, item, ItemStatus.CANCELLED);
    return;
  }
  const before = recordOf(actor, action, item);
  const ended = { startedAtNs: by.startedAtNs, endedAtNs: actor.ctx.atNs, worker: by.worker };
  if (before?.recover !== undefined) {
    itemFailed(actor, action, item, failedRecovery(actor, before.recover, failure), ended);
    return;
  }
  show(actor, action, failure, item);
  const attempts = by.attempt - (before?.attemptBase ?? 0);
  const pauseMs = final ? undefined : pauseAfter(actor, action, failure, attempts, item);
  if (pauseMs !== undefined) {
    endAttempt(actor, action, item, {
      ...ended,
      failure,
      retryAtNs: retryAt(actor, action, item, by.attempt, pauseMs),
      detail: makeDetail(failedText(failure), failure.source, actor.ctx.atNs),
    });
    setStatus(actor, action, item, ItemStatus.RETRYING);
    return;
  }
  if (isRecoverable(action, failure)) recoverItem(actor, action, item, by.attempt + 1, failure, ended);
  else itemFailed(actor, action, item, failure, ended);
}

/** What is kept of any attempt of an item that ended. */
type Ended = Pick<ItemRecord, "startedAtNs" | "endedAtNs" | "worker">;

function recoverItem(
  actor: Actor,
  action: ActionPlan,
  item: number,
  attempt: number,
  original: Failure,
  ended: Ended,
): void {
  const detail = recoveringDetail(actor, original);
  endAttempt(actor, action, item, { ...ended, attempt, detail, recover: recoverFrom(original) });
  emitDispatch(actor, action, item, attempt);
}

/** No attempt of the item is left. */
function itemFailed(actor: Actor, action: ActionPlan, item: number, failure: Failure, ended: Ended): void {
  const detail = makeDetail(failedText(failure), failure.source, actor.ctx.atNs);
  endAttempt(actor, action, item, { ...ended, failure, retryAtNs: 0n, detail, before: undefined });
  setStatus(actor, action, item, ItemStatus.FAILED, traitsOf(failure.mode).terminal ? TERMINAL_MODE : 0);
  addMode(itemsOf(actor, action).modes, failure.mode, 1);
  countFailedItem(actor, action, failure);
}
