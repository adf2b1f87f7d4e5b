/**
 * Where attempts ask their breaker whether they may begin, and what becomes of those that may not.
 *
 * 1. What is held is found again: a row under the breaker names the run and action, in the order in which they came (`held_n`). Of an
 *    action over items one row stands for all its PENDING items; where items have keys of their own, for those of one key (lanes.ts).
 * 2. Nobody overtakes: while rows are held, only what is let out of their queue begins.
 * 3. An action that ends, however, leaves no row.
 */
import {
  ActionStatus,
  BreakerStateSchema,
  BreakerStatus,
  type Failure,
  FailureMode,
  HeldRecordSchema,
  HeldTaskSchema,
  OnOpen,
  RunStatus,
  Source,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { type Actor, makeDetail, makeFailure, stateOf } from "../actor/actor.js";
import { failedText, isRecovering } from "../actor/attempt.js";
import { isAtSubmit } from "../actor/batch.js";
import type { ActionPlan } from "../definition/plan.js";
import type { FoldContext } from "../fold/context.js";
import { type ResolvedBreaker, type Sign, signOf } from "../policy/breaker.js";
import type { Outcome } from "../actor/report.js";
import { NEVER_BEGUN } from "../actor/start-deadline.js";
import { breakerKey, heldKey } from "../state/tables.js";
import {
  findBreaker,
  heard,
  holdText,
  isProbe,
  makeBreaker,
  type Name,
  type OpenBreaker,
  placesOf,
  type Probe,
  saveBreaker,
  totals,
} from "./breaker.js";
import { LAST } from "./held-text.js";
import { nameOf } from "./name.js";

export type Gate = "go" | "hold" | "fail" | "skip";

/**
 * Whether the next attempt of an action or of one of its items may begin. `item`: which one, where items have keys of their own.
 * Changes nothing but what it settles the key to.
 */
export function askGate(actor: Actor, action: ActionPlan, item?: number): Gate {
  if (action.breaker === undefined) return "go";
  const breaker = findBreaker(actor.ctx, nameOf(actor, action, item));
  if (breaker === undefined) return "go";
  const places = placesOf(breaker);
  if (places === undefined) return "go";
  // A paused run would keep a place that others could use.
  const mayBegin = actor.run.status !== RunStatus.PAUSED;
  if (
    mayBegin &&
    places > 0 &&
    (breaker.record.held === 0 || actor.ctx.releasing === breakerKey(breaker.name))
  )
    return "go";
  switch (action.breaker.onOpen) {
    case OnOpen.FAIL:
      return breaker.record.status === BreakerStatus.RECOVERING ? "go" : "fail";
    case OnOpen.SKIP:
      return breaker.record.status === BreakerStatus.RECOVERING ? "go" : "skip";
    default:
      return "hold";
  }
}

/** An attempt begins: it may be a probe, or one of a wave. */
export function passGate(actor: Actor, action: ActionPlan, at: { item?: number; attempt: number }): void {
  if (action.breaker === undefined) return;
  const breaker = findBreaker(actor.ctx, nameOf(actor, action, at.item));
  if (breaker === undefined) return;
  const { record } = breaker;
  if (record.status === BreakerStatus.HALF_OPEN)
    record.probes.push(
      init(HeldTaskSchema, { runId: actor.runId, action: action.index, item: at.item, attempt: at.attempt }),
    );
  else if (record.status === BreakerStatus.RECOVERING && record.waveLeft > 0) record.waveLeft -= 1;
  else return;
  saveBreaker(breaker);
}

/** Holds an action, or the PENDING items of one, until its breaker lets it out. */
export function hold(actor: Actor, action: ActionPlan): void {
  const { ctx, run, runId } = actor;
  const state = stateOf(actor, action);
  const breaker = findBreaker(ctx, nameOf(actor, action));
  if (breaker === undefined) throw new Error(`action ${action.name} of run ${runId} is held by no breaker`);
  state.breaker ??= init(BreakerStateSchema);
  const { record } = breaker;
  if (state.breaker.heldN === 0n && run.status !== RunStatus.PAUSED) {
    state.breaker.heldN = record.tail;
    const row = init(HeldRecordSchema, { runId, action: action.index, atNs: ctx.atNs });
    ctx.view.put(heldKey(breaker.name, record.tail), row);
    record.tail += 1n;
    record.held += 1;
    totals(ctx).held += 1;
    saveBreaker(breaker);
    // There may be places that it can have at once.
    if (placesOf(breaker) !== 0) ctx.touchBreaker(breaker.name);
  }
  if (!state.breaker.held) {
    state.breaker.held = true;
    const before = state.failure === undefined ? "" : `${LAST}${failedText(state.failure)}`;
    state.detail = makeDetail(holdText(record) + before, Source.BREAKER, ctx.atNs);
  }
  if (state.items === undefined || isAtSubmit(state)) {
    state.status = ActionStatus.WAITING;
    state.retryAtNs = 0n;
  } else if (state.items.loaded && state.items.counts?.running === 0) state.status = ActionStatus.WAITING;
}

/** It is not held any more, whatever becomes of it. */
export function unhold(actor: Actor, action: ActionPlan): void {
  const state = stateOf(actor, action);
  if (state.breaker === undefined || !state.breaker.held) return;
  leaveQueue(actor, action);
  state.breaker.held = false;
  if (state.detail?.source === Source.BREAKER) state.detail = undefined;
  // One that is to submit is RUNNING once its attempt begins.
  if (state.items !== undefined && state.status === ActionStatus.WAITING && !isAtSubmit(state))
    state.status = ActionStatus.RUNNING;
}

/** Gives its row up; it stays held until its run asks again. */
export function leaveQueue(actor: Actor, action: ActionPlan): void {
  const { ctx } = actor;
  const { breaker: own } = stateOf(actor, action);
  if (own === undefined || own.heldN === 0n) return;
  const breaker = findBreaker(ctx, nameOf(actor, action));
  if (breaker === undefined)
    throw new Error(`the breaker that holds an action of run ${actor.runId} is gone`);
  ctx.view.del(heldKey(breaker.name, own.heldN));
  own.heldN = 0n;
  breaker.record.held -= 1;
  totals(ctx).held -= 1;
  saveBreaker(breaker);
  // The last one out closes it.
  ctx.touchBreaker(breaker.name);
}

/** Why an attempt was not made, for what an open breaker fails. */
export function refusal(actor: Actor, action: ActionPlan, item?: number): Failure {
  const breaker = findBreaker(actor.ctx, nameOf(actor, action, item));
  const message = breaker === undefined ? "breaker open" : holdText(breaker.record);
  return makeFailure(
    { mode: FailureMode.UNAVAILABLE, message, rawClass: "Breaker" },
    { atNs: actor.ctx.atNs, source: Source.BREAKER },
  );
}

/**
 * An attempt ended, as far as its breaker is concerned. `outcome` undefined: no more is to come of it. True where it was a probe that
 * failed for work that is otherwise held: that is not spent either, or the first in the queue would pay for all the others.
 */
export function tellBreaker(
  actor: Actor,
  action: ActionPlan,
  at: { item?: number | undefined; attempt: number },
  outcome?: Outcome,
): boolean {
  const policy = action.breaker;
  // A recovery is not held either: it need not ask the dependency.
  if (policy === undefined || isRecovering(actor, action, at.item)) return false;
  const { ctx, runId } = actor;
  const sign = outcome === undefined ? "nothing" : signOfOutcome(policy, outcome);
  const name = nameOf(actor, action, at.item);
  if (sign === "nothing" && findBreaker(ctx, name) === undefined) return false;
  const breaker = breakerThatHears(ctx, name, policy);
  const probe: Probe = { runId, action: action.index, item: at.item, attempt: at.attempt };
  const wasProbe = isProbe(breaker.record, probe);
  heard(breaker, probe, sign);
  saveBreaker(breaker);
  const { status } = breaker.record;
  if (status === BreakerStatus.HALF_OPEN || status === BreakerStatus.RECOVERING) ctx.touchBreaker(name);
  return wasProbe && sign === "bad" && policy.onOpen === OnOpen.UNSPECIFIED;
}

/** What the end of an attempt says of the dependency. */
export function signOfOutcome(policy: ResolvedBreaker, outcome: Outcome): Sign {
  if (outcome.case !== "failure") return "good";
  const { source, code, mode } = outcome.value;
  return source === Source.TIMEOUT && code === NEVER_BEGUN ? "nothing" : signOf(policy, mode);
}

/** The policy of whoever was last heard of counts. */
export function breakerThatHears(ctx: FoldContext, name: Name, policy: ResolvedBreaker): OpenBreaker {
  const breaker = findBreaker(ctx, name) ?? makeBreaker(ctx, name, policy);
  breaker.record.policy = policy.definition;
  return { ...breaker, policy };
}
