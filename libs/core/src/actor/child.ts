/**
 * Actions that are runs of another workflow: asking for the child, for its retry, for its end. How it ended is child-end.ts.
 *
 * 1. The child lives in the partition that its id belongs to; everything between the two goes by messages.
 * 2. An action asks with the number of its attempt, and only the answer to its current attempt ends that.
 * 3. A child that failed is retried, not begun again, while it is there and its input is what it was.
 * 4. A child that has not ended when its action's time is over is cancelled and left: another takes its place.
 */
import {
  type ActionDefinition,
  type ActionState,
  ActionStatus,
  CancelRequestedSchema,
  type ChildState,
  ChildStateSchema,
  Effect,
  FailureMode,
  LeftChildSchema,
  type Payload,
  PayloadSchema,
  RecoveryStrategy,
  type Requester,
  RequesterSchema,
  RequestingActionSchema,
  RetryRequestedSchema,
  RunStatus,
  Source,
  StartRequestedSchema,
  StartRunSchema,
  TimerKind,
  TimerRecordSchema,
  type WorkflowDefinition,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ActionPlan } from "../definition/plan.js";
import { sourcePointerOf } from "../definition/validate.js";
import type { FoldContext } from "../fold/context.js";
import { hasRoomFor, sendToRun } from "../fold/messages/send.js";
import { CANCEL_GRACE_DEFAULT_MS, CHILD_DEPTH_MAX, CHILDREN_LEFT_MAX } from "../limits.js";
import { isDefinitionHash } from "../names.js";
import { isRunCompleted, isRunRetryable } from "../status.js";
import { definitionKey, latestKey, payloadKey } from "../state/tables.js";
import type { View } from "../state/view.js";
import { spanText } from "../text.js";
import { type Actor, actionAt, makeDetail, makeFailure, stateOf } from "./actor.js";
import { childRunId } from "./child-id.js";
import { attemptFailed } from "./failed-attempt.js";

const MS = 1_000_000n;

/** Begins an attempt: the action waits from now on. */
export function startChild(actor: Actor, action: ActionPlan): void {
  const state = stateOf(actor, action);
  state.attempt += 1;
  state.status = ActionStatus.WAITING;
  state.retryAtNs = 0n;
  state.output = undefined;
  state.effect = Effect.UNSPECIFIED;
  state.failure = undefined;
  if (state.child === undefined || !isToBeRetried(actor, action, state.child)) {
    leaveChild(state);
    state.child = init(ChildStateSchema, {
      runId: childRunId(actor.runId, action.name, state.attempt),
      since: actor.run.generation,
    });
  }
  state.detail = makeDetail(
    `waits for run ${state.child.runId} of ${action.definition.child?.workflow}`,
    Source.ENGINE,
    actor.ctx.atNs,
  );
  limitTime(actor, action, state);
}

/** The attempt's time runs from here on, also while the child's input is being brought. */
function limitTime(actor: Actor, { index, startToCloseMs }: ActionPlan, state: ActionState): void {
  if (startToCloseMs === 0) return;
  const { ctx, runId } = actor;
  state.retryAtNs = ctx.atNs + BigInt(startToCloseMs) * MS;
  const timer = { kind: TimerKind.WAIT, runId, action: index, attempt: state.attempt };
  ctx.setTimer(state.retryAtNs, init(TimerRecordSchema, timer));
}

