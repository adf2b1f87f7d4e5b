/**
 * Actions that wait instead of running a handler: for time, for a signal, for somebody's decision.
 *
 * 1. Nothing of them is dispatched; a timer, a signal or a decision ends them, each through the log.
 * 2. A signal that comes before anything waits for it is kept, and the first action that waits for it takes it.
 */
import {
  ActionStatus,
  ApprovalTimeout,
  Effect,
  FailureMode,
  type Payload,
  PayloadSchema,
  Source,
  TimerKind,
  TimerRecordSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ActionPlan } from "../definition/plan.js";
import { REJECTION } from "../failure/rejection.js";
import { canonicalJson, spanText, utf8 } from "../text.js";
import { endAction } from "./actions.js";
import { tellApprovals } from "./approvals.js";
import { type Actor, actionAt, keepPayload, makeDetail, makeFailure, stateOf } from "./actor.js";

const MS = 1_000_000n;

/** Begins to wait. */
export function startWait(actor: Actor, action: ActionPlan): void {
  const state = stateOf(actor, action);
  const wait = action.definition.wait?.for;
  state.attempt += 1;
  state.status = ActionStatus.WAITING;
  state.output = undefined;
  state.effect = Effect.UNSPECIFIED;
  if (wait?.case === "sleepMs") {
    say(actor, action, `sleeps for ${spanText(wait.value)}`);
    setPatience(actor, action, wait.value);
  } else if (wait?.case === "signal") {
    say(actor, action, `waits for signal "${wait.value.name}"`);
    setPatience(actor, action, wait.value.timeoutMs);
  } else if (wait?.case === "approval") {
    say(actor, action, `waits for an approval: ${wait.value.prompt || action.name}`);
    setPatience(actor, action, wait.value.timeoutMs);
    tellApprovals(actor);
  }
}

/** Ends a wait at once whose signal has come already. */
export function settleWait(actor: Actor, action: ActionPlan): void {
  const wait = action.definition.wait?.for;
  if (wait?.case === "signal") takeKept(actor, action, wait.value.name);
}

function say(actor: Actor, action: ActionPlan, text: string): void {
  stateOf(actor, action).detail = makeDetail(text, Source.ENGINE, actor.ctx.atNs);
}

/** 0: for ever. */
function setPatience(actor: Actor, action: ActionPlan, ms: bigint): void {
  if (ms === 0n) return;
  const state = stateOf(actor, action);
  state.retryAtNs = actor.ctx.atNs + ms * MS;
  const timer = init(TimerRecordSchema, {
    kind: TimerKind.WAIT,
    runId: actor.runId,
    action: action.index,
    attempt: state.attempt,
  });
  actor.ctx.setTimer(state.retryAtNs, timer);
}

/** The timer of a waiting action is due. False where the action does not wait any more. */
export function patienceOver(actor: Actor, action: ActionPlan, attempt: number): boolean {
  const state = stateOf(actor, action);
  if (state.status !== ActionStatus.WAITING || state.attempt !== attempt) return false;
  const wait = action.definition.wait?.for;
  if (wait?.case === "sleepMs") complete(actor, action, undefined, `slept for ${spanText(wait.value)}`);
  else if (wait?.case === "signal") {
    timeOut(
      actor,
      action,
      `signal "${wait.value.name}" did not come within ${spanText(wait.value.timeoutMs)}`,
    );
  } else if (wait?.case === "approval") {
    const late = `nobody decided within ${spanText(wait.value.timeoutMs)}`;
    if (wait.value.onTimeout === ApprovalTimeout.APPROVE) decide(actor, action, true, "", late);
    else if (wait.value.onTimeout === ApprovalTimeout.REJECT) decide(actor, action, false, "", late);
    else timeOut(actor, action, late);
  }
  return true;
}

/** The first action in topological order that waits for this signal. */
export function waitsForSignal(actor: Actor, name: string): ActionPlan | undefined {
  return waiting(actor).find(
    ({ definition: { wait } }) => wait?.for.case === "signal" && wait.for.value.name === name,
  );
}

/** Actions that wait for somebody's decision. */
export const waitingForApproval = (actor: Actor): ActionPlan[] =>
  waiting(actor).filter(({ definition }) => definition.wait?.for.case === "approval");

const waiting = (actor: Actor): ActionPlan[] =>
  actor.plan.order
    .map((index) => actionAt(actor, index))
    .filter((action) => stateOf(actor, action).status === ActionStatus.WAITING);

export function signalled(actor: Actor, action: ActionPlan, payload: Payload | undefined, who: string): void {
  complete(actor, action, payload, who === "" ? "the signal came" : `the signal came from ${who}`);
}

/** Somebody's decision, or the time-out's. */
export function decide(
  actor: Actor,
  action: ActionPlan,
  approved: boolean,
  who: string,
  comment: string,
): void {
  const by = who === "" ? "" : ` by ${who}`;
  const why = comment === "" ? "" : `: ${comment}`;
  if (approved) {
    const value = utf8(canonicalJson({ approved, comment, who }));
    complete(actor, action, init(PayloadSchema, { body: { case: "inline", value } }), `approved${by}${why}`);
    return;
  }
  stateOf(actor, action).detail = undefined;
  const failure = { mode: FailureMode.PERMISSION, message: `rejected${by}${why}`, rawClass: REJECTION };
  endAction(
    actor,
    action,
    ActionStatus.FAILED,
    makeFailure(failure, { atNs: actor.ctx.atNs, source: Source.OPERATOR }),
  );
}

function complete(actor: Actor, action: ActionPlan, output: Payload | undefined, detail: string): void {
  const state = stateOf(actor, action);
  state.output = keepPayload(actor, action.index + 1, output);
  state.effect = output === undefined ? Effect.UNSPECIFIED : Effect.VALUE;
  say(actor, action, detail);
  endAction(actor, action, ActionStatus.COMPLETED);
}

function timeOut(actor: Actor, action: ActionPlan, message: string): void {
  const state = stateOf(actor, action);
  state.detail = undefined;
  const failure = { mode: FailureMode.TIMEOUT, message, rawClass: "Timeout" };
  endAction(
    actor,
    action,
    ActionStatus.FAILED,
    makeFailure(failure, { atNs: actor.ctx.atNs, source: Source.TIMEOUT }),
  );
}

function takeKept(actor: Actor, action: ActionPlan, name: string): void {
  const { run } = actor;
  const at = run.signals.findIndex((signal) => signal.name === name);
  const kept = run.signals[at];
  if (kept === undefined) return;
  run.signals.splice(at, 1);
  signalled(actor, action, kept.payload, kept.who);
}
