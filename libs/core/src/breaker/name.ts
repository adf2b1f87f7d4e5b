/**
 * Which breaker an action of a run, or one of its items, has to do with.
 *
 * 1. What was settled stays: an action's key for the run's life; that of an item, which its value gives, as long as its list.
 *    A key that is too long is kept as its head and a hash of all of it, so that no two share a breaker.
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
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import type { Actor } from "../actor/actor.js";
import { stateOf } from "../actor/actor.js";
import { HAS_RECORD, putRecord, recordOf, statusOf } from "../actor/items.js";
import type { ActionPlan } from "../definition/plan.js";
import { kindOfSlice, sliceAt } from "../json-slices.js";
import { jsonFault } from "../json-text.js";
import { BREAKER_KEY_CHARS_MAX, BREAKERS_MAX, INPUTS_A_RECORD, ITEMS_A_CHUNK } from "../limits.js";
import { breakerKey, chunkKey, chunkOf, inputsKey, inputsOf, itemKey, payloadKey } from "../state/tables.js";
import type { View } from "../state/view.js";
import { cutText, fromUtf8, utf8 } from "../text.js";
import { type Name, totals } from "./breaker.js";

/** Decimal digits that a double holds whatever they are. */
const EXACT_DIGITS = 15;

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
  const key = isUnkeyed ? "" : keyIn(bytesOfItem(view, runId, action, item), pointer);
  return { ...name, key };
}

/** The JSON of an item as its handler gets it; undefined where the state does not hold it. */
export function bytesOfItem(
  view: View,
  runId: string,
  action: ActionPlan,
  item: number,
): Uint8Array | undefined {
  if (action.perItemOf !== undefined)
    return inlineOf(view.get(itemKey(runId, action.perItemOf, item))?.output);
  return view.get(inputsKey(runId, action.index, inputsOf(item)))?.items[item % INPUTS_A_RECORD];
}

function inlineOf(payload: Payload | undefined): Uint8Array | undefined {
  if (payload?.body.case !== "inline" || payload.encoding !== Encoding.UNSPECIFIED) return undefined;
  return payload.body.value;
}

/** The JSON of a run's input, in the same way. */
export const bytesOfInput = ({ ctx, run, runId }: Actor): Uint8Array | undefined =>
  bytesOf(ctx.view, runId, 0, run.input);

/** The JSON of an action's output, in the same way. */
export const bytesOfOutput = ({ ctx, run, runId }: Actor, action: number): Uint8Array | undefined =>
  bytesOf(ctx.view, runId, action + 1, run.actions[action]?.output);

function bytesOf(
  view: View,
  runId: string,
  slot: number,
  payload: Payload | undefined,
): Uint8Array | undefined {
  const isStored = payload?.body.case === "stored" && payload.encoding === Encoding.UNSPECIFIED;
  return isStored ? view.get(payloadKey(runId, slot))?.body : inlineOf(payload);
}

const keyInInput = (actor: Actor, pointer: string): string => keyIn(bytesOfInput(actor), pointer);

function keyIn(bytes: Uint8Array | undefined, pointer: string): string {
  // A list that was loaded by an older build, or a run that was started past every door, may hold anything.
  if (bytes === undefined || jsonFault(bytes) !== undefined) return "";
  const slice = sliceAt(bytes, pointer);
  const kind = kindOfSlice(slice);
  if (slice === undefined || kind === "null" || kind === "an object" || kind === "an array") return "";
  const text = fromUtf8(slice);
  if (kind === "a number") return keptKey(numberKey(text));
  return kind === "a string" ? keptKey(JSON.parse(text) as string) : text;
}

/** A long key is kept as its head and what tells it from others that begin alike. */
export function keptKey(key: string): string {
  if (key.length <= BREAKER_KEY_CHARS_MAX) return key;
  const tag = bytesToHex(sha256(utf8(key))).slice(0, KEY_TAG_CHARS);
  return cutText(key, BREAKER_KEY_CHARS_MAX - KEY_TAG_CHARS) + tag;
}

const KEY_TAG_CHARS = 16;

/** Equal numbers have one key, and those that JavaScript can't tell apart have keys of their own. */
export function numberKey(text: string): string {
  const digits = text.replace(/[eE].*$/, "").replace(/[^0-9]/g, "");
  return digits.length <= EXACT_DIGITS && Number.isFinite(Number(text)) ? String(Number(text)) : text;
}
