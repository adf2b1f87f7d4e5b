/**
 * Ends an action that has not ended, from outside: because the run was cancelled, or a guardrail stops it.
 *
 * 1. Items that had succeeded stay so; those that are open become CANCELLED. Workers are told to stop what they run.
 * 2. What had failed before a retry is FAILED again, with the reason it had (failed-again.ts).
 * 3. A guardrail fails what is open, also what would begin now; what comes after it is skipped, as after any failure.
 */
import { ActionStatus, type Failure, ItemCountsSchema, Source, TaskRefSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { tellBreaker } from "../breaker/gate.js";
import type { ActionPlan } from "../definition/plan.js";
import { resolveActionStatus } from "../resolve.js";
import { isTerminal } from "../status.js";
import { endAction } from "./actions.js";
import { type Actor, makeDetail, makeFailure, stateOf } from "./actor.js";
import { blockedBy, skipAction } from "./advance.js";
import { failedText } from "./attempt.js";
import { leaveJob } from "./batch.js";
import { cancelChild } from "./child.js";
import { cancelOpenItems } from "./cancel-items.js";
import { failActionAgain } from "./failed-again.js";
import { recoveringText } from "./recovery.js";

/** Ends an action because the run was cancelled. */
export function cancelAction(actor: Actor, action: ActionPlan, reason: string): void {
  const state = stateOf(actor, action);
  if (isTerminal(state.status)) return;
  if (state.status === ActionStatus.PENDING && state.before?.status === ActionStatus.SKIPPED) {
    const blocked = blockedBy(actor, action);
    if (blocked !== undefined) {
      skipAction(actor, action, blocked);
      return;
    }
  }
  const tail = underWay(actor, action, false);
  closeOpen(actor, action, reason, Source.OPERATOR);
  const text = `cancelled: ${reason}${tail}`;
  if (failActionAgain(actor, action, { text, source: Source.OPERATOR })) return;
  state.detail = makeDetail(text, Source.OPERATOR, actor.ctx.atNs);
  endAction(actor, action, ActionStatus.CANCELLED, undefined, Source.OPERATOR);
}

/** Ends an action because the run exceeds a guardrail. */
export function stopAction(actor: Actor, action: ActionPlan, exceeded: Failure): void {
  const state = stateOf(actor, action);
  const message = exceeded.message + underWay(actor, action, true);
  closeOpen(actor, action, exceeded.message, Source.ENGINE);
  const isOnce = state.items === undefined && state.before?.status === ActionStatus.FAILED;
  if (isOnce && failActionAgain(actor, action, { text: `stopped: ${message}`, source: Source.ENGINE }))
    return;
  const counts = state.items?.counts ?? init(ItemCountsSchema);
  state.detail = undefined;
  state.failure = undefined;
  const status = resolveActionStatus(counts, action.tolerate, false);
  const stamp = { atNs: actor.ctx.atNs, source: Source.ENGINE, attempt: state.attempt };
  endAction(actor, action, status, makeFailure({ ...exceeded, message }, stamp));
}

/** What is lost from sight by its end: the failure that was to be mended, or after which another attempt was to come. */
function underWay(actor: Actor, action: ActionPlan, withLast: boolean): string {
  const { status, recover, failure } = stateOf(actor, action);
  if (status === ActionStatus.RUNNING) return recoveringText(recover);
  if (withLast && status === ActionStatus.RETRYING && failure !== undefined)
    return `; its last attempt failed: ${failedText(failure)}`;
  return "";
}

function closeOpen(actor: Actor, action: ActionPlan, reason: string, source: Source): void {
  const { ctx, runId } = actor;
  leaveJob(actor, action, reason);
  const { items, status, attempt } = stateOf(actor, action);
  if (items !== undefined) cancelOpenItems(actor, action, reason, source);
  else if (status === ActionStatus.WAITING) cancelChild(actor, action, reason);
  else if (status === ActionStatus.RUNNING && action.batch === undefined) {
    const ref = init(TaskRefSchema, { runId, action: action.index, attempt });
    ctx.emit({ kind: "cancel-tasks", tasks: [ref], reason, graceMs: 0 });
    ctx.emit({ kind: "closed", runId, action: action.index, item: -1, attempt });
    tellBreaker(actor, action, { attempt });
  }
}
