/** What a worker is told of a job of an external batch action: what to submit, check or cancel. */
import {
  type ActionPlan,
  eachItem,
  INPUTS_A_RECORD,
  inputsKey,
  inputsOf,
  itemKey,
  runningCancel,
  STATUS_MASK,
  type View,
} from "@holdfast/core";
import {
  type ActionState,
  BatchPhase,
  ItemStatus,
  JobStep,
  type Payload,
  type TaskJob,
  TaskJobSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { PayloadStore } from "../ports/registry.js";
import { gatherArray, jsonOf } from "./gather-array.js";

/** The task of an attempt at a job, but for its items; undefined: the attempt is none. */
export function jobTask(state: ActionState, attempt: number): TaskJob | undefined {
  const cancel = runningCancel(state, attempt);
  if (cancel !== undefined) {
    const { job, handle, reason } = cancel;
    return init(TaskJobSchema, { step: JobStep.CANCEL, job, handle, reason });
  }
  if (state.batch === undefined || state.attempt !== attempt) return undefined;
  const { phase, job, handle } = state.batch;
  if (phase === BatchPhase.SUBMITTING) return init(TaskJobSchema, { step: JobStep.SUBMIT, job });
  if (phase === BatchPhase.CHECKING) return init(TaskJobSchema, { step: JobStep.CHECK, job, handle });
  return undefined;
}

export interface JobItems {
  readonly view: View;
  readonly payloads: PayloadStore;
  readonly runId: string;
  readonly action: ActionPlan;
  /** One past the highest index. */
  readonly bound: number;
}

/** The indices of an action's items of one disposition, in order. */
export function itemsWith(
  view: View,
  runId: string,
  action: number,
  bound: number,
  status: ItemStatus,
): readonly number[] {
  const indices: number[] = [];
  eachItem(view, runId, action, bound, (item, byte) => {
    if ((byte & STATUS_MASK) === status) indices.push(item);
  });
  return indices;
}

/** A JSON array of `{"index", "item"}`, one for each item of the job that is to be submitted; by reference where it is large. */
export function itemsOfJob({ view, payloads, runId, action, bound }: JobItems): Promise<Payload> {
  const running = itemsWith(view, runId, action.index, bound, ItemStatus.RUNNING);
  const elements = async function* (): AsyncGenerator<Uint8Array[]> {
    for (const index of running)
      yield [
        Buffer.from(`{"index":${index},"item":`),
        await bodyOf(view, payloads, runId, action, index),
        CLOSE,
      ];
  };
  return gatherArray({ elements: elements(), what: `the items of a job of action ${action.name}` }, payloads);
}

async function bodyOf(
  view: View,
  payloads: PayloadStore,
  runId: string,
  action: ActionPlan,
  item: number,
): Promise<Uint8Array> {
  if (action.perItemOf === undefined)
    return view.get(inputsKey(runId, action.index, inputsOf(item)))?.items[item % INPUTS_A_RECORD] ?? NULL;
  return await jsonOf(view.get(itemKey(runId, action.perItemOf, item))?.output, payloads);
}

const NULL = Buffer.from("null");
const CLOSE = Buffer.from("}");