/** The time of an attempt is over. False where that has ended. */
export function childOverdue(actor: Actor, action: ActionPlan, attempt: number): boolean {
  const state = stateOf(actor, action);
  const { child } = state;
  if (child === undefined || state.status !== ActionStatus.WAITING || state.attempt !== attempt) return false;
  const limit = spanText(BigInt(action.startToCloseMs));
  const message = `run ${child.runId} of ${action.definition.child?.workflow} did not end within ${limit}, and is cancelled`;
  const reason = `the time that ${actor.runId} gave it is over: ${limit}`;
  // What is under way there may still end well, and say what it spent.
  cancelChild(actor, action, reason, CANCEL_GRACE_DEFAULT_MS);
  child.timedOut = true;
  state.retryAtNs = 0n;
  const failure = { mode: FailureMode.TIMEOUT, message, rawClass: "Timeout" };
  attemptFailed(
    actor,
    action,
    makeFailure(failure, { atNs: actor.ctx.atNs, source: Source.TIMEOUT, attempt }),
  );
  return true;
}

/** Sends what the attempt asks for; to be called after `startChild`. May fail the attempt at once. */
export function askChild(actor: Actor, action: ActionPlan): void {
  const { ctx, run } = actor;
  const child = stateOf(actor, action).child as ChildState;
  const depth = (run.requester?.depth ?? 0) + 1;
  if (depth > CHILD_DEPTH_MAX) {
    const message = `run ${actor.runId} stands ${depth - 1} runs deep already, and at most ${CHILD_DEPTH_MAX} may stand below each other: does "${action.definition.child?.workflow}" begin itself?`;
    refuseChild(actor, action, FailureMode.VALIDATION, message);
  } else if (!hasRoomFor(ctx, child.runId)) {
    const message = `run ${child.runId} can't be asked for: its partition takes no messages, and too many wait for it already`;
    refuseChild(actor, action, FailureMode.UNAVAILABLE, message);
  } else if (child.status !== RunStatus.UNSPECIFIED) {
    askAgain(actor, action, child);
  } else if (needsOwner(ctx, action)) {
    ctx.emit({
      kind: "load-items",
      runId: actor.runId,
      action: action.index,
      generation: run.generation,
      fromIndex: 0,
    });
  } else {
    beginChild(actor, action, inputOf(actor, action));
  }
}

/** The child's input is known: it is asked for. */
export function beginChild(actor: Actor, action: ActionPlan, input: Payload | undefined): void {
  const { ctx, run, runId } = actor;
  const definition = action.definition.child;
  const child = stateOf(actor, action).child;
  if (definition === undefined || child === undefined) throw new Error(`${action.name} is no child run`);
  child.status = RunStatus.PENDING;
  const start = init(StartRunSchema, {
    runId: child.runId,
    workflow: definition.workflow,
    definitionHash: definition.definitionHash,
    input,
    priority: run.priority,
    traceparent: run.traceparent,
    origin: `run ${runId}, action ${action.name}`,
  });
  const value = init(StartRequestedSchema, { start, requester: requesterOf(actor, action) });
  sendToRun(ctx, child.runId, { case: "startRequested", value });
}

/** The run is cancelled: so is the child. What it still says is noted, and changes nothing. */
export function cancelChild(
  actor: Actor,
  action: ActionPlan,
  reason: string,
  graceMs = Number(graceLeftNs(actor) / MS),
): void {
  const { child } = stateOf(actor, action);
  if (child === undefined || child.status === RunStatus.UNSPECIFIED) return;
  const { runId } = child;
  const value = init(CancelRequestedSchema, {
    runId,
    requester: requesterOf(actor, action),
    reason,
    graceMs,
  });
  sendToRun(actor.ctx, runId, { case: "cancelRequested", value });
}

/** How long what is under way of the run has, where it is being cancelled. */
function graceLeftNs({ run, ctx }: Actor): bigint {
  const untilNs = run.cancel?.forceAtNs ?? 0n;
  return untilNs > ctx.atNs ? untilNs - ctx.atNs : 0n;
}

/** Ends the current attempt with a failure that is not the child's own. There is no such child then. */
export function refuseChild(actor: Actor, action: ActionPlan, mode: FailureMode, message: string): void {
  const state = stateOf(actor, action);
  state.child = undefined;
  state.retryAtNs = 0n;
  const failure = { mode, message, rawClass: "ChildRun" };
  const stamp = { atNs: actor.ctx.atNs, source: Source.ENGINE, attempt: state.attempt };
  attemptFailed(actor, action, makeFailure(failure, stamp));
}

