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
  HAS_RECORD,
  INPUTS_A_RECORD,
  inputsKey,
  inputsOf,
  isPaused,
  itemKey,
  ITEMS_A_CHUNK,
  payloadKey,
  planOf,
  runKey,
  STATUS_MASK,
  UNDO_STEPS,
  type View,
} from "@holdfast/core";
import {
  ActionStatus,
  type AppliedRecord,
  type ActionState,
  ItemStatus,
  JobStep,
  type NamedPayload,
  NamedPayloadSchema,
  type Payload,
  PayloadSchema,
  type RunRecord,
  RunStatus,
  type StepRecord,
  StepResultSchema,
  type Task,
  type TaskJob,
  TaskSchema,
  type TaskUndo,
  TaskUndoSchema,
  UndoStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { PayloadStore } from "../ports/registry.js";
import { gatherArray, jsonOf } from "./gather-array.js";
import { itemsOfJob, itemsWith, jobTask } from "./jobs.js";
import { readSteps, type StepsWanted } from "./steps.js";

export interface Pinned {
  readonly run: RunRecord;
  readonly plan: DefinitionPlan;
}

/** What is fixed of an action's tasks. */
export interface TaskInfo {
  readonly queue: string;
  readonly startToCloseMs: number;
  readonly workflow: string;
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
  readonly applied: AppliedRecord;
}

const FIRST_ATTEMPT = { attempt: 1, attemptBase: 0, steps: 0, recover: undefined };

/** Undefined where the attempt is over or was never begun. A promise only where outputs of many items have to be gathered. */
export function composeTask(
  deps: ComposeDeps,
  due: DueTask,
  found: Pinned,
): Task | undefined | Promise<Task> {
  const { view } = deps;
  const { run, plan } = found;
  const action = plan.actions[due.action];
  const state = run.actions[due.action];
  if (action === undefined || state === undefined) return undefined;
  const undo = due.item < 0 && state.undo?.status === UndoStatus.RUNNING ? state.undo : undefined;
  const job = due.item < 0 && action.batch !== undefined ? jobTask(state, due.attempt) : undefined;
  // Nothing waits for a job to be cancelled: it is, whatever became of the run.
  if (job?.step === JobStep.CANCEL || job?.step === JobStep.CHECK) return taskAtJob(deps, due, found, job);
  if (run.status !== RunStatus.RUNNING || isPaused(deps.applied, run.workflow)) return undefined;
  // Nothing begins of a run that is being cancelled, but for what it undoes.
  if (run.cancel !== undefined && run.undo === undefined) return undefined;
  if (undo === undefined && state.status !== ActionStatus.RUNNING) return undefined;
  const byte = due.item < 0 ? 0 : itemByte(view, due);
  if (due.item >= 0 && (byte & STATUS_MASK) !== ItemStatus.RUNNING) return undefined;
  // An item in its first attempt has no record: asking for it would be a read in vain for each.
  const record = (byte & HAS_RECORD) === 0 ? undefined : view.get(itemKey(due.runId, due.action, due.item));
  const { attempt, attemptBase, steps, recover } = due.item < 0 ? state : (record ?? FIRST_ATTEMPT);
  if (attempt !== due.attempt) return undefined;
  const base =
    undo?.attemptBase ?? (job === undefined ? attemptBase : due.attempt - 1 - (state.batch?.tries ?? 0));
  const original = undo === undefined ? recover?.original : undefined;
  const stepsOf =
    undo === undefined
      ? stepsWanted(due, due.item, job === undefined ? steps : (state.batch?.steps ?? 0), state.stepsSince)
      : stepsWanted(due, UNDO_STEPS, undo.steps, undo.generation);
  const upstream: NamedPayload[] = [];
  const gather: ActionPlan[] = [];
  for (const index of action.upstream) {
    const source = plan.actions[index] as ActionPlan;
    // An item is a part of it: the whole comes along where it is asked for by name.
    if (due.item >= 0 && index === action.outputOf && !action.definition.after.includes(source.name))
      continue;
    if (source.forEach === undefined)
      upstream.push(
        named(
          source,
          run.actions[index] as ActionState,
          bringInline(view, due.runId, index + 1, run.actions[index]?.output),
        ),
      );
    else if (due.item < 0 && action.forEach === undefined) gather.push(source);
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
    heartbeatMs: action.heartbeatMs,
    traceparent: run.traceparent,
    generation: run.generation,
    queue: action.queue,
    // A recovery is tried once, and has steps of its own.
    attemptsLeft: original === undefined ? Math.max(0, action.retry.maxAttempts - (due.attempt - base)) : 0,
    steps: original === undefined ? readSteps(view, stepsOf).map(stepResult) : [],
    recover: original,
    stuckRevisitGap: plan.definition.guardrails?.stuckRevisitGap ?? 0,
    undo: state.undo === undefined ? undefined : taskUndo(view, due.runId, found, action, undo !== undefined),
    job,
  });
  const undoesItems = undo !== undefined && action.forEach !== undefined;
  const submitsItems = job !== undefined && action.forEach !== undefined;
  return gather.length === 0 && !undoesItems && !submitsItems
    ? task
    : gatherOutputs(deps, found, task, gather);
}

