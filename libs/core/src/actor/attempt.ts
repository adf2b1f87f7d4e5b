/**
 * The attempts of an action or item: which one is current, so that only its reports and checkpoints count (I5), and when the next
 * one is made.
 */
import {
  type ActionState,
  ActionStatus,
  type Failure,
  ItemStatus,
  TimerKind,
  TimerRecordSchema,
  UndoStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ActionPlan } from "../definition/plan.js";
import { modeName } from "../failure/modes.js";
import { isRunLive } from "../status.js";
import { type Actor, stateOf } from "./actor.js";
import { isAttemptAtJob } from "./batch.js";
import { recordOf, statusOf } from "./items.js";

const MS = 1_000_000n;

export interface AttemptRef {
  readonly item?: number | undefined;
  readonly attempt: number;
}

export function isCurrentAttempt(actor: Actor, action: ActionPlan, { item, attempt }: AttemptRef): boolean {
  const state = stateOf(actor, action);
  if (!isRunLive(actor.run.status)) return false;
  if (item === undefined) return state.attempt === attempt && isAttemptRunning(action, state);
  if (state.status !== ActionStatus.RUNNING || action.batch !== undefined) return false;
  if (action.forEach === undefined || state.items === undefined || item >= state.items.bound) return false;
  if (statusOf(actor, action, item) !== ItemStatus.RUNNING) return false;
  return (recordOf(actor, action, item)?.attempt ?? 1) === attempt;
}

/** Of a running run: the action's own current attempt (not one of an item's) is under way, to do it, to undo it, or at its job. */
export function isAttemptRunning(action: ActionPlan, state: ActionState): boolean {
  if (state.undo?.status === UndoStatus.RUNNING) return true;
  if (action.batch !== undefined) return isAttemptAtJob(state);
  return state.status === ActionStatus.RUNNING && action.forEach === undefined;
}

/** Its current attempt is one to undo it. */
export const isUndoRunning = (actor: Actor, action: ActionPlan): boolean =>
  stateOf(actor, action).undo?.status === UndoStatus.RUNNING;

/** Whether the current attempt of an action or item that is RUNNING is a recovery. */
export function isRecovering(actor: Actor, action: ActionPlan, item: number | undefined): boolean {
  if (!action.definition.recover || isUndoRunning(actor, action)) return false;
  const { recover } = item === undefined ? stateOf(actor, action) : (recordOf(actor, action, item) ?? {});
  return recover !== undefined;
}

/** Sets the timer of the attempt after number `attempt`. When it is due. */
export function retryAt(
  actor: Actor,
  action: ActionPlan,
  item: number | undefined,
  attempt: number,
  pauseMs: number,
): bigint {
  const dueNs = actor.ctx.atNs + BigInt(pauseMs) * MS;
  actor.ctx.setTimer(
    dueNs,
    init(TimerRecordSchema, {
      kind: TimerKind.RETRY,
      runId: actor.runId,
      action: action.index,
      item,
      attempt,
    }),
  );
  return dueNs;
}

export const failedText = (failure: Failure): string =>
  `${modeName(failure.mode)}: ${failure.shown || failure.message}`;
