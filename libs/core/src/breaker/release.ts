/**
 * Lets out what breakers hold, after each command that may have made room: probes, then wave after wave, in the order in which it
 * was held.
 *
 * 1. A command lets out no more than its breaker has places, and looks at no more than HELD_LOOKS_MAX rows; a timer that is due at once
 *    goes on with the rest.
 * 2. Once nothing is held any more, a recovering breaker is closed.
 */
import { BreakerNameSchema, BreakerStatus, RunStatus, TimerKind, TimerRecordSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beginAttempt, settleItems } from "../actor/actions.js";
import { type Actor, isCancelling, loadActor, saveActor, stateOf } from "../actor/actor.js";
import { advance } from "../actor/advance.js";
import { isCurrentAttempt } from "../actor/attempt.js";
import { isAtSubmit } from "../actor/batch.js";
import { releaseItems } from "../actor/items.js";
import type { ActionPlan } from "../definition/plan.js";
import type { FoldContext } from "../fold/context.js";
import { HELD_LOOKS_MAX } from "../limits.js";
import { breakerKey, heldKey } from "../state/tables.js";
import { isRunLive, isTerminal } from "../status.js";
import { isPaused } from "../views/paused.js";
import {
  breakerDue,
  closeBreaker,
  findBreaker,
  type Name,
  placesOf,
  type Probe,
  saveBreaker,
} from "./breaker.js";
import { leaveQueue, unhold } from "./gate.js";
import { leaveQueueOf } from "./lanes.js";

/** To be called after each command. */
export function releaseHeld(ctx: FoldContext): void {
  for (let name = ctx.nextBreaker(); name !== undefined; name = ctx.nextBreaker()) release(ctx, name);
}

function release(ctx: FoldContext, name: Name): void {
  ctx.releasing = breakerKey(name);
  for (let looks = HELD_LOOKS_MAX; ; looks--) {
    const breaker = findBreaker(ctx, name);
    if (breaker === undefined) break;
    const { record } = breaker;
    if (record.held === 0) {
      record.head = record.tail;
      if (record.status === BreakerStatus.RECOVERING) closeBreaker(breaker, "nothing is held any more");
      saveBreaker(breaker);
      break;
    }
    if (placesOf(breaker) === 0) break;
    if (looks === 0) {
      goOn(ctx, name);
      break;
    }
    const row = ctx.view.get(heldKey(name, record.head));
    if (row === undefined) {
      record.head += 1n;
      saveBreaker(breaker);
      continue;
    }
    const actor = loadActor(ctx, row.runId);
    const action = actor?.plan.actions[row.action];
    if (actor === undefined || action === undefined)
      throw new Error(
        `breaker of ${name.workflow}/${name.action} holds run ${row.runId}, which is not there`,
      );
    letGo(actor, action, row.lane);
  }
  ctx.releasing = "";
  ctx.leaveBreaker(name);
}

/**
 * One held action: its next attempt begins, or as many of its items' as there are places and room in its window. `lane`: those items
 * that have the breaker's key.
 */
function letGo(actor: Actor, action: ActionPlan, lane: number | undefined): void {
  const { run } = actor;
  if (lane !== undefined) {
    leaveQueueOf(actor, action, lane);
    releaseItems(actor, action);
    settleItems(actor, action);
    if (isTerminal(stateOf(actor, action).status)) advance(actor);
  } else if (run.status === RunStatus.PAUSED || isCancelling(actor)) leaveQueue(actor, action);
  else {
    askAgain(actor, action);
    if (isTerminal(stateOf(actor, action).status)) advance(actor);
  }
  saveActor(actor);
}

/** Of a held action of a live run: it begins, or is held anew. May end the action. */
export function askAgain(actor: Actor, action: ActionPlan): void {
  unhold(actor, action);
  const state = stateOf(actor, action);
  if (state.items === undefined || isAtSubmit(state)) beginAttempt(actor, action);
  else {
    releaseItems(actor, action);
    settleItems(actor, action);
  }
}

function goOn(ctx: FoldContext, name: Name): void {
  const breaker = init(BreakerNameSchema, name);
  ctx.setTimer(ctx.atNs, init(TimerRecordSchema, { kind: TimerKind.BREAKER, breaker }));
}

/** A timer of a breaker is due; number 0: it only has more to let out. */
export function breakerTimer(ctx: FoldContext, name: Name, timer: number): void {
  const breaker = findBreaker(ctx, name);
  if (breaker === undefined) return;
  if (timer > 0) {
    if (!breakerDue(breaker, timer, (probe) => isStale(ctx, probe))) return;
    saveBreaker(breaker);
  }
  ctx.touchBreaker(name);
}

/** Nothing is to be expected of it: it is over, or its run was paused before a worker had it. */
function isStale(ctx: FoldContext, probe: Probe): boolean {
  const actor = loadActor(ctx, probe.runId);
  const action = actor?.plan.actions[probe.action];
  if (actor === undefined || action === undefined || !isRunLive(actor.run.status)) return true;
  if (isPaused(ctx.applied, actor.run.workflow)) return false;
  return actor.run.status === RunStatus.PAUSED || !isCurrentAttempt(actor, action, probe);
}
