/** What a worker is told of a job of an external batch action: what to submit, check or cancel. */
import {
  type ActionPlan,
  eachItem,
  INLINE_PAYLOAD_BYTES_MAX,
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
  PayloadSchema,
  type TaskJob,
  TaskJobSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { PayloadStore } from "../ports/registry.js";

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

/** A JSON array of `{"index", "item"}`, one for each item of the job that is to be submitted; by reference where it is large. */
export async function itemsOfJob({ view, payloads, runId, action, bound }: JobItems): Promise<Payload> {
  const indices: number[] = [];
  eachItem(view, runId, action.index, bound, (item, byte) => {
    if ((byte & STATUS_MASK) === ItemStatus.RUNNING) indices.push(item);
  });
  const parts: Buffer[] = [];
  for (const index of indices) {
    const head = `${parts.length === 0 ? "[" : ","}{"index":${index},"item":`;
    parts.push(Buffer.from(head), Buffer.from(await bodyOf(view, payloads, runId, action, index)), CLOSE);
    if (parts.length % PARTS_A_TURN === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  if (parts.length === 0) parts.push(Buffer.from("["));
  const body = new Uint8Array(Buffer.concat([...parts, Buffer.from("]")]));
  return body.length <= INLINE_PAYLOAD_BYTES_MAX
    ? init(PayloadSchema, { body: { case: "inline", value: body } })
    : init(PayloadSchema, { body: { case: "ref", value: await payloads.put(body) } });
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
  const output = view.get(itemKey(runId, action.perItemOf, item))?.output;
  if (output?.body.case === "inline") return output.body.value;
  return output?.body.case === "ref" ? await payloads.get(output.body.value) : NULL;
}

const NULL = Buffer.from("null");
const CLOSE = Buffer.from("}");
const PARTS_A_TURN = 3_000;
