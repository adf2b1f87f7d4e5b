/**
 * Items that had ended become PENDING again. Their reason and detail stay until they start.
 *
 * 1. Whatever leaves FAILED leaves the counts of modes and of signatures, and the dead letters, with it.
 * 2. Whatever is not reopened stays exactly as it was.
 */
import { type ItemRecord, ItemStatus } from "@holdfast/proto";
import type { ActionPlan } from "../definition/plan.js";
import { traitsOf } from "../failure/modes.js";
import type { Actor } from "./actor.js";
import { AGAIN, eachItem, itemsOf, recordOf, setStatus, STATUS_MASK, TERMINAL_MODE } from "./items.js";
import { uncountFailedItem, uncountFailedItems } from "./signatures.js";

/** Failed and cancelled items; those whose mode is terminal only where forced. How many. */
export function reopenItems(actor: Actor, action: ActionPlan, force: boolean): number {
  const items = itemsOf(actor, action);
  const reopened = reopenWhere(actor, action, (byte) => {
    const status: ItemStatus = byte & STATUS_MASK;
    if (status === ItemStatus.CANCELLED) return true;
    return status === ItemStatus.FAILED && (force || (byte & TERMINAL_MODE) === 0);
  });
  uncountFailedItems(actor, action, force);
  items.modes = force ? [] : items.modes.filter((entry) => traitsOf(entry.mode).terminal);
  return reopened;
}

/** Failed items that are named, and what was cancelled when their action ended early, which goes on with it. How many. */
export function reopenNamedItems(actor: Actor, action: ActionPlan, named: readonly number[]): number {
  const items = itemsOf(actor, action);
  for (const item of named) {
    const { failure } = recordOf(actor, action, item) as ItemRecord;
    if (failure === undefined)
      throw new Error(`item ${item} of action ${action.name} failed without a failure`);
    const entry = items.modes.find(({ mode }) => mode === failure.mode);
    if (entry !== undefined) entry.count -= 1;
    uncountFailedItem(actor, action, failure);
    setStatus(actor, action, item, ItemStatus.PENDING, AGAIN);
    if (item < items.cursor) items.cursor = item;
  }
  items.modes = items.modes.filter(({ count }) => count > 0);
  return named.length + reopenCancelled(actor, action);
}

/** What was cancelled when its action ended early becomes PENDING again, as the action begins anew. How many. */
export function reopenCancelled(actor: Actor, action: ActionPlan): number {
  if (itemsOf(actor, action).counts?.cancelled === 0) return 0;
  return reopenWhere(actor, action, (byte) => (byte & STATUS_MASK) === ItemStatus.CANCELLED);
}

function reopenWhere(actor: Actor, action: ActionPlan, wanted: (byte: number) => boolean): number {
  const items = itemsOf(actor, action);
  let reopened = 0;
  eachItem(actor.ctx.view, actor.runId, action.index, items.bound, (item, byte) => {
    if (!wanted(byte)) return;
    const wasFailed = (byte & STATUS_MASK) === ItemStatus.FAILED;
    setStatus(actor, action, item, ItemStatus.PENDING, wasFailed ? AGAIN : 0);
    if (item < items.cursor) items.cursor = item;
    reopened += 1;
  });
  return reopened;
}