/** How the child is retried once its action begins anew. */
export function planChildRetry(child: ChildState | undefined, retry: RecoveryStrategy, force: boolean): void {
  if (child === undefined) return;
  child.retry = retry;
  child.force = force;
}

/** The action forgets its child; what that spends until it ends is still counted. */
export function leaveChild(state: ActionState): void {
  const { child } = state;
  state.child = undefined;
  if (child === undefined || child.status === RunStatus.UNSPECIFIED) return;
  state.childrenLeft.push(init(LeftChildSchema, { runId: child.runId, usage: child.usage }));
  if (state.childrenLeft.length > CHILDREN_LEFT_MAX) state.childrenLeft.shift();
}

function isToBeRetried(actor: Actor, action: ActionPlan, child: ChildState): boolean {
  if (child.timedOut && !isRunCompleted(child.status)) return false;
  // Whoever cancelled it wants none of it any more: the work is begun anew.
  if (child.status === RunStatus.CANCELLED) return false;
  const hasNews = child.generation > child.taken;
  if (!isRunRetryable(child.status) && !hasNews) return false;
  const source = sourceOf(actor, action);
  return source === undefined || stateOf(actor, source).generation <= child.since;
}

function askAgain(actor: Actor, action: ActionPlan, child: ChildState): void {
  const { runId, retry: strategy, force } = child;
  planChildRetry(child, RecoveryStrategy.UNSPECIFIED, false);
  const requester = requesterOf(actor, action);
  const value = init(RetryRequestedSchema, { runId, requester, strategy, force });
  sendToRun(actor.ctx, runId, { case: "retryRequested", value });
}

function requesterOf({ run, runId }: Actor, action: ActionPlan): Requester {
  const value = init(RequestingActionSchema, {
    runId,
    action: action.index,
    attempt: run.actions[action.index]?.attempt ?? 0,
    workflow: run.workflow,
    name: action.name,
  });
  return init(RequesterSchema, { of: { case: "action", value }, depth: (run.requester?.depth ?? 0) + 1 });
}

/** The action whose output is the child's input, or in it. */
function sourceOf(actor: Actor, { outputOf }: ActionPlan): ActionPlan | undefined {
  return outputOf === undefined ? undefined : actionAt(actor, outputOf);
}

/** A part of a value, or a schema that it is to fit: it would have to be read as JSON, which is not for a fold to do. */
const needsOwner = ({ view }: FoldContext, { definition }: ActionPlan): boolean =>
  sourcePointerOf(definition) !== "" || declaredInputOf(view, definition) !== undefined;

/** The definition whose input schema the child's input is held against, as this partition knows it; undefined: none. */
export function declaredInputOf(
  view: Pick<View, "get">,
  { child }: ActionDefinition,
): { readonly hash: string; readonly definition: WorkflowDefinition } | undefined {
  if (child === undefined || !child.checkInput) return undefined;
  const hash = child.definitionHash || view.get(latestKey(child.workflow))?.hash || "";
  const definition = isDefinitionHash(hash) ? view.get(definitionKey(hash))?.definition : undefined;
  return definition === undefined || definition.inputSchema === "" ? undefined : { hash, definition };
}

function inputOf(actor: Actor, action: ActionPlan): Payload | undefined {
  const source = sourceOf(actor, action);
  const slot = source === undefined ? 0 : source.index + 1;
  const payload = source === undefined ? actor.run.input : stateOf(actor, source).output;
  if (payload?.body.case !== "stored") return payload;
  const value = actor.ctx.view.get(payloadKey(actor.runId, slot))?.body ?? new Uint8Array();
  return init(PayloadSchema, { body: { case: "inline", value }, encoding: payload.encoding });
}
