/**
 * TasksHeld: attempts that were let out, but that no worker has, are taken back because their breaker is open by now.
 *
 * 1. An attempt that is taken back is not spent: its number is never used again, and counts for no retry policy.
 * 2. What may go by now is looked up again instead, so that nothing the owner put aside is forgotten.
 */
import { ActionStatus, type Command, type HeldTask, RejectCode, type TasksHeld } from "@holdfast/proto";
import { beginAttempt, settleItems } from "../../actor/actions.js";
import { type Actor, loadActor, saveActor, stateOf } from "../../actor/actor.js";
import { advance } from "../../actor/advance.js";
import { isCurrentAttempt, isUndoRunning } from "../../actor/attempt.js";
import { returnItem, spareAttempt } from "../../actor/held-items.js";
import { releaseItems } from "../../actor/items.js";
import { tellBreaker } from "../../breaker/gate.js";
import { isLetOut } from "../../breaker/let-out.js";
import type { ActionPlan } from "../../definition/plan.js";
import { TASKS_HELD_MAX } from "../../limits.js";
import { isTerminal } from "../../status.js";
import type { FoldContext } from "../context.js";

export function tasksHeld(ctx: FoldContext, command: Command, { tasks }: TasksHeld): void {
  if (tasks.length > TASKS_HELD_MAX) {
    const message = `${tasks.length} attempts can't be held at once: at most ${TASKS_HELD_MAX} can`;
    ctx.reject(command, RejectCode.TOO_LARGE, message);
    return;
  }
  let held = 0;
  for (const task of tasks) if (holdOne(ctx, task)) held += 1;
  ctx.accept(command, { actions: held });
}

function holdOne(ctx: FoldContext, task: HeldTask): boolean {
  const actor = loadActor(ctx, task.runId);
  const action = actor?.plan.actions[task.action];
  if (actor === undefined || action?.breaker === undefined) return false;
  if (!isCurrentAttempt(actor, action, task) || isUndoRunning(actor, action)) return false;
  if (isLetOut(ctx.view, actor.run, action, task)) {
    ctx.emit({ kind: "due-again", runId: task.runId });
    return false;
  }
  takeBack(actor, action, task);
  saveActor(actor);
  return true;
}

function takeBack(actor: Actor, action: ActionPlan, task: HeldTask): void {
  const { item, attempt } = task;
  const state = stateOf(actor, action);
  actor.ctx.emit({
    kind: "closed",
    runId: actor.runId,
    action: action.index,
    item: item ?? -1,
    attempt,
  });
  tellBreaker(actor, action, task);
  if (item === undefined) {
    spareAttempt(actor, action, task);
    // Of a job: no attempt at it is under way now, whatever comes of it.
    if (action.batch !== undefined) state.status = ActionStatus.WAITING;
    beginAttempt(actor, action);
  } else {
    returnItem(actor, action, item, attempt);
    releaseItems(actor, action);
    settleItems(actor, action);
  }
  if (isTerminal(state.status)) advance(actor);
}