/** A check or a cancel needs nothing but the job's handle. */
function taskAtJob(deps: ComposeDeps, due: DueTask, { run, plan }: Pinned, job: TaskJob): Task | undefined {
  const action = plan.actions[due.action] as ActionPlan;
  const { attemptBase, batch, stepsSince } = run.actions[due.action] as ActionState;
  const { view, partition, epoch } = deps;
  const { runId, attempt, action: index } = due;
  const isCheck = job.step === JobStep.CHECK;
  if (isCheck && (run.status !== RunStatus.RUNNING || isPaused(deps.applied, run.workflow))) return undefined;
  const steps = isCheck
    ? stepsWanted(due, due.item, batch?.steps ?? 0, stepsSince)
    : stepsWanted(due, due.item, 0, 0);
  return init(TaskSchema, {
    runId,
    action: index,
    attempt,
    partition,
    epoch,
    workflow: run.workflow,
    actionName: action.name,
    startToCloseMs: action.startToCloseMs,
    traceparent: run.traceparent,
    generation: run.generation,
    queue: action.queue,
    attemptsLeft: Math.max(
      0,
      action.retry.maxAttempts - (isCheck ? (batch?.tries ?? 0) + 1 : attempt - attemptBase),
    ),
    steps: readSteps(view, steps).map(stepResult),
    stuckRevisitGap: plan.definition.guardrails?.stuckRevisitGap ?? 0,
    job,
  });
}

/** Field by field: spreading the task costs 4 µs for each that is made. */
const stepsWanted = (
  { runId, action }: DueTask,
  item: number,
  bound: number,
  since: number,
): StepsWanted => ({ runId, action, item, bound, since });

const stepResult = ([index, { name, result }]: [number, StepRecord]) =>
  init(StepResultSchema, { index, name, result });

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

/** What a task says of its action's undo: that it is one, and of what, or that the action was undone before. */
function taskUndo(
  view: View,
  runId: string,
  { run }: Pinned,
  { index, forEach }: ActionPlan,
  now: boolean,
): TaskUndo {
  const { undo, output } = run.actions[index] as ActionState;
  const times = undo?.times ?? 0;
  if (!now) return init(TaskUndoSchema, { times });
  const kept = forEach === undefined ? bringInline(view, runId, index + 1, output) : undefined;
  return init(TaskUndoSchema, { now, times, output: kept, cause: run.undo?.cause });
}

/**
 * Adds what has to be gathered from items: of each upstream action over items its successes' outputs, and of one that is to be
 * undone its own, with their indices.
 */
async function gatherOutputs(
  deps: ComposeDeps,
  { run, plan }: Pinned,
  task: Task,
  sources: readonly ActionPlan[],
): Promise<Task> {
  for (const source of sources) {
    const state = run.actions[source.index] as ActionState;
    task.upstream.push(named(source, state, await outputsOf(deps, task.runId, source, state)));
  }
  const own = run.actions[task.action] as ActionState;
  const action = plan.actions[task.action] as ActionPlan;
  if (task.undo?.now === true && own.items !== undefined)
    task.undo.outputs = await outputsOf(deps, task.runId, action, own, true);
  if (task.job !== undefined && own.items !== undefined)
    task.job.items = await itemsOfJob({ ...deps, runId: task.runId, action, bound: own.items.bound });
  return task;
}

/** A JSON array of the outputs of an action's successes, in the order of their indices; `indexed`: each as `{"index", "output"}`. */
function outputsOf(
  { view, payloads }: ComposeDeps,
  runId: string,
  { index: action, name }: ActionPlan,
  { items }: ActionState,
  indexed = false,
): Promise<Payload> {
  const successes = itemsWith(view, runId, action, items?.bound ?? 0, ItemStatus.SUCCEEDED);
  const elements = async function* (): AsyncGenerator<Uint8Array[]> {
    for (const item of successes) {
      const output = view.get(itemKey(runId, action, item))?.output;
      const value = await jsonOf(output, payloads);
      yield indexed ? [Buffer.from(`{"index":${item},"output":`), value, CLOSE] : [value];
    }
  };
  return gatherArray({ elements: elements(), what: `the outputs of action ${name}` }, payloads);
}

const CLOSE = Buffer.from("}");
