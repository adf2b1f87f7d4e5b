/**
 * Recovery handlers: what is tried once when no attempt of an action or item is left that could succeed.
 *
 * 1. A recovery is an attempt like others: numbered on, reported, lost and timed out alike. It is itself not tried again.
 * 2. It succeeds for its action or item, whose detail then says what it recovered from; or the failure is of both, in the mode of the first.
 * 3. Nothing is recovered that was cancelled.
 */
import {
  type ActionState,
  type Failure,
  FailureMode,
  type RecoverState,
  RecoverStateSchema,
  RunEventType,
  Source,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ActionPlan } from "../definition/plan.js";
import { MESSAGE_LIMIT_CHARS } from "../failure/classify.js";
import { cutText } from "../text.js";
import { type Actor, addEvent, makeDetail, makeFailure, stateOf } from "./actor.js";
import { failedText } from "./attempt.js";
import { emitDispatch } from "./items.js";

/** Whether a failure after which there is no further attempt is to be recovered from. */
export const isRecoverable = ({ definition }: ActionPlan, { mode }: Failure): boolean =>
  definition.recover && mode !== FailureMode.CANCELLED;

export const recoverFrom = (original: Failure): RecoverState => init(RecoverStateSchema, { original });

export const recoveringDetail = (actor: Actor, original: Failure) =>
  makeDetail(`recovering from ${failedText(original)}`, original.source, actor.ctx.atNs);

/** What is added to why something ended whose recovery was under way; empty: none was. */
export const recoveringText = (recover: RecoverState | undefined): string =>
  recover?.original === undefined ? "" : `; it was recovering from ${failedText(recover.original)}`;

/** Sets off the recovery of an action that is not over items. */
export function recoverAction(actor: Actor, action: ActionPlan, original: Failure): void {
  const state: ActionState = stateOf(actor, action);
  state.recover = recoverFrom(original);
  state.attempt += 1;
  state.failure = undefined;
  state.detail = recoveringDetail(actor, original);
  addEvent(actor, RunEventType.ACTION_RECOVERING, {
    action: action.index,
    attempt: state.attempt,
    actionStatus: state.status,
    detail: state.detail.text,
  });
  emitDispatch(actor, action, -1, state.attempt);
}

/** What a success says of itself; one of a recovery also says from what. */
export function successText(recover: RecoverState | undefined, said: string): string {
  if (recover?.original === undefined) return said;
  return `recovered from ${failedText(recover.original)}${said === "" ? "" : `; ${said}`}`;
}

/** The failure of both, once the recovery has failed, too; the recovery's own is kept in `recover`. */
export function failedRecovery(actor: Actor, recover: RecoverState, failed: Failure): Failure {
  const { original } = recover;
  recover.failed = failed;
  if (original === undefined) return failed;
  const both = (first: string, second: string): string =>
    `${cutText(first, HALF)}; recovery failed: ${cutText(second, HALF)}`;
  const { source, worker } = original;
  return makeFailure(
    {
      ...original,
      message: both(original.message, failed.message),
      shown: original.shown === "" ? "" : both(original.shown, failed.shown || failed.message),
      retryAfterMs: 0,
      retryPauseMs: 0n,
    },
    { atNs: actor.ctx.atNs, source: source || Source.ENGINE, worker, attempt: failed.attempt },
  );
}

const HALF = Math.floor((MESSAGE_LIMIT_CHARS - 32) / 2);
