/**
 * What a retry sets off, and what it had failed with: kept until it ends anew, so that a retry which is ended from outside (by a cancel,
 * a guardrail, an action that stops early) leaves failed what was failed, reason and all.
 *
 * 1. What had not failed before the retry is CANCELLED, as ever, and goes on with the next one.
 * 2. What is failed again is no new failure: the books count it as failed, and no more often.
 * 3. What the retry did come to stays: a success is never taken back.
 */
import { ActionStatus, EndedBeforeSchema, ItemCountsSchema, ItemStatus, Source } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ActionPlan } from "../definition/plan.js";
import { traitsOf } from "../failure/modes.js";
import { beyondTolerance, resolveActionStatus } from "../resolve.js";
import { isCompleted } from "../status.js";
import { addMode, closeAction, endAction, failureOfItems } from "./actions.js";
import { type Actor, makeDetail, stateOf } from "./actor.js";
import { failedText } from "./attempt.js";
import { AGAIN, HAS_RECORD, itemsOf, putRecord, recordOf, setStatus, TERMINAL_MODE } from "./items.js";
import { countItemAgain } from "./signatures.js";

/** Who ends it, and why: "cancelled: no longer wanted". */
interface Ending {
  readonly text: string;
  readonly source: Source;
}

/** Sets an action off that had ended, or waits for its turn: it keeps what it had failed with. */
export function openAgain(actor: Actor, action: ActionPlan): void {
  const state = stateOf(actor, action);
  const { status, failure, recover, generation, output, effect, items } = state;
  if (failure !== undefined || status === ActionStatus.SKIPPED) {
    const listGeneration = items?.listGeneration ?? 0;
    state.before ??= init(EndedBeforeSchema, {
      status,
      failure,
      recover,
      generation,
      output,
      effect,
      listGeneration,
    });
  }
  state.status = ActionStatus.PENDING;
  state.endedAtNs = 0n;
}

/** Ends an action that had failed before the retry as it had ended then. False where it had not: nothing has changed. */
export function failActionAgain(actor: Actor, action: ActionPlan, { text, source }: Ending): boolean {
  const state = stateOf(actor, action);
  const { before, items } = state;
  if (before?.failure === undefined) return false;
  const why = `; its retry was ${text}`;
  if (items?.loaded === true && items.listGeneration === before.listGeneration) {
    const counts = items.counts ?? init(ItemCountsSchema);
    if (counts.failed === 0) return false;
    // What was not let come to its end is still to come.
    const ended = init(ItemCountsSchema, { ...counts, cancelled: 0 });
    const isWhole = counts.cancelled === 0 || isCompleted(before.status);
    const tooMany = beyondTolerance(action.tolerate, counts.failed, counts.total);
    const failure = failureOfItems(items, tooMany, actor.ctx.atNs);
    state.detail = makeDetail(failure.message + why, source, actor.ctx.atNs);
    endAction(actor, action, resolveActionStatus(ended, action.tolerate, isWhole), failure, source);
    return true;
  }
  state.output = before.output;
  state.effect = before.effect;
  state.recover = before.recover;
  state.detail = makeDetail(failedText(before.failure) + why, source, actor.ctx.atNs);
  closeAction(actor, action, before.status, before.failure, source);
  // Its result is the one it had, which is no news to what comes after.
  state.generation = before.generation;
  return true;
}

/** Whether an open item is of a retry and had failed before it. */
export function hadFailed(actor: Actor, action: ActionPlan, item: number, byte: number): boolean {
  if (actor.run.generation === 1 || (byte & HAS_RECORD) === 0) return false;
  return (byte & AGAIN) !== 0 || recordOf(actor, action, item)?.before !== undefined;
}

/** Ends an open item that had failed before the retry as it had ended then. */
export function failItemAgain(
  actor: Actor,
  action: ActionPlan,
  item: number,
  { text, source }: Ending,
): void {
  const record = recordOf(actor, action, item);
  // Before its first attempt of the retry it has all that it had.
  const failure = record?.before?.failure ?? record?.failure;
  if (record === undefined || failure === undefined)
    throw new Error(`item ${item} of action ${action.name} of run ${actor.runId} had not failed`);
  if (record.before !== undefined) {
    record.failure = failure;
    record.recover = record.before.recover;
    record.before = undefined;
    record.retryAtNs = 0n;
    record.endedAtNs = actor.ctx.atNs;
    record.detail = makeDetail(`${failedText(failure)}; its retry was ${text}`, source, actor.ctx.atNs);
    putRecord(actor, action, item, record);
  }
  setStatus(actor, action, item, ItemStatus.FAILED, traitsOf(failure.mode).terminal ? TERMINAL_MODE : 0);
  addMode(itemsOf(actor, action).modes, failure.mode, 1);
  countItemAgain(actor, action, failure);
}
