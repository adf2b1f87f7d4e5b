/**
 * Which breaker an action of a run, or one of its items, has to do with.
 *
 * 1. What was settled stays: an action's key for the run's life; that of an item, which its value gives, as long as its list.
 * 2. Where there is no key to be found (no such value, or one kept by reference), or too many breakers are kept already, the action's own
 *    breaker without a key stands for it.
 */
import {
  BreakerStateSchema,
  Encoding,
  ItemRecordSchema,
  ItemStatus,
  type Payload,
  type RunRecord,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { Actor } from "../actor/actor.js";
import { stateOf } from "../actor/actor.js";
import { HAS_RECORD, putRecord, recordOf, statusOf } from "../actor/items.js";
import type { ActionPlan } from "../definition/plan.js";
import { BREAKER_KEY_CHARS_MAX, BREAKERS_MAX, INPUTS_A_RECORD, ITEMS_A_CHUNK } from "../limits.js";
import { breakerKey, chunkKey, chunkOf, inputsKey, inputsOf, itemKey, payloadKey } from "../state/tables.js";
import type { View } from "../state/view.js";
import { atPointer, cutText, fromUtf8, type Json } from "../text.js";
import { type Name, totals } from "./breaker.js";

/** Of an action with a breaker, or where its items have keys of their own, of one of them. Settles the key. */
export function nameOf(actor: Actor, action: ActionPlan, item?: number): Name {
  if (action.breaker?.itemKey !== undefined) return nameOfItem(actor, action, item);
  const { run } = actor;
  const pointer = action.breaker?.key ?? "";
  const name = { workflow: run.workflow, action: action.name };
  if (pointer === "") return { ...name, key: "" };
  const state = stateOf(actor, action);
  state.breaker ??= init(BreakerStateSchema);
  if (state.breaker.key === undefined) {
    const key = keyInInput(actor, pointer);
    state.breaker.key = isKept(actor, { ...name, key }) ? key : "";
  }
  return { ...name, key: state.breaker.key };
}

function nameOfItem(actor: Actor, action: ActionPlan, item: number | undefined): Name {
  const { ctx, run, runId } = actor;
  const name = settledName(ctx.view, runId, run, action, item);
  if (item === undefined || name.key === "" || isKept(actor, name)) return name;
  const begun = statusOf(actor, action, item) === ItemStatus.RUNNING;
  const fresh = { attempt: begun ? 1 : 0, generation: begun ? run.generation : 0 };
  const record = recordOf(actor, action, item) ?? init(ItemRecordSchema, fresh);
  record.unkeyedIn = run.generation;
  putRecord(actor, action, item, record);
  return { ...name, key: "" };
}

/** There is a breaker of this key, or room for one more. */
const isKept = ({ ctx }: Actor, name: Name): boolean =>
  totals(ctx).records < BREAKERS_MAX || ctx.view.get(breakerKey(name)) !== undefined;

/** The name that was settled when it first had to do with its breaker; for reads. */
export function settledName(
  view: View,
  runId: string,
  run: RunRecord,
  action: ActionPlan,
  item?: number,
): Name {
  const name = { workflow: run.workflow, action: action.name };
  const pointer = action.breaker?.itemKey;
  if (pointer === undefined) return { ...name, key: run.actions[action.index]?.breaker?.key ?? "" };
  if (item === undefined) return { ...name, key: "" };
  const byte = view.get(chunkKey(runId, action.index, chunkOf(item)))?.statuses[item % ITEMS_A_CHUNK] ?? 0;
  const hasRecord = (byte & HAS_RECORD) !== 0;
  const isUnkeyed = hasRecord && view.get(itemKey(runId, action.index, item))?.unkeyedIn === run.generation;
  const key = isUnkeyed ? "" : keyIn(valueOfItem(view, runId, action, item), pointer);
  return { ...name, key };
}

/** The JSON of an item as its handler gets it; undefined where the state does not hold it. */
function valueOfItem(view: View, runId: string, action: ActionPlan, item: number): Uint8Array | undefined {
  if (action.perItemOf !== undefined)
    return inlineOf(view.get(itemKey(runId, action.perItemOf, item))?.output);
  return view.get(inputsKey(runId, action.index, inputsOf(item)))?.items[item % INPUTS_A_RECORD];
}

function inlineOf(payload: Payload | undefined): Uint8Array | undefined {
  if (payload?.body.case !== "inline" || payload.encoding !== Encoding.UNSPECIFIED) return undefined;
  return payload.body.value;
}

function keyInInput({ ctx, run: { input }, runId }: Actor, pointer: string): string {
  const isStored = input?.body.case === "stored" && input.encoding === Encoding.UNSPECIFIED;
  return keyIn(isStored ? ctx.view.get(payloadKey(runId, 0))?.body : inlineOf(input), pointer);
}

function keyIn(bytes: Uint8Array | undefined, pointer: string): string {
  const found = bytes === undefined ? undefined : valueAt(fromUtf8(bytes), pointer);
  if (typeof found === "string") return cutText(found, BREAKER_KEY_CHARS_MAX);
  return typeof found === "number" || typeof found === "boolean" ? String(found) : "";
}

function valueAt(text: string, pointer: string): Json | undefined {
  try {
    return atPointer(JSON.parse(text) as Json, pointer);
  } catch {
    return undefined;
  }
}
