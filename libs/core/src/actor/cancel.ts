/**
 * Cancelling a run: nothing of it begins any more, and attempts under way have a grace in which they may still end well.
 *
 * 1. What has not begun, waits or backs off is cancelled at once; what had succeeded stays (I4). Of a retry, what had failed is FAILED
 *    again, and so is the run: it can be retried as before (failed-again.ts).
 * 2. Within the grace a success counts; any other end of an attempt is the end of what it was for.
 * 3. The grace ends by timer, whatever workers do; a later cancel can shorten it, never lengthen it.
 */
import {
  ActionStatus,
  CancelRequestSchema,
  RunEventType,
  RunStatus,
  Source,
  type TaskRef,
  TaskRefSchema,
  TimerKind,
  TimerRecordSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ActionPlan } from "../definition/plan.js";
import { WHO_CHARS_MAX } from "../limits.js";
import { isRunTerminal } from "../status.js";
import { cutText, timeText } from "../text.js";
import { type Actor, actionAt, addEvent, isCancelling, makeDetail, stateOf } from "./actor.js";
import { cancelIdleItems, runningItems } from "./cancel-items.js";
import { endGuardrails } from "./guardrails.js";
import { callOffRecovery, endRun } from "./run-end.js";
import { cancelAction } from "./stop.js";
import { undoProgress } from "./undo.js";

const MS = 1_000_000n;

const REASON_CHARS_MAX = 512;

export interface CancelWish {
  readonly who: string;
  readonly reason: string;
  /** At most CANCEL_GRACE_MS_MAX. */
  readonly graceMs: number;
}

/** Why a run can't be cancelled; undefined: it can. */
export function cancelRefusal(actor: Actor): string | undefined {
  const { run, runId } = actor;
  if (run.recoverAtNs > 0n) return undefined;
  if (isRunTerminal(run.status)) return `run ${runId} has ended already: it is ${RunStatus[run.status]}`;
  if (run.undo === undefined) return undefined;
  return `run ${runId} has ended but for its compensation, which a cancel does not stop: ${undoProgress(actor)} undone; it ends by itself after the last`;
}

/**
 * Ends what is open of a run that `cancelRefusal` lets pass. Of one that has failed and is to be recovered by itself, that is its
 * recovery.
 */
export function cancelActor(actor: Actor, wish: CancelWish): void {
  if (isRunTerminal(actor.run.status)) cancelRecovery(actor, wish);
  else cancelOpen(actor, wish);
}

/** A run that has failed and is to be recovered by itself is not: it stays failed, and can be retried. */
function cancelRecovery(actor: Actor, { who, reason }: CancelWish): void {
  const { run, ctx } = actor;
  const by = who === "" ? "" : ` by ${cutText(who, WHO_CHARS_MAX)}`;
  const why = `its recovery was cancelled${by}: ${cutText(reason || "no reason given", REASON_CHARS_MAX)}`;
  addEvent(actor, RunEventType.CANCEL_REQUESTED, { runStatus: run.status, detail: why });
  run.detail = makeDetail(`${run.failure?.message ?? "failed"}; ${why}`, Source.OPERATOR, ctx.atNs);
  callOffRecovery(actor, why);
}

/** The run must not have ended, and must not be undone. */
function cancelOpen(actor: Actor, { graceMs, ...asked }: CancelWish): void {
  const { run, plan, ctx } = actor;
  const who = cutText(asked.who, WHO_CHARS_MAX);
  const reason = cutText(asked.reason || "no reason given", REASON_CHARS_MAX);
  addEvent(actor, RunEventType.CANCEL_REQUESTED, {
    runStatus: run.status,
    detail: who === "" ? reason : `by ${who}: ${reason}`,
  });
  const forceAtNs = ctx.atNs + BigInt(graceMs) * MS;
  if (run.cancel !== undefined) {
    if (forceAtNs < run.cancel.forceAtNs) forceAt(actor, forceAtNs);
    return;
  }
  run.cancel = init(CancelRequestSchema, { who, reason, atNs: ctx.atNs, forceAtNs });
  endGuardrails(actor);
  run.pause = undefined;
  if (run.status === RunStatus.PAUSED) run.status = RunStatus.RUNNING;
  const underWay: TaskRef[] = [];
  for (const index of plan.order) {
    const action = actionAt(actor, index);
    const refs = graceMs === 0 ? [] : runningOf(actor, action);
    if (refs.length === 0) cancelAction(actor, action, reason);
    else {
      cancelIdleItems(actor, action);
      underWay.push(...refs);
    }
  }
  if (underWay.length === 0) {
    endRun(actor);
    return;
  }
  ctx.emit({ kind: "cancel-tasks", tasks: underWay, reason, graceMs });
  forceAt(actor, forceAtNs);
}

/** The attempts of an action that workers may have. */
function runningOf(actor: Actor, action: ActionPlan): TaskRef[] {
  const { runId } = actor;
  const state = stateOf(actor, action);
  // A job is the outside system's: it is told to stop, and not waited for.
  if (state.status !== ActionStatus.RUNNING || action.batch !== undefined) return [];
  if (state.items !== undefined) return runningItems(actor, action);
  return [init(TaskRefSchema, { runId, action: action.index, attempt: state.attempt })];
}

function forceAt(actor: Actor, forceAtNs: bigint): void {
  const { run, runId, ctx } = actor;
  if (run.cancel === undefined) return;
  run.cancel.forceAtNs = forceAtNs;
  const by = run.cancel.who === "" ? "" : ` by ${run.cancel.who}`;
  const text = `cancelling${by}: ${run.cancel.reason}; what still runs has until ${timeText(forceAtNs)}`;
  run.detail = makeDetail(text, Source.OPERATOR, ctx.atNs);
  ctx.setTimer(
    forceAtNs,
    init(TimerRecordSchema, { kind: TimerKind.CANCEL, runId, attempt: run.generation }),
  );
}

/** The grace is over. False where the run has ended, or has longer. */
export function forceCancel(actor: Actor, generation: number): boolean {
  const { run, plan, ctx } = actor;
  if (!isCancelling(actor) || run.generation !== generation) return false;
  if (run.cancel === undefined || run.cancel.forceAtNs > ctx.atNs) return false;
  for (const index of plan.order) cancelAction(actor, actionAt(actor, index), run.cancel.reason);
  endRun(actor);
  return true;
}
