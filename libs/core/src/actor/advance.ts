/**
 * Moves a run on after anything in it changed: starts what is ready, skips what can't run, ends the run when all has ended.
 *
 * 1. An action starts only when all its ancestors have ended, so that healing reaches it once.
 * 2. Nothing of a paused run starts; it may end.
 * 3. Once a guardrail is exceeded nothing starts, paused or not: what is open, or would start, is stopped.
 * 4. One pass in topological order is enough: what ends in the pass is upstream only of what comes later in it.
 */
import { ActionStatus, type Failure, RunEventType, RunStatus, Source, TriggerRule } from "@holdfast/proto";
import type { ActionPlan } from "../definition/plan.js";
import { isCompleted, isTerminal } from "../status.js";
import { endAction, startAction } from "./actions.js";
import { type Actor, actionAt, addEvent, makeDetail, stateOf } from "./actor.js";
import { beginGuardrails, exceededOf, stoppedNothing } from "./guardrails.js";
import { cancelOpenItems } from "./cancel-items.js";
import { endRun } from "./run-end.js";
import { stopAction } from "./stop.js";

export function advance(actor: Actor): void {
  const { run, plan } = actor;
  if (run.status === RunStatus.PENDING) {
    run.status = RunStatus.RUNNING;
    run.startedAtNs = actor.ctx.atNs;
    addEvent(actor, RunEventType.RUN_STARTED, { runStatus: run.status });
    beginGuardrails(actor);
  }
  const exceeded = exceededOf(actor);
  if (exceeded !== undefined) {
    stopOpen(actor, exceeded);
    return;
  }
  const paused = run.status === RunStatus.PAUSED;
  let open = 0;
  for (const index of plan.order) {
    const action = actionAt(actor, index);
    if (!paused && stateOf(actor, action).status === ActionStatus.PENDING && isReady(actor, action)) {
      const blocked = blockedBy(actor, action);
      if (blocked === undefined) startAction(actor, action);
      else skipAction(actor, action, blocked);
    }
    if (!isTerminal(stateOf(actor, action).status)) open += 1;
  }
  if (open === 0) endRun(actor);
}

/** A guardrail was exceeded: one pass ends all that has not ended, since what it ends is upstream only of what comes later in it. */
function stopOpen(actor: Actor, exceeded: Failure): void {
  let stopped = 0;
  for (const index of actor.plan.order) {
    const action = actionAt(actor, index);
    const { status } = stateOf(actor, action);
    if (isTerminal(status)) continue;
    const blocked = status === ActionStatus.PENDING ? blockedBy(actor, action) : undefined;
    if (blocked !== undefined) skipAction(actor, action, blocked);
    else {
      stopAction(actor, action, exceeded);
      stopped += 1;
    }
  }
  if (stopped === 0) stoppedNothing(actor);
  endRun(actor);
}

function isReady(actor: Actor, action: ActionPlan): boolean {
  for (const index of action.ancestors) {
    if (!isTerminal(stateOf(actor, actionAt(actor, index)).status)) return false;
  }
  return true;
}

/** Why the trigger rule does not let the action run; undefined: it may. */
export function blockedBy(actor: Actor, action: ActionPlan): string | undefined {
  if (action.upstream.length === 0) return undefined;
  const rule = action.definition.trigger;
  // What works on another's items, or on its output, can't run without them, whatever its rule.
  const source = action.perItemOf ?? action.outputOf;
  if (source !== undefined && !isCompleted(stateOf(actor, actionAt(actor, source)).status))
    return upstreamText(actor, source);
  if (rule === TriggerRule.ALL_DONE) return undefined;
  const bad = action.upstream.filter((index) => !isCompleted(stateOf(actor, actionAt(actor, index)).status));
  if (rule === TriggerRule.ANY_COMPLETED ? bad.length < action.upstream.length : bad.length === 0)
    return undefined;
  return upstreamText(actor, bad[0] as number);
}

function upstreamText(actor: Actor, index: number): string {
  const action = actionAt(actor, index);
  const status = stateOf(actor, action).status;
  const word =
    status === ActionStatus.SKIPPED
      ? "was skipped"
      : status === ActionStatus.CANCELLED
        ? "was cancelled"
        : "failed";
  return `upstream ${action.name} ${word}`;
}

export function skipAction(actor: Actor, action: ActionPlan, reason: string): void {
  const state = stateOf(actor, action);
  state.failure = undefined;
  state.recover = undefined;
  // Items that a retry had opened will not be worked on; what had succeeded stays so.
  if (state.items !== undefined) cancelOpenItems(actor, action, reason, Source.UPSTREAM);
  state.detail = makeDetail(reason, Source.UPSTREAM, actor.ctx.atNs);
  endAction(actor, action, ActionStatus.SKIPPED, undefined, Source.UPSTREAM);
}
