/**
 * What becomes of an action whose child run has ended, or can't be had.
 *
 * 1. The answer to the current attempt ends it, by the one resolver; the child's failure is the action's, its mode kept.
 * 2. A child that is retried by itself, and then completes, heals its parent: one that has ended and can be retried goes on with
 *    what is new. It never makes a parent worse, and a parent that was cancelled (also in a retry), completed, or may not go on for its guardrails, stays as it is.
 */
import {
  ActionStatus,
  type ChildState,
  type Failure,
  FailureMode,
  RecoveryStrategy,
  RejectCode,
  type RequestEnded,
  type Requester,
  type RequestRefused,
  type RunEnded,
  RunStatus,
  Source,
  type Usage,
} from "@holdfast/proto";
import type { ActionPlan } from "../definition/plan.js";
import type { FoldContext } from "../fold/context.js";
import { copyUsage, usageSince } from "../policy/usage.js";
import { resolveChildStatus } from "../resolve.js";
import { isRunCompleted, isRunRetryable, isTerminal } from "../status.js";
import { endAction } from "./actions.js";
import { type Actor, keepPayload, loadActor, makeDetail, makeFailure, stateOf } from "./actor.js";
import { advance } from "./advance.js";
import { askChild, refuseChild, startChild } from "./child.js";
import { attemptFailed } from "./failed-attempt.js";
import { checkSpent, spentText } from "./guardrails.js";
import { reopen } from "./reopen.js";
import { countUsage } from "./usage.js";

/** The action of this partition that a message answers; undefined where there is none. */
export function requestingAction(
  ctx: FoldContext,
  requester: Requester | undefined,
): { readonly actor: Actor; readonly action: ActionPlan; readonly attempt: number } | undefined {
  if (requester?.of.case !== "action") return undefined;
  const { runId, action: index, attempt } = requester.of.value;
  const actor = loadActor(ctx, runId);
  const action = actor?.plan.actions[index];
  if (actor === undefined || action?.definition.child === undefined) return undefined;
  return { actor, action, attempt };
}

/** False where it changed nothing. */
export function childEnded(actor: Actor, action: ActionPlan, attempt: number, told: RequestEnded): boolean {
  const { ended } = told;
  const state = stateOf(actor, action);
  const { child } = state;
  if (ended === undefined) return false;
  if (child?.runId !== ended.runId) return leftChildEnded(actor, action, ended);
  const waiting = state.status === ActionStatus.WAITING;
  const pausing = state.status === ActionStatus.RETRYING;
  if ((waiting || pausing) && attempt !== state.attempt) return false;
  // While it waits, the same end may be the answer to another question; else only what is new counts.
  if (!waiting && told.generation <= child.generation) return false;
  note(child, told);
  child.usage = countSpent(actor, action, ended.usage, child.usage);
  const exceeds = checkSpent(actor);
  const completed = isRunCompleted(ended.status);
  // In a pause before it asks again it takes what completed; a failure it knows already.
  const taken = waiting || (pausing && completed);
  if (taken) resolve(actor, action, told);
  else if (isHealable(actor) && completed) heal(actor, action, told);
  if (exceeds || (taken && isTerminal(state.status))) advance(actor);
  return true;
}

/** Whether a run goes on by itself with news of a child; not where a person has just stopped its retry. */
const isHealable = (actor: Actor): boolean =>
  isRunRetryable(actor.run.status) && actor.run.cancel === undefined && spentText(actor) === undefined;

/** A child in whose place there is another by now: it matters for what it spent alone. */
function leftChildEnded(actor: Actor, action: ActionPlan, { runId, usage }: RunEnded): boolean {
  const left = stateOf(actor, action).childrenLeft.find((child) => child.runId === runId);
  if (left === undefined) return false;
  left.usage = countSpent(actor, action, usage, left.usage);
  if (checkSpent(actor)) advance(actor);
  return true;
}

/** Counts what a child spent since it was last heard of; a run tells the sum over all it did. What is counted of it now. */
function countSpent(
  actor: Actor,
  action: ActionPlan,
  total: Usage | undefined,
  known: Usage | undefined,
): Usage | undefined {
  if (total === undefined) return known;
  countUsage(actor, action, known === undefined ? total : usageSince(total, known));
  return copyUsage(total);
}

