/** Which breaker an action of a run has to do with. */
import { BreakerStateSchema, Encoding, type RunRecord } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { Actor } from "../actor/actor.js";
import { stateOf } from "../actor/actor.js";
import type { ActionPlan } from "../definition/plan.js";
import { BREAKER_KEY_CHARS_MAX, BREAKERS_MAX } from "../limits.js";
import { breakerKey, payloadKey } from "../state/tables.js";
import { atPointer, cutText, fromUtf8, type Json } from "../text.js";
import { type Name, totals } from "./breaker.js";

/**
 * Of an action with a breaker. The key is looked up in the run's input once, and stays. Where there is none to be found (no such
 * value, or an input kept by reference), or too many breakers are kept already, the action's own breaker without a key stands for it.
 */
export function nameOf(actor: Actor, action: ActionPlan): Name {
  const { run } = actor;
  const pointer = action.breaker?.key ?? "";
  const name = { workflow: run.workflow, action: action.name };
  if (pointer === "") return { ...name, key: "" };
  const state = stateOf(actor, action);
  state.breaker ??= init(BreakerStateSchema);
  if (state.breaker.key === undefined) {
    const key = keyIn(actor, pointer);
    const full = totals(actor.ctx).records >= BREAKERS_MAX;
    const known = !full || actor.ctx.view.get(breakerKey({ ...name, key })) !== undefined;
    state.breaker.key = known ? key : "";
  }
  return { ...name, key: state.breaker.key };
}

/** The name that was settled when the action first had to do with its breaker; for reads. */
export const settledName = (run: RunRecord, action: ActionPlan): Name => ({
  workflow: run.workflow,
  action: action.name,
  key: run.actions[action.index]?.breaker?.key ?? "",
});

function keyIn({ ctx, run, runId }: Actor, pointer: string): string {
  const body = run.input?.body;
  if (body === undefined || run.input?.encoding !== Encoding.UNSPECIFIED) return "";
  const bytes =
    body.case === "stored"
      ? ctx.view.get(payloadKey(runId, 0))?.body
      : body.case === "inline"
        ? body.value
        : undefined;
  if (bytes === undefined) return "";
  const found = valueAt(fromUtf8(bytes), pointer);
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
