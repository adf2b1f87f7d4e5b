/**
 * Makes a due task into what a worker is sent, from state as it is now. A task that the state has gone past is not made.
 */
import {
  type ActionPlan,
  chunkKey,
  chunkOf,
  definitionKey,
  type DefinitionPlan,
  type DueTask,
  eachItem,
  HAS_RECORD,
  INLINE_PAYLOAD_BYTES_MAX,
  INPUTS_A_RECORD,
  inputsKey,
  inputsOf,
  itemKey,
  ITEMS_A_CHUNK,
  payloadKey,
  planOf,
  runKey,
  STATUS_MASK,
  type View,
} from "@holdfast/core";
import {
  ActionStatus,
  type ActionState,
  ItemStatus,
  type NamedPayload,
  NamedPayloadSchema,
  type Payload,
  PayloadSchema,
  type RunRecord,
  RunStatus,
  StepResultSchema,
  type Task,
  TaskSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { PayloadStore } from "../ports/registry.js";
import { readSteps } from "./steps.js";

export interface Pinned {
  readonly run: RunRecord;
  readonly plan: DefinitionPlan;
}

export function pinned(view: View, runId: string): Pinned | undefined {
  const run = view.get(runKey(runId));
  const definition = run === undefined ? undefined : view.get(definitionKey(run.definitionHash))?.definition;
  return run === undefined || definition === undefined ? undefined : { run, plan: planOf(definition) };
}

/** A payload with a stored body brought inline. */
export function bringInline(
  view: View,
  runId: string,
  slot: number,
  payload: Payload | undefined,
): Payload | undefined {
  if (payload?.body.case !== "stored") return payload;
  const value = view.get(payloadKey(runId, slot))?.body ?? new Uint8Array();
  return init(PayloadSchema, { body: { case: "inline", value }, encoding: payload.encoding });
}

export interface ComposeDeps {
  readonly view: View;
  readonly payloads: PayloadStore;
  readonly partition: number;
  readonly epoch: bigint;
}

const FIRST_ATTEMPT = { attempt: 1, attemptBase: 0, steps: 0 };

/** Undefined where the attempt is over or was never begun. A promise only where outputs of many items have to be gathered. */
export function composeTask(deps: ComposeDeps, due: DueTask): Task | undefined | Promise<Task> {
  const { view } = deps;
  const found = pinned(view, due.runId);
  const action = found?.plan.actions[due.action];
  const state = found?.run.actions[due.action];
  if (found === undefined || action === undefined || state === undefined) return undefined;
  const { run, plan } = found;
  if (run.status !== RunStatus.RUNNING || state.status !== ActionStatus.RUNNING) return undefined;
  const byte = due.item < 0 ? 0 : itemByte(view, due);
  if (due.item >= 0 && (byte & STATUS_MASK) !== ItemStatus.RUNNING) return undefined;
  // An item in its first attempt has no record: asking for it would be a read in vain for each.
  const record = (byte & HAS_RECORD) === 0 ? undefined : view.get(itemKey(due.runId, due.action, due.item));
  const { attempt, attemptBase, steps } = due.item < 0 ? state : (record ?? FIRST_ATTEMPT);
  if (attempt !== due.attempt) return undefined;
  const upstream: NamedPayload[] = [];
  const gather: ActionPlan[] = [];
  for (const index of action.upstream) {
    const source = plan.actions[index] as ActionPlan;
    if (source.forEach === undefined)
      upstream.push(
        named(
          source,
          run.actions[index] as ActionState,
          bringInline(view, due.runId, index + 1, run.actions[index]?.output),
        ),
      );
    else if (due.item < 0) gather.push(source);
  }
  const task = init(TaskSchema, {
    runId: due.runId,
    action: due.action,
    item: due.item < 0 ? undefined : due.item,
    attempt: due.attempt,
    partition: deps.partition,
    epoch: deps.epoch,
    workflow: run.workflow,
    actionName: action.name,
    input: due.item < 0 ? bringInline(view, due.runId, 0, run.input) : undefined,
    upstream,
    itemInput: due.item < 0 ? undefined : itemInput(view, due, action),
    startToCloseMs: action.startToCloseMs,
    traceparent: run.traceparent,
    generation: run.generation,
    queue: action.queue,
    attemptsLeft: Math.max(0, action.retry.maxAttempts - (due.attempt - attemptBase)),
    steps: readSteps(view, { ...due, bound: steps, since: state.stepsSince }).map(
      ([index, { name, result }]) => init(StepResultSchema, { index, name, result }),
    ),
  });
  return gather.length === 0 ? task : gatherOutputs(deps, found, task, gather);
}

const named = (source: ActionPlan, state: ActionState, payload: Payload | undefined): NamedPayload =>
  init(NamedPayloadSchema, { name: source.name, status: state.status, payload });

/** The byte that tells an item's disposition, and whether it has a record. */
function itemByte(view: View, { runId, action, item }: DueTask): number {
  return view.get(chunkKey(runId, action, chunkOf(item)))?.statuses[item % ITEMS_A_CHUNK] ?? 0;
}

function itemInput(view: View, due: DueTask, action: ActionPlan): Payload | undefined {
  if (action.perItemOf !== undefined) return view.get(itemKey(due.runId, action.perItemOf, due.item))?.output;
  const value = view.get(inputsKey(due.runId, due.action, inputsOf(due.item)))?.items[
    due.item % INPUTS_A_RECORD
  ];
  return value === undefined ? undefined : init(PayloadSchema, { body: { case: "inline", value } });
}

/** Adds, for each upstream action over items, a JSON array of its successes' outputs, in the order of their indices. */
async function gatherOutputs(
  deps: ComposeDeps,
  { run }: Pinned,
  task: Task,
  sources: readonly ActionPlan[],
): Promise<Task> {
  for (const source of sources) {
    const state = run.actions[source.index] as ActionState;
    const parts: Buffer[] = [];
    const indices: number[] = [];
    eachItem(deps.view, task.runId, source.index, state.items?.bound ?? 0, (item, byte) => {
      if ((byte & STATUS_MASK) === ItemStatus.SUCCEEDED) indices.push(item);
    });
    for (const item of indices) {
      const output = deps.view.get(itemKey(task.runId, source.index, item))?.output;
      if (output?.body.case === "inline") parts.push(Buffer.from(output.body.value));
      else if (output?.body.case === "ref")
        parts.push(Buffer.from(await deps.payloads.get(output.body.value)));
      else parts.push(NULL);
      if (parts.length % 1_000 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    const body = jsonArray(parts);
    const payload =
      body.length <= INLINE_PAYLOAD_BYTES_MAX
        ? init(PayloadSchema, { body: { case: "inline", value: body } })
        : init(PayloadSchema, { body: { case: "ref", value: await deps.payloads.put(body) } });
    task.upstream.push(named(source, state, payload));
  }
  return task;
}

const NULL = Buffer.from("null");
const COMMA = Buffer.from(",");

function jsonArray(parts: readonly Buffer[]): Uint8Array {
  const joined: Buffer[] = [Buffer.from("[")];
  parts.forEach((part, i) => {
    if (i > 0) joined.push(COMMA);
    joined.push(part);
  });
  joined.push(Buffer.from("]"));
  return new Uint8Array(Buffer.concat(joined));
}
