/**
 * Letting out the items of an action whose items have breaker keys of their own.
 *
 * 1. Nobody overtakes within a key: what its lane holds goes before what comes later. Other keys go on.
 * 2. An item is looked at once, and then stands in its lane: while a key's breaker is open, its items cost the others nothing. One
 *    command looks at no more than HELD_AT_ONCE_MAX in vain; a timer that is due at once goes on with the rest.
 * 3. The action is WAITING while nothing of it is under way or backs off, and breakers hold what is left.
 */
import {
  ActionStatus,
  type HeldKey,
  type ItemCounts,
  Source,
  TimerKind,
  TimerRecordSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { askGate, passGate, refusal } from "../breaker/gate.js";
import { heldTextOfItems } from "../breaker/held-text.js";
import { firstOf, holdItem, lanesOf, leaveLane, queueLane } from "../breaker/lanes.js";
import { nameOf } from "../breaker/name.js";
import type { ActionPlan } from "../definition/plan.js";
import { HELD_AT_ONCE_MAX } from "../limits.js";
import { beyondTolerance } from "../resolve.js";
import { type Actor, makeDetail, stateOf } from "./actor.js";
import { refuseItem } from "./held-items.js";
import { emitDispatch, itemsOf, nextPending, takeItem } from "./items.js";

/** Of an action that may let out items: those that were held and need not be, then as many others as there is room for. */
export function releaseByKey(actor: Actor, action: ActionPlan): void {
  for (const lane of lanesOf(actor, action)) {
    if (!hasRoom(actor, action)) break;
    if (lane.heldN === 0n) letLaneOut(actor, action, lane);
  }
  letOthersOut(actor, action);
  settleWaiting(actor, action);
}

function hasRoom(actor: Actor, action: ActionPlan): boolean {
  return (itemsOf(actor, action).counts?.running ?? 0) < action.window;
}

/** A lane without a row: all of it, or it goes to the end of what its breaker holds. Where the window is full, the next release goes on. */
function letLaneOut(actor: Actor, action: ActionPlan, lane: HeldKey): void {
  while (hasRoom(actor, action)) {
    const item = firstOf(actor, action, lane);
    if (askGate(actor, action, item) !== "go") {
      queueLane(actor, action, lane);
      return;
    }
    const goesOn = leaveLane(actor, action, lane);
    begin(actor, action, item);
    if (!goesOn) return;
  }
}

function letOthersOut(actor: Actor, action: ActionPlan): void {
  const items = itemsOf(actor, action);
  const counts = items.counts as ItemCounts;
  for (let left = HELD_AT_ONCE_MAX; hasRoom(actor, action) && counts.pending > items.held; ) {
    const item = nextPending(actor, action, items);
    if (item === undefined) return;
    const gate = askGate(actor, action, item);
    if (gate === "go") {
      items.cursor = item + 1;
      begin(actor, action, item);
      continue;
    }
    if (left === 0) {
      goOnAtOnce(actor, action);
      return;
    }
    left -= 1;
    if (gate === "hold") {
      // Of too many keys: it waits where it is, and all that come after it, until a key has none held any more.
      if (!holdItem(actor, action, item, nameOf(actor, action, item))) return;
      items.cursor = item + 1;
    } else {
      // What is not borne ends the rest, and what it would have to end is not begun.
      if (items.loaded && beyondTolerance(action.tolerate, counts.failed, counts.total)) return;
      items.cursor = item + 1;
      const failure = refusal(actor, action, item);
      refuseItem(actor, action, takeItem(actor, action, item), failure);
    }
  }
}

function begin(actor: Actor, action: ActionPlan, item: number): void {
  const taken = takeItem(actor, action, item);
  passGate(actor, action, taken);
  emitDispatch(actor, action, taken.item, taken.attempt);
}

function goOnAtOnce({ ctx, runId }: Actor, action: ActionPlan): void {
  ctx.setTimer(ctx.atNs, init(TimerRecordSchema, { kind: TimerKind.BREAKER, runId, action: action.index }));
}

function settleWaiting(actor: Actor, action: ActionPlan): void {
  const { ctx, run, runId } = actor;
  const state = stateOf(actor, action);
  const { held, loaded, counts } = itemsOf(actor, action);
  const waits = held > 0 && loaded && counts?.running === 0 && counts.retrying === 0;
  if (waits && state.status === ActionStatus.RUNNING) {
    state.status = ActionStatus.WAITING;
    const text = heldTextOfItems(ctx.view, runId, run, action) ?? "";
    state.detail = makeDetail(text, Source.BREAKER, ctx.atNs);
  } else if (!waits && state.status === ActionStatus.WAITING) {
    state.status = ActionStatus.RUNNING;
    if (state.detail?.source === Source.BREAKER) state.detail = undefined;
  }
}
