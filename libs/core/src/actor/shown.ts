/**
 * What people are shown of a failure that nobody bound a message for: those that the engine writes (a lost worker, a time-out, an open breaker), and
 * those of a job's items. From the run's input, the item and upstream outputs as the state holds them; what is kept elsewhere stays a placeholder.
 *
 * 1. A message that a worker bound stands: it knows more.
 * 2. What is parsed is remembered for the failures that come in a row; forgetting it changes nothing.
 */
import type { Failure } from "@holdfast/proto";
import { bytesOfInput, bytesOfItem, bytesOfOutput } from "../breaker/name.js";
import type { ActionPlan } from "../definition/plan.js";
import { bindMessage, namesIn } from "../failure/message.js";
import { fromUtf8 } from "../text.js";
import { type Actor, actionAt } from "./actor.js";

/** To be called with a failure of an action's own attempt, or of an item's, before it is kept. */
export function show(actor: Actor, action: ActionPlan, failure: Failure, item?: number): void {
  const template = action.definition.failureMessage;
  // Over items the message is about one of them.
  if (template === "" || failure.shown !== "" || (action.forEach !== undefined && item === undefined)) return;
  // Any name may be that of an action.
  const values = Object.create(null) as Record<string, unknown>;
  values["input"] = parsed(bytesOfInput(actor));
  if (item !== undefined) {
    values["index"] = item;
    values["item"] = valueOf(bytesOfItem(actor.ctx.view, actor.runId, action, item));
  }
  const names = namesIn(template);
  for (const index of action.upstream) {
    const { name } = actionAt(actor, index);
    if (names.has(name)) values[name] = valueOf(bytesOfOutput(actor, index));
  }
  failure.shown = bindMessage(template, values);
}

let lastBytes: Uint8Array | undefined;
let lastValue: unknown;

/** A run's input, which is the same for all of its failures. */
function parsed(bytes: Uint8Array | undefined): unknown {
  if (bytes !== undefined && bytes === lastBytes) return lastValue;
  lastValue = valueOf(bytes);
  lastBytes = bytes;
  return lastValue;
}

function valueOf(bytes: Uint8Array | undefined): unknown {
  try {
    return bytes === undefined ? undefined : JSON.parse(fromUtf8(bytes));
  } catch {
    return undefined;
  }
}