function note(child: ChildState, { ended, items, generation }: RequestEnded): void {
  child.status = ended?.status ?? RunStatus.UNSPECIFIED;
  child.tally = ended?.tally;
  child.items = items;
  child.generation = generation;
}

function resolve(actor: Actor, action: ActionPlan, told: RequestEnded): void {
  const { ctx } = actor;
  const state = stateOf(actor, action);
  const { ended } = told;
  if (ended === undefined || state.child === undefined) return;
  state.child.taken = told.generation;
  state.retryAtNs = 0n;
  state.failure = undefined;
  const status = resolveChildStatus(ended.status);
  const failure = failureOf(actor, action, told);
  if (status === ActionStatus.FAILED && failure !== undefined) {
    attemptFailed(actor, action, failure);
  } else {
    state.effect = ended.effect;
    state.output = keepPayload(actor, action.index + 1, ended.output);
    const said = failure?.message ?? ended.detail;
    const text = `run ${ended.runId} ${WORDS[status] ?? "ended"}${said === "" || said === "completed" ? "" : `: ${said}`}`;
    state.detail = makeDetail(text, Source.ENGINE, ctx.atNs);
    endAction(actor, action, status, failure);
  }
}

const WORDS: Readonly<Partial<Record<ActionStatus, string>>> = {
  [ActionStatus.COMPLETED]: "completed",
  [ActionStatus.COMPLETED_WITH_FAILURES]: "completed with failures",
  [ActionStatus.CANCELLED]: "was cancelled",
};

/** The child's own, where it failed wholly or in part. */
function failureOf(actor: Actor, action: ActionPlan, { ended }: RequestEnded): Failure | undefined {
  if (ended === undefined || ended.status === RunStatus.COMPLETED) return undefined;
  const { attempt } = stateOf(actor, action);
  const stamp = { atNs: actor.ctx.atNs, source: Source.ENGINE, attempt };
  const message = ended.detail || `run ${ended.runId} failed`;
  if (ended.failure === undefined) {
    const mode = ended.status === RunStatus.CANCELLED ? FailureMode.CANCELLED : FailureMode.HANDLER_BUG;
    return makeFailure({ mode, message, rawClass: "ChildRun" }, stamp);
  }
  const { source, worker } = ended.failure;
  return makeFailure(ended.failure, { ...stamp, source: source || Source.ENGINE, worker });
}

/**
 * The run had ended with the child's failure, and the child has completed since: the action begins anew, and asks the child, whose
 * answer is there. So whatever else a new generation brings happens as it does with any retry.
 */
function heal(actor: Actor, action: ActionPlan, told: RequestEnded): void {
  const reason = `run ${told.ended?.runId} was retried and has completed`;
  reopen(actor, { strategy: RecoveryStrategy.UNSPECIFIED, force: true, who: "", reason, only: action });
}

/** False where it changed nothing. */
export function childRefused(
  actor: Actor,
  action: ActionPlan,
  attempt: number,
  told: RequestRefused,
): boolean {
  const state = stateOf(actor, action);
  if (state.child?.runId !== told.runId) return false;
  if (state.status !== ActionStatus.WAITING) {
    // Cancelled meanwhile: there is no such child, and none is to be shown.
    if (state.child.status !== RunStatus.PENDING) return false;
    state.child = undefined;
    return true;
  }
  if (state.attempt !== attempt) return false;
  if (told.code === RejectCode.RUN_NOT_FOUND) {
    // What was to be retried is gone: another child takes its place.
    state.child = undefined;
    startChild(actor, action);
    askChild(actor, action);
  } else {
    refuseChild(actor, action, MODE_OF[told.code] ?? FailureMode.VALIDATION, told.message);
  }
  if (isTerminal(state.status)) advance(actor);
  return true;
}

const MODE_OF: Readonly<Partial<Record<RejectCode, FailureMode>>> = {
  [RejectCode.UNKNOWN_WORKFLOW]: FailureMode.NOT_FOUND,
  [RejectCode.RUN_EXISTS]: FailureMode.CONFLICT,
};
