/**
 * The items of one action: their dispositions, and letting them out to workers within the window.
 *
 * 1. The byte in the chunk is an item's disposition; counts change with it in `setStatus` and nowhere else (I4).
 * 2. A report costs one chunk and one item record, whatever the size of the run.
 */
import {
  CountsRecordSchema,
  EndedBeforeSchema,
  type ItemChunkRecord,
  ItemChunkRecordSchema,
  Effect,
  type ItemCounts,
  ItemCountsSchema,
  type ItemRecord,
  ItemRecordSchema,
  ItemStatus,
  type ItemsState,
  ItemsStateSchema,
  RunStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { passGate } from "../breaker/gate.js";
import type { ActionPlan } from "../definition/plan.js";
import { INPUTS_A_RECORD, ITEMS_A_CHUNK } from "../limits.js";
import { beyondTolerance } from "../resolve.js";
import { chunkKey, chunkOf, countsKey, inputsKey, itemKey } from "../state/tables.js";
import type { View } from "../state/view.js";
import { hasMoved } from "./due-since.js";
import { expectStart } from "./start-deadline.js";
import { type Actor, isCancelling, stateOf } from "./actor.js";
import { beginJob } from "./batch.js";
import { itemLetterAt, rememberLetter, takeOutItem, takeOutItemsOf } from "./dead-letters.js";
import { mayGo } from "./held-items.js";
import { releaseByKey } from "./keyed-items.js";
import { uncountFailedItems } from "./signatures.js";

export const STATUS_MASK = 0x0f;
export const HAS_RECORD = 0x80;
export const TERMINAL_MODE = 0x40;
/** PENDING, and held by the breaker of its own key. */
export const HELD = 0x20;
/** PENDING, and set off by a retry: its record still tells what it had failed with. */
export const AGAIN = 0x10;

export type CountName = "pending" | "running" | "retrying" | "succeeded" | "failed" | "skipped" | "cancelled";

/** Which count an item of a status is in. */
export const COUNT_OF: Readonly<Record<number, CountName>> = {
  [ItemStatus.PENDING]: "pending",
  [ItemStatus.RUNNING]: "running",
  [ItemStatus.RETRYING]: "retrying",
  [ItemStatus.SUCCEEDED]: "succeeded",
  [ItemStatus.FAILED]: "failed",
  [ItemStatus.SKIPPED]: "skipped",
  [ItemStatus.CANCELLED]: "cancelled",
};

export const openItems = (counts: ItemCounts): number => counts.pending + counts.running + counts.retrying;

export function itemsOf(actor: Actor, action: ActionPlan): ItemsState {
  const items = stateOf(actor, action).items;
  if (items === undefined) throw new Error(`action ${action.name} of run ${actor.runId} has no items`);
  return items;
}

function chunkAt(actor: Actor, action: ActionPlan, chunk: number): ItemChunkRecord | undefined {
  return actor.ctx.view.get(chunkKey(actor.runId, action.index, chunk));
}

function byteOf(actor: Actor, action: ActionPlan, item: number): number {
  return chunkAt(actor, action, chunkOf(item))?.statuses[item % ITEMS_A_CHUNK] ?? 0;
}

export const statusOf = (actor: Actor, action: ActionPlan, item: number): ItemStatus =>
  byteOf(actor, action, item) & STATUS_MASK;

/** The item's record, where it has one: before its first attempt ended there is none. */
export function recordOf(actor: Actor, action: ActionPlan, item: number): ItemRecord | undefined {
  return (byteOf(actor, action, item) & HAS_RECORD) === 0
    ? undefined
    : actor.ctx.view.get(itemKey(actor.runId, action.index, item));
}

export function putRecord(actor: Actor, action: ActionPlan, item: number, record: ItemRecord): void {
  const key = chunkKey(actor.runId, action.index, chunkOf(item));
  const chunk = actor.ctx.view.get(key) as ItemChunkRecord;
  const at = item % ITEMS_A_CHUNK;
  const byte = chunk.statuses[at] as number;
  if ((byte & HAS_RECORD) === 0) {
    chunk.statuses[at] = byte | HAS_RECORD;
    actor.ctx.view.put(key, chunk);
  }
  actor.ctx.view.put(itemKey(actor.runId, action.index, item), record);
}

/** A PENDING item is held by the breaker of its own key, until its disposition changes. */
export function flagHeld(actor: Actor, action: ActionPlan, item: number): void {
  const key = chunkKey(actor.runId, action.index, chunkOf(item));
  const chunk = actor.ctx.view.get(key) as ItemChunkRecord;
  chunk.statuses[item % ITEMS_A_CHUNK] = (chunk.statuses[item % ITEMS_A_CHUNK] as number) | HELD;
  actor.ctx.view.put(key, chunk);
}

/** Moves an item from one disposition to another, and the counts with it. `flag`: TERMINAL_MODE of one that failed so, AGAIN. */
export function setStatus(
  actor: Actor,
  action: ActionPlan,
  item: number,
  status: ItemStatus,
  flag = 0,
): void {
  const key = chunkKey(actor.runId, action.index, chunkOf(item));
  const chunk = actor.ctx.view.get(key) as ItemChunkRecord;
  const { counts } = itemsOf(actor, action) as { counts: ItemCounts };
  const at = item % ITEMS_A_CHUNK;
  const byte = chunk.statuses[at] as number;
  const before: ItemStatus = byte & STATUS_MASK;
  counts[COUNT_OF[before] as CountName] -= 1;
  counts[COUNT_OF[status] as CountName] += 1;
  countForWorkflow(actor, before, -1n);
  countForWorkflow(actor, status, 1n);
  chunk.statuses[at] = (byte & HAS_RECORD) | status | flag;
  actor.ctx.view.put(key, chunk);
  if (before === ItemStatus.FAILED && actor.run.deadLetters !== undefined) {
    if (itemLetterAt(actor.run, action.index, item) !== undefined)
      rememberLetter(actor.run, action.index, item);
    takeOutItem(actor, action.index, item);
  }
}

/** The workflow's counts say how many items succeeded and failed, over all its runs. */
function countForWorkflow(actor: Actor, status: ItemStatus, by: bigint): void {
  if (status !== ItemStatus.SUCCEEDED && status !== ItemStatus.FAILED) return;
  const key = countsKey(actor.run.workflow);
  const counts = actor.ctx.view.get(key) ?? init(CountsRecordSchema);
  if (status === ItemStatus.SUCCEEDED) counts.itemsSucceeded += by;
  else counts.itemsFailed += by;
  actor.ctx.view.put(key, counts);
}

/** Makes indices `from` … `to − 1` items of the action, PENDING; those that already are stay as they are. */
export function addItems(
  actor: Actor,
  action: ActionPlan,
  from: number,
  to: number,
  isMember?: (item: number) => boolean,
): number {
  const items = itemsOf(actor, action);
  const counts = items.counts as ItemCounts;
  let added = 0;
  for (let chunk = chunkOf(from); chunk * ITEMS_A_CHUNK < to; chunk++) {
    const key = chunkKey(actor.runId, action.index, chunk);
    const first = chunk * ITEMS_A_CHUNK;
    const end = Math.min(ITEMS_A_CHUNK, to - first);
    const record = actor.ctx.view.get(key) ?? init(ItemChunkRecordSchema, { statuses: new Uint8Array(end) });
    if (record.statuses.length < end) {
      const grown = new Uint8Array(end);
      grown.set(record.statuses);
      record.statuses = grown;
    }
    for (let at = Math.max(0, from - first); at < end; at++) {
      const byte = record.statuses[at] as number;
      if ((byte & STATUS_MASK) !== 0 || (isMember !== undefined && !isMember(first + at))) continue;
      record.statuses[at] = (byte & HAS_RECORD) | ItemStatus.PENDING;
      if (first + at < items.cursor) items.cursor = first + at;
      added += 1;
    }
    actor.ctx.view.put(key, record);
  }
  items.bound = Math.max(items.bound, to);
  counts.total += added;
  counts.pending += added;
  return added;
}

/**
 * Takes all items away, for a new list in place of the old. Records of attempts stay, without an item, so that attempts are
 * counted on and a late report of an old item can't be taken for a new one's.
 */
export function dropItems(actor: Actor, action: ActionPlan): void {
  const items = itemsOf(actor, action);
  const counts = items.counts as ItemCounts;
  countForWorkflow(actor, ItemStatus.SUCCEEDED, -BigInt(counts.succeeded));
  countForWorkflow(actor, ItemStatus.FAILED, -BigInt(counts.failed));
  uncountFailedItems(actor, action, true);
  for (let chunk = 0; chunk * ITEMS_A_CHUNK < items.bound; chunk++) {
    const key = chunkKey(actor.runId, action.index, chunk);
    const record = actor.ctx.view.get(key);
    if (record === undefined) continue;
    record.statuses = record.statuses.map((byte) => byte & HAS_RECORD);
    actor.ctx.view.put(key, record);
  }
  for (let block = 0; block * INPUTS_A_RECORD < items.bound; block++)
    actor.ctx.view.del(inputsKey(actor.runId, action.index, block));
  takeOutItemsOf(actor, action.index);
  // That the list is another one is news to dependants, whatever comes of it.
  stateOf(actor, action).items = init(ItemsStateSchema, {
    counts: init(ItemCountsSchema),
    modes: [],
    healed: 1,
  });
}

/** Calls back for each item, with its byte. */
export function eachItem(
  view: View,
  runId: string,
  action: number,
  bound: number,
  visit: (item: number, byte: number) => void,
): void {
  for (let chunk = 0; chunk * ITEMS_A_CHUNK < bound; chunk++) {
    const statuses = view.get(chunkKey(runId, action, chunk))?.statuses;
    if (statuses === undefined) continue;
    const first = chunk * ITEMS_A_CHUNK;
    for (let at = 0; at < statuses.length; at++) {
      const byte = statuses[at] as number;
      if ((byte & STATUS_MASK) !== 0) visit(first + at, byte);
    }
  }
}

/** The lowest PENDING item from the cursor on that is not HELD; moves the cursor there. */
export function nextPending(actor: Actor, action: ActionPlan, items: ItemsState): number | undefined {
  while (items.cursor < items.bound) {
    const chunk = chunkOf(items.cursor);
    const first = chunk * ITEMS_A_CHUNK;
    const statuses = chunkAt(actor, action, chunk)?.statuses;
    if (statuses !== undefined) {
      const at = items.cursor - first;
      let found = lower(
        statuses.indexOf(ItemStatus.PENDING, at),
        statuses.indexOf(ItemStatus.PENDING | HAS_RECORD, at),
      );
      if (actor.run.generation > 1)
        found = lower(found, statuses.indexOf(ItemStatus.PENDING | HAS_RECORD | AGAIN, at));
      if (found >= 0) {
        items.cursor = first + found;
        return items.cursor;
      }
    }
    items.cursor = Math.min(first + ITEMS_A_CHUNK, items.bound);
  }
  return undefined;
}

/** The lower one of two places; below 0: there is no such. */
const lower = (a: number, b: number): number => (a < 0 ? b : b < 0 ? a : Math.min(a, b));

/** Lets PENDING items out to workers as long as the window has room, or into the next job of an external batch action. */
export function releaseItems(actor: Actor, action: ActionPlan): void {
  if (actor.run.status === RunStatus.PAUSED || isCancelling(actor)) return;
  if (actor.run.guardrails?.exceeded !== undefined) return;
  if (action.batch !== undefined) {
    beginJob(actor, action);
    return;
  }
  const items = itemsOf(actor, action);
  const counts = items.counts as ItemCounts;
  // What will not be borne is not begun: it is cancelled once all of it is listed. A percentage is known only then.
  const judged = items.loaded || action.tolerate.case === "count";
  if (judged && beyondTolerance(action.tolerate, counts.failed, counts.total)) return;
  if (action.breaker?.itemKey !== undefined) {
    releaseByKey(actor, action);
    return;
  }
  while (counts.running < action.window && counts.pending > 0) {
    if (action.breaker !== undefined && !mayGo(actor, action)) return;
    const taken = takePending(actor, action);
    if (taken === undefined) return;
    passGate(actor, action, taken);
    emitDispatch(actor, action, taken.item, taken.attempt);
  }
}

export interface TakenItem {
  readonly item: number;
  readonly attempt: number;
}

/** Makes the next PENDING item RUNNING. */
export function takePending(actor: Actor, action: ActionPlan): TakenItem | undefined {
  const items = itemsOf(actor, action);
  const item = nextPending(actor, action, items);
  if (item === undefined) return undefined;
  items.cursor = item + 1;
  return takeItem(actor, action, item);
}

/** Makes a PENDING item RUNNING. A fresh attempt clears what the last one left. */
export function takeItem(actor: Actor, action: ActionPlan, item: number): TakenItem {
  const record = recordOf(actor, action, item);
  if (record !== undefined) {
    if (record.generation < stateOf(actor, action).stepsSince) record.steps = 0;
    if ((byteOf(actor, action, item) & AGAIN) !== 0) {
      const { failure, recover } = record;
      record.before = init(EndedBeforeSchema, { failure, recover });
    } else if (record.generation !== actor.run.generation) record.before = undefined;
    if (record.generation !== actor.run.generation) {
      record.generation = actor.run.generation;
      record.attemptBase = record.attempt;
    }
    record.attempt += 1;
    record.output = undefined;
    record.failure = undefined;
    record.detail = undefined;
    record.recover = undefined;
    record.effect = Effect.UNSPECIFIED;
    record.retryAtNs = 0n;
    putRecord(actor, action, item, record);
  }
  setStatus(actor, action, item, ItemStatus.RUNNING);
  return { item, attempt: record?.attempt ?? 1 };
}

/** The lowest item from `from` on that is in one of these dispositions. */
export function nextItemWhere(
  actor: Actor,
  action: ActionPlan,
  from: number,
  wanted: ReadonlySet<ItemStatus>,
): number | undefined {
  const { bound } = itemsOf(actor, action);
  for (let item = from; item < bound; ) {
    const first = chunkOf(item) * ITEMS_A_CHUNK;
    const statuses = chunkAt(actor, action, chunkOf(item))?.statuses;
    for (let at = item - first; at < (statuses?.length ?? 0); at++)
      if (wanted.has((statuses?.[at] as number) & STATUS_MASK)) return first + at;
    item = first + ITEMS_A_CHUNK;
  }
  return undefined;
}

/** Asks for a worker. Where the action says how soon one must have it, a timer remembers. The caller saves the actor. */
export function emitDispatch(actor: Actor, action: ActionPlan, item: number, attempt: number): void {
  hasMoved(actor, action);
  if (action.scheduleToStartMs > 0) expectStart(actor, action, { item, attempt }, action.scheduleToStartMs);
  actor.ctx.emit({
    kind: "dispatch",
    task: {
      runId: actor.runId,
      action: action.index,
      item,
      attempt,
      workflow: actor.run.workflow,
      queue: action.queue,
      priority: actor.run.priority,
      startToCloseMs: action.startToCloseMs,
      sinceNs: actor.ctx.atNs,
    },
  });
}

/** Keeps an item's first or next record up to date with how its attempt ended. */
export function endAttempt(
  actor: Actor,
  action: ActionPlan,
  item: number,
  fields: Partial<ItemRecord>,
): ItemRecord {
  const old = recordOf(actor, action, item);
  const record = init(ItemRecordSchema, {
    attempt: 1,
    generation: actor.run.generation,
    ...old,
    ...fields,
  });
  putRecord(actor, action, item, record);
  return record;
}
