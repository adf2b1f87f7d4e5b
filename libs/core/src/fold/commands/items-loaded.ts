/**
 * ItemsLoaded: the next items of an action, in order, or the input of a child run. A chunk that is not the next one is a repetition
 * and changes nothing.
 */
import {
  ActionStatus,
  type Command,
  FailureMode,
  FailureSchema,
  ItemInputsRecordSchema,
  type ItemsLoaded,
  RejectCode,
  RunEventType,
  RunStatus,
  Source,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { endUnlisted, settleItems } from "../../actor/actions.js";
import {
  type Actor,
  addEvent,
  isCancelling,
  loadActor,
  makeFailure,
  payloadProblem,
  saveActor,
  stateOf,
} from "../../actor/actor.js";
import { advance } from "../../actor/advance.js";
import { beginChild, refuseChild } from "../../actor/child.js";
import { addItems, itemsOf, releaseItems } from "../../actor/items.js";
import type { ActionPlan } from "../../definition/plan.js";
import { INPUTS_A_RECORD, ITEM_BYTES_MAX, ITEMS_MAX } from "../../limits.js";
import { quoted } from "../../names.js";
import { inputsKey, inputsOf } from "../../state/tables.js";
import { isTerminal } from "../../status.js";
import type { FoldContext } from "../context.js";

export function itemsLoaded(ctx: FoldContext, command: Command, loaded: ItemsLoaded): void {
  const actor = loadActor(ctx, loaded.runId);
  const action = actor?.plan.actions[loaded.action];
  const state = actor?.run.actions[loaded.action];
  if (actor !== undefined && action !== undefined && waitsForInput(actor, action, loaded)) {
    childInputLoaded(actor, action, loaded);
    ctx.accept(command, { runId: loaded.runId });
    return;
  }
  const current =
    actor !== undefined &&
    action !== undefined &&
    state?.items !== undefined &&
    state.status === ActionStatus.RUNNING &&
    !state.items.loaded &&
    !isCancelling(actor) &&
    loaded.generation === actor.run.generation &&
    loaded.firstIndex === state.items.bound;
  if (!current) {
    ctx.reject(
      command,
      RejectCode.STALE_ATTEMPT,
      `these are not the next items of run ${quoted(loaded.runId)}, action ${loaded.action}`,
      loaded.runId,
    );
    return;
  }
  const problem = loaded.failure ?? overLimit(action, loaded);
  if (problem !== undefined) {
    const failure = makeFailure(problem, { atNs: ctx.atNs, source: Source.ENGINE });
    endUnlisted(actor, action, failure);
  } else {
    keepInputs(actor, action, loaded);
    addItems(actor, action, loaded.firstIndex, loaded.firstIndex + loaded.items.length);
    const items = itemsOf(actor, action);
    items.loaded = loaded.last;
    if (loaded.last)
      addEvent(actor, RunEventType.ITEMS_LOADED, { action: action.index, items: items.counts });
    releaseItems(actor, action);
    settleItems(actor, action);
  }
  if (isTerminal(stateOf(actor, action).status)) advance(actor);
  saveActor(actor);
  ctx.accept(command, { runId: loaded.runId });
}

/** Whether its child run can't be asked for until its input is there. */
function waitsForInput(actor: Actor, action: ActionPlan, { generation }: ItemsLoaded): boolean {
  const { status, child } = stateOf(actor, action);
  const open = status === ActionStatus.WAITING && child?.status === RunStatus.UNSPECIFIED;
  return open && generation === actor.run.generation;
}

function childInputLoaded(actor: Actor, action: ActionPlan, { failure, input }: ItemsLoaded): void {
  const problem = payloadProblem(input);
  if (failure !== undefined) refuseChild(actor, action, failure.mode, failure.message);
  else if (problem !== undefined) {
    const message = `the input of the child run can't be kept: ${problem.message}`;
    refuseChild(actor, action, FailureMode.VALIDATION, message);
  } else beginChild(actor, action, input);
  if (isTerminal(stateOf(actor, action).status)) advance(actor);
  saveActor(actor);
}

function overLimit(action: ActionPlan, loaded: ItemsLoaded): ItemsLoaded["failure"] {
  const validation = (message: string): ItemsLoaded["failure"] =>
    init(FailureSchema, { mode: FailureMode.VALIDATION, message });
  if (loaded.firstIndex + loaded.items.length > ITEMS_MAX)
    return validation(`action ${action.name} has more than ${ITEMS_MAX} items`);
  const large = loaded.items.findIndex((item) => item.length > ITEM_BYTES_MAX);
  if (large < 0) return undefined;
  const size = loaded.items[large]?.length ?? 0;
  return validation(
    `item ${loaded.firstIndex + large} of action ${action.name} is ${size} bytes; an item has at most ${ITEM_BYTES_MAX}: pass a reference to large data`,
  );
}

function keepInputs(actor: Actor, action: ActionPlan, loaded: ItemsLoaded): void {
  for (let at = 0; at < loaded.items.length; ) {
    const index = loaded.firstIndex + at;
    const key = inputsKey(actor.runId, action.index, inputsOf(index));
    const room = INPUTS_A_RECORD - (index % INPUTS_A_RECORD);
    const record = actor.ctx.view.get(key) ?? init(ItemInputsRecordSchema, { items: [] });
    record.items.push(...loaded.items.slice(at, at + room));
    actor.ctx.view.put(key, record);
    at += room;
  }
}
