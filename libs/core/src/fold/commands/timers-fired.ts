/**
 * TimersFired: what is due, by the log's own time, happens. Bounded; what is left over is asked for again.
 *
 * 1. A timer never fires early: `min(up_to, log time)` decides. It fires once: firing deletes it (I13).
 * 2. A timer that the state has gone past (attempt over, run ended) does nothing.
 */
import { ActionStatus, ItemStatus, RunStatus, TimerKind, type TimerRecord } from "@holdfast/proto";
import { beginAttempt, settleItems } from "../../actor/actions.js";
import { forceCancel } from "../../actor/cancel.js";
import { type Actor, loadActor, saveActor, stateOf } from "../../actor/actor.js";
import { advance } from "../../actor/advance.js";
import { batchDue } from "../../actor/batch.js";
import { cancelDue } from "../../actor/batch-cancel.js";
import { childOverdue } from "../../actor/child.js";
import { deadlineReached } from "../../actor/guardrails.js";
import { itemsOf, recordOf, releaseItems, setStatus, statusOf } from "../../actor/items.js";
import { recover } from "../../actor/recover.js";
import { startOverdue } from "../../actor/start-deadline.js";
import { undoAgain } from "../../actor/undo.js";
import { patienceOver } from "../../actor/wait.js";
import { breakerTimer } from "../../breaker/release.js";
import { forgetBulk } from "../../bulk/operation.js";
import { SHARE_WAITED, shareWaited } from "../../bulk/share.js";
import { scheduleDue } from "../../schedule/fire.js";
import { isTerminal } from "../../status.js";
import { outcomeKey, timerDue } from "../../state/tables.js";
import { isRunLive } from "../../status.js";
import type { FoldContext } from "../context.js";
import type { Row } from "../scans.js";

/** Of an action whose items go on; over items, what waits or backs off does so for its job. */
const ITEMS_RETRIED: ReadonlySet<ActionStatus> = new Set([
  ActionStatus.RUNNING,
  ActionStatus.WAITING,
  ActionStatus.RETRYING,
]);

/** `due`: the earliest timers of the state, in order, at least all that may fire now up to the limit. */
export function timersFired(ctx: FoldContext, upToNs: bigint, due: readonly Row[]): void {
  const limitNs = upToNs < ctx.atNs ? upToNs : ctx.atNs;
  for (const [key, timer] of due) {
    if (timerDue(key) > limitNs) break;
    if (ctx.take(key)) fire(ctx, timer as TimerRecord, timerDue(key));
  }
}

function fire(ctx: FoldContext, timer: TimerRecord, dueNs: bigint): void {
  if (timer.kind === TimerKind.FORGET_OUTCOME) {
    ctx.view.del(outcomeKey(timer.commandId));
    return;
  }
  if (timer.kind === TimerKind.SCHEDULE) {
    scheduleDue(ctx, timer.schedule, dueNs);
    return;
  }
  if (timer.kind === TimerKind.BULK) {
    if (timer.attempt === SHARE_WAITED) shareWaited(ctx, timer.runId);
    else forgetBulk(ctx, timer.runId);
    return;
  }
  if (timer.breaker !== undefined) {
    breakerTimer(ctx, timer.breaker, timer.attempt);
    return;
  }
  const actor = loadActor(ctx, timer.runId);
  if (actor === undefined) return;
  if (timer.kind === TimerKind.BREAKER) {
    refuseMore(actor, timer.action);
    return;
  }
  if (timer.kind === TimerKind.SCHEDULE_TO_START) {
    startOverdue(actor, timer);
    return;
  }
  if (timer.kind === TimerKind.BATCH) {
    batch(actor, timer);
    return;
  }
  if (timer.kind === TimerKind.START && actor.run.status === RunStatus.PENDING) advance(actor);
  else if (timer.kind === TimerKind.RETRY && isRunLive(actor.run.status)) retry(actor, timer);
  else if (timer.kind === TimerKind.WAIT) {
    const action = actor.plan.actions[timer.action];
    if (action === undefined) return;
    const over = action.definition.child === undefined ? patienceOver : childOverdue;
    if (!over(actor, action, timer.attempt)) return;
    advance(actor);
  } else if (timer.kind === TimerKind.CANCEL) {
    if (!forceCancel(actor, timer.attempt)) return;
  } else if (timer.kind === TimerKind.GUARDRAIL) {
    if (!deadlineReached(actor, timer.attempt)) return;
    advance(actor);
  } else if (timer.kind !== TimerKind.RECOVER || !recover(actor, timer.attempt)) return;
  saveActor(actor);
}

function batch(actor: Actor, { action: index, attempt }: TimerRecord): void {
  const action = actor.plan.actions[index];
  if (action === undefined) return;
  if (!cancelDue(actor, action, attempt)) {
    if (!isRunLive(actor.run.status) || !batchDue(actor, action, attempt)) return;
    if (isTerminal(stateOf(actor, action).status)) advance(actor);
  }
  saveActor(actor);
}

function retry(actor: Actor, timer: TimerRecord): void {
  const action = actor.plan.actions[timer.action];
  if (action === undefined) return;
  const state = stateOf(actor, action);
  if (timer.item === undefined) {
    if (state.status !== ActionStatus.RETRYING || state.attempt !== timer.attempt) {
      undoAgain(actor, action, timer.attempt);
      return;
    }
    beginAttempt(actor, action);
    // A child run may be refused at once.
    if (isTerminal(state.status)) advance(actor);
    return;
  }
  if (!ITEMS_RETRIED.has(state.status) || statusOf(actor, action, timer.item) !== ItemStatus.RETRYING) return;
  if (recordOf(actor, action, timer.item)?.attempt !== timer.attempt) return;
  const items = itemsOf(actor, action);
  setStatus(actor, action, timer.item, ItemStatus.PENDING);
  if (timer.item < items.cursor) items.cursor = timer.item;
  releaseItems(actor, action);
  // Where its breaker fails or skips what it does not let out, that may have been the last one.
  if (action.breaker !== undefined) settleItems(actor, action);
  // The time of an external batch action may be over, though that timer of its comes next.
  if (isTerminal(state.status)) advance(actor);
}

/** Goes on with the items that an open breaker fails or skips. */
function refuseMore(actor: Actor, index: number): void {
  const action = actor.plan.actions[index];
  if (action === undefined || !isRunLive(actor.run.status)) return;
  const state = stateOf(actor, action);
  if (state.items === undefined || !ITEMS_RETRIED.has(state.status)) return;
  releaseItems(actor, action);
  settleItems(actor, action);
  if (isTerminal(state.status)) advance(actor);
  saveActor(actor);
}
