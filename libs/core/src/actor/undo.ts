/**
 * Compensation: before a run ends FAILED or CANCELLED, its completed actions that can be undone are undone.
 *
 * 1. It begins once every action has ended and no recovery is to come; the run ends, by the one resolver, once it is over.
 * 2. One action at a time, in reverse topological order. An undo that fails for good holds up none of the others.
 * 3. An attempt to undo is an attempt of its action and counted with the others, so that no report of one counts for another (I5).
 * 4. Nothing stops it: whoever would cancel or retry the run is told to wait.
 */
import {
  type ActionState,
  Effect,
  type Failure,
  FailureMode,
  RunEventType,
  RunStatus,
  Source,
  type TaskReport,
  type UndoState,
  UndoingSchema,
  UndoStateSchema,
  UndoStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ActionPlan } from "../definition/plan.js";
import { askedPauseMs, nextAttemptInMs } from "../policy/retry.js";
import { isCompleted } from "../status.js";
import { type Actor, actionAt, addEvent, makeDetail, makeFailure, stateOf } from "./actor.js";
import { failedText, retryAt } from "./attempt.js";
import { emitDispatch } from "./items.js";
import { endUndoneRun } from "./run-end.js";

/** What completed and can be undone. */
const toUndo = (actor: Actor): ActionState[] =>
  actor.plan.undoOrder
    .map((index) => stateOf(actor, actionAt(actor, index)))
    .filter((state) => isCompleted(state.status));

export const hasUndos = (actor: Actor): boolean => toUndo(actor).length > 0;

/** Takes a run whose end was just decided back for its compensation. False where there is nothing to undo. */
export function beginUndo(actor: Actor): boolean {
  const { run } = actor;
  if (run.status !== RunStatus.FAILED && run.status !== RunStatus.CANCELLED) return false;
  const states = toUndo(actor);
  if (states.length === 0) return false;
  for (const state of states) {
    state.undo = init(UndoStateSchema, {
      status: UndoStatus.PENDING,
      generation: run.generation,
      attemptBase: state.attempt,
      times: state.undo?.times ?? 0,
    });
  }
  run.undo = init(UndoingSchema, { cause: run.failure ?? cancelled(actor), total: states.length });
  run.status = run.pause === undefined ? RunStatus.RUNNING : RunStatus.PAUSED;
  run.failure = undefined;
  run.endedAtNs = 0n;
  run.effect = Effect.UNSPECIFIED;
  addEvent(actor, RunEventType.UNDO_STARTED, {
    runStatus: run.status,
    detail: `${states.length} to undo; ${run.undo.cause?.message ?? ""}`,
  });
  undoNext(actor);
  return true;
}

const cancelled = ({ run, ctx }: Actor): Failure =>
  makeFailure(
    {
      mode: FailureMode.CANCELLED,
      message: `cancelled: ${run.cancel?.reason || "no reason given"}`,
      rawClass: "Cancel",
    },
    { atNs: run.cancel?.atNs ?? ctx.atNs, source: Source.OPERATOR },
  );

/** "1 of 3", while a run is undone. */
export const undoProgress = ({ run }: Pick<Actor, "run">): string =>
  `${run.undo?.ended ?? 0} of ${run.undo?.total ?? 0}`;

/** Sets off the next undo, or ends the run after the last. */
function undoNext(actor: Actor): void {
  const { run, plan } = actor;
  const next = plan.undoOrder.find((index) => run.actions[index]?.undo?.status === UndoStatus.PENDING);
  if (next === undefined) {
    run.undo = undefined;
    endUndoneRun(actor);
    return;
  }
  // Of a paused run, that is what people have to know first.
  if (run.status !== RunStatus.PAUSED) sayUndoing(actor);
  const action = actionAt(actor, next);
  attemptUndo(actor, action);
  addEvent(actor, RunEventType.ACTION_UNDO_STARTED, {
    action: next,
    attempt: stateOf(actor, action).attempt,
  });
}

/** Writes how far the compensation is. */
export function sayUndoing(actor: Actor): void {
  const { run, ctx } = actor;
  const text = `undoing: ${undoProgress(actor)}; ${run.undo?.cause?.message ?? ""}`;
  run.detail = makeDetail(text, Source.ENGINE, ctx.atNs);
}

function undoOf(actor: Actor, action: ActionPlan): UndoState {
  const { undo } = stateOf(actor, action);
  if (undo === undefined) throw new Error(`action ${action.name} of run ${actor.runId} is not being undone`);
  return undo;
}

function attemptUndo(actor: Actor, action: ActionPlan): void {
  const state = stateOf(actor, action);
  const undo = undoOf(actor, action);
  state.attempt += 1;
  undo.status = UndoStatus.RUNNING;
  if (undo.startedAtNs === 0n) undo.startedAtNs = actor.ctx.atNs;
  undo.retryAtNs = 0n;
  undo.failure = undefined;
  undo.detail = undefined;
  emitDispatch(actor, action, -1, state.attempt);
}

/** The pause before the next attempt is over. Does nothing where the state has gone past it. */
export function undoAgain(actor: Actor, action: ActionPlan, attempt: number): void {
  const state = stateOf(actor, action);
  if (state.undo?.status === UndoStatus.RETRYING && state.attempt === attempt) attemptUndo(actor, action);
}

/** The current attempt to undo an action has ended. */
export function undoReported(
  actor: Actor,
  action: ActionPlan,
  outcome: TaskReport["outcome"],
  worker: string,
): void {
  const { ctx } = actor;
  const undo = undoOf(actor, action);
  undo.worker = worker;
  if (outcome.case === "success") {
    const { detail, reason } = outcome.value;
    undo.detail = makeDetail(detail || reason || "undone", Source.WORKER, ctx.atNs);
    undo.times += 1;
    undoEnded(actor, action, UndoStatus.DONE, RunEventType.ACTION_UNDONE);
    return;
  }
  const failure = outcome.value as Failure;
  const { attempt } = stateOf(actor, action);
  const pauseMs = nextAttemptInMs(action.retry, {
    mode: failure.mode,
    attempts: attempt - undo.attemptBase,
    pauseMs: askedPauseMs(failure),
    key: `${actor.runId}/${action.index}/undo`,
  });
  undo.failure = failure;
  undo.detail = makeDetail(failedText(failure), failure.source, ctx.atNs);
  if (pauseMs === undefined) {
    undoEnded(actor, action, UndoStatus.FAILED, RunEventType.ACTION_UNDO_FAILED);
    return;
  }
  undo.status = UndoStatus.RETRYING;
  undo.retryAtNs = retryAt(actor, action, undefined, attempt, pauseMs);
  addEvent(actor, RunEventType.UNDO_ATTEMPT_FAILED, {
    action: action.index,
    attempt,
    detail: undo.detail.text,
  });
}

function undoEnded(
  actor: Actor,
  action: ActionPlan,
  status: UndoStatus.DONE | UndoStatus.FAILED,
  type: RunEventType,
): void {
  const undo = undoOf(actor, action);
  undo.status = status;
  undo.endedAtNs = actor.ctx.atNs;
  if (actor.run.undo !== undefined) actor.run.undo.ended += 1;
  addEvent(actor, type, {
    action: action.index,
    attempt: stateOf(actor, action).attempt,
    detail: undo.detail?.text ?? "",
  });
  undoNext(actor);
}

/** An action begins anew: of its undo only how often it was undone is kept. */
export function forgetUndo(actor: Actor, action: ActionPlan): void {
  const state = stateOf(actor, action);
  const times = state.undo?.times ?? 0;
  state.undo = times === 0 ? undefined : init(UndoStateSchema, { times });
}
