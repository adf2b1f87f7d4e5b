/** What is said now of whatever a breaker holds. What an action was told when it was held may be out of date: it may have opened again since. */
import {
  ActionStatus,
  type ActionState,
  type HeldKeyView,
  HeldKeyViewSchema,
  type RunRecord,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { HELD } from "../actor/items.js";
import type { ActionPlan } from "../definition/plan.js";
import { breakerKey, heldKeysKey } from "../state/tables.js";
import type { View } from "../state/view.js";
import { holdText, type Name } from "./breaker.js";
import { settledName } from "./name.js";

/** Whether breakers hold it, or any of its items. */
export const isHeld = ({ breaker, items }: ActionState): boolean =>
  breaker?.held === true || (items?.held ?? 0) > 0;

/** Undefined where its breaker holds neither it nor any of its items. */
export function heldText(view: View, runId: string, run: RunRecord, action: ActionPlan): string | undefined {
  const state = run.actions[action.index];
  if (state === undefined || !isHeld(state)) return undefined;
  if (action.breaker?.itemKey !== undefined) return heldTextOfItems(view, runId, run, action);
  const text = textOf(view, settledName(view, runId, run, action));
  return text === undefined ? undefined : text + lastFailure(state);
}

const textOf = (view: View, name: Name): string | undefined => {
  const record = view.get(breakerKey(name));
  return record === undefined ? undefined : holdText(record);
};

const quotedKey = (key: string): string => (key === "" ? "items without a key" : `"${key}"`);

/** Where items have keys of their own: of the key that is held longest, and how much else is. */
export function heldTextOfItems(
  view: View,
  runId: string,
  run: RunRecord,
  action: ActionPlan,
): string | undefined {
  const [first, ...others] = heldKeysOf(view, runId, run, action);
  if (first === undefined) return undefined;
  const more =
    others.length === 0 ? "" : `, and of ${others.length} other key${others.length === 1 ? "" : "s"}`;
  return `${first.text}; holds items of ${quotedKey(first.key)}${more}`;
}

/** What breakers hold of the items of an action, by key, those first that are held longest. */
export function heldKeysOf(
  view: View,
  runId: string,
  run: RunRecord,
  { index, name }: ActionPlan,
): HeldKeyView[] {
  if ((run.actions[index]?.items?.held ?? 0) === 0) return [];
  const { keys } = view.get(heldKeysKey(runId, index)) ?? { keys: [] };
  return keys.map(({ key, head, tail }) => {
    const text = textOf(view, { workflow: run.workflow, action: name, key }) ?? "breaker closed";
    return init(HeldKeyViewSchema, { key, items: tail - head, text });
  });
}

/** Of a PENDING item, whose byte its chunk has; undefined where no breaker holds it. */
export function heldTextOfItem(
  view: View,
  runId: string,
  run: RunRecord,
  action: ActionPlan,
  { item, byte }: { readonly item: number; readonly byte: number },
): string | undefined {
  if (action.breaker?.itemKey === undefined) return heldText(view, runId, run, action);
  if ((byte & HELD) === 0) return undefined;
  const name = settledName(view, runId, run, action, item);
  return `${textOf(view, name) ?? "breaker closed"}; holds items of ${quotedKey(name.key)}`;
}

/** What the detail has of the last attempt. */
function lastFailure({ detail }: ActionState): string {
  const at = detail?.text.indexOf(LAST) ?? -1;
  return at < 0 ? "" : (detail?.text.slice(at) ?? "");
}

/** Stands before what the last attempt of a held action failed with. */
export const LAST = "; its last attempt failed: ";

/** Of the first action of a run that waits for its breaker; empty: none does. */
export function heldTextOfRun(
  view: View,
  runId: string,
  run: RunRecord,
  actions: readonly ActionPlan[],
): string {
  for (const action of actions) {
    if (run.actions[action.index]?.status !== ActionStatus.WAITING) continue;
    const text = heldText(view, runId, run, action);
    if (text !== undefined) return `${action.name}: ${text}`;
  }
  return "";
}
