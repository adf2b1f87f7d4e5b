/**
 * What breakers hold of an action whose items have keys of their own: for each key a lane of items, in the order in which they came.
 *
 * 1. A held item is PENDING, flagged HELD, and stands in exactly one lane: that of the key its breaker had when it was held.
 * 2. A lane has one row among what its breaker holds, however many items it has; without one it is asked for with the next release.
 * 3. To hold an item, or to let one out, costs one row of at most HELD_ITEMS_A_ROW places and the record of at most HELD_KEYS_MAX lanes,
 *    however many items are held.
 * 4. Items leave one by one to begin, or all at once when no item of their action is to begin any more.
 */
import {
  HeldItemsRecordSchema,
  type HeldKey,
  HeldKeySchema,
  type HeldKeysRecord,
  HeldKeysRecordSchema,
  HeldRecordSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { type Actor, stateOf } from "../actor/actor.js";
import { flagHeld, itemsOf } from "../actor/items.js";
import type { ActionPlan } from "../definition/plan.js";
import { HELD_ITEMS_A_ROW, HELD_KEYS_MAX } from "../limits.js";
import { heldItemsKey, heldKey, heldKeysKey } from "../state/tables.js";
import { findBreaker, type Name, type OpenBreaker, placesOf, saveBreaker, totals } from "./breaker.js";

const NONE: readonly HeldKey[] = [];

/** The lanes of an action, in the order in which they came. */
export const lanesOf = (actor: Actor, action: ActionPlan): readonly HeldKey[] =>
  lanesRecord(actor, action)?.keys ?? NONE;

function lanesRecord({ ctx, runId, run }: Actor, { index }: ActionPlan): HeldKeysRecord | undefined {
  if ((run.actions[index]?.items?.held ?? 0) === 0) return undefined;
  return ctx.view.get(heldKeysKey(runId, index));
}

const lengthOf = ({ head, tail }: HeldKey): number => tail - head;

/** Holds a PENDING item that its breaker does not let out. False: items of too many other keys are held already. */
export function holdItem(actor: Actor, action: ActionPlan, item: number, { key }: Name): boolean {
  const { ctx, runId } = actor;
  const record = lanesRecord(actor, action) ?? init(HeldKeysRecordSchema);
  let lane = record.keys.find((known) => known.key === key);
  if (lane === undefined) {
    if (record.keys.length >= HELD_KEYS_MAX) return false;
    lane = init(HeldKeySchema, { lane: record.nextLane, key });
    record.nextLane += 1;
    record.keys.push(lane);
  }
  const at = heldItemsKey(runId, action.index, lane.lane, Math.floor(lane.tail / HELD_ITEMS_A_ROW));
  const row = ctx.view.get(at) ?? init(HeldItemsRecordSchema);
  row.items.push(item);
  ctx.view.put(at, row);
  lane.tail += 1;
  flagHeld(actor, action, item);
  itemsOf(actor, action).held += 1;
  if (lane.heldN === 0n) queue(actor, action, lane);
  else {
    const breaker = breakerOfLane(actor, action, lane);
    breaker.record.heldItems += 1;
    saveBreaker(breaker);
  }
  ctx.view.put(heldKeysKey(runId, action.index), record);
  return true;
}

/** The first item of a lane. */
export function firstOf({ ctx, runId }: Actor, action: ActionPlan, { lane, head, tail }: HeldKey): number {
  const row = ctx.view.get(heldItemsKey(runId, action.index, lane, Math.floor(head / HELD_ITEMS_A_ROW)));
  const item = row?.items[head % HELD_ITEMS_A_ROW];
  if (item === undefined || head >= tail)
    throw new Error(`lane ${lane} of run ${runId}, action ${action.name} has no item at ${head}`);
  return item;
}

/** The first item of a lane without a row leaves it: it is PENDING as any other, until it is begun. False: it was the last. */
export function leaveLane(actor: Actor, action: ActionPlan, lane: HeldKey): boolean {
  const { ctx, runId } = actor;
  const record = lanesRecord(actor, action) as HeldKeysRecord;
  const block = Math.floor(lane.head / HELD_ITEMS_A_ROW);
  lane.head += 1;
  const isLast = lane.head === lane.tail;
  if (isLast || lane.head % HELD_ITEMS_A_ROW === 0)
    ctx.view.del(heldItemsKey(runId, action.index, lane.lane, block));
  if (isLast) record.keys = record.keys.filter((known) => known !== lane);
  const at = heldKeysKey(runId, action.index);
  if (record.keys.length === 0) ctx.view.del(at);
  else ctx.view.put(at, record);
  itemsOf(actor, action).held -= 1;
  return !isLast;
}

/** A lane stands at the end of what its breaker holds. */
export function queueLane(actor: Actor, action: ActionPlan, lane: HeldKey): void {
  queue(actor, action, lane);
  saveLanes(actor, action);
}

function queue(actor: Actor, action: ActionPlan, lane: HeldKey): void {
  const { ctx, runId } = actor;
  const breaker = breakerOfLane(actor, action, lane);
  const { record, name } = breaker;
  lane.heldN = record.tail;
  const row = init(HeldRecordSchema, { runId, action: action.index, atNs: ctx.atNs, lane: lane.lane });
  ctx.view.put(heldKey(name, record.tail), row);
  record.tail += 1n;
  record.held += 1;
  record.heldItems += lengthOf(lane);
  totals(ctx).held += 1;
  saveBreaker(breaker);
  // There may be places that it can have at once.
  if (placesOf(breaker) !== 0) ctx.touchBreaker(name);
}

/** A lane gives its row up; its items stay held until they are asked for. */
export function leaveQueueOf(actor: Actor, action: ActionPlan, laneId: number): void {
  const lane = lanesOf(actor, action).find((known) => known.lane === laneId);
  if (lane === undefined)
    throw new Error(`run ${actor.runId}, action ${action.name} has no lane ${laneId} that a breaker holds`);
  unqueue(actor, action, lane);
  saveLanes(actor, action);
}

function unqueue(actor: Actor, action: ActionPlan, lane: HeldKey): void {
  const { ctx } = actor;
  const breaker = breakerOfLane(actor, action, lane);
  ctx.view.del(heldKey(breaker.name, lane.heldN));
  lane.heldN = 0n;
  breaker.record.held -= 1;
  breaker.record.heldItems -= lengthOf(lane);
  totals(ctx).held -= 1;
  saveBreaker(breaker);
  // The last one out closes it.
  ctx.touchBreaker(breaker.name);
}

/** None of the held items is to begin any more. To be called before they are cancelled, which takes their flags. */
export function dropLanes(actor: Actor, action: ActionPlan): void {
  const { ctx, runId } = actor;
  const { items } = stateOf(actor, action);
  if (items === undefined || items.held === 0) return;
  for (const lane of lanesOf(actor, action)) {
    if (lane.heldN > 0n) unqueue(actor, action, lane);
    for (let at = lane.head - (lane.head % HELD_ITEMS_A_ROW); at < lane.tail; at += HELD_ITEMS_A_ROW)
      ctx.view.del(heldItemsKey(runId, action.index, lane.lane, at / HELD_ITEMS_A_ROW));
  }
  ctx.view.del(heldKeysKey(runId, action.index));
  items.held = 0;
}

function saveLanes(actor: Actor, action: ActionPlan): void {
  actor.ctx.view.put(heldKeysKey(actor.runId, action.index), lanesRecord(actor, action) as HeldKeysRecord);
}

function breakerOfLane(
  { ctx, run, runId }: Actor,
  { name: action }: ActionPlan,
  { key }: HeldKey,
): OpenBreaker {
  const breaker = findBreaker(ctx, { workflow: run.workflow, action, key });
  if (breaker === undefined)
    throw new Error(`the breaker for "${key}" that holds items of run ${runId}, action ${action} is gone`);
  return breaker;
}
