/**
 * An action's life: started, its attempts, its end. Advances the run through `advance`, which calls back here.
 *
 * 1. An action over items ends when none of them is open, by the one resolver.
 * 2. A fresh attempt clears failure and detail; every end writes a detail where none is there.
 */
import {
  type ActionState,
  ActionStatus,
  Effect,
  type Failure,
  FailureMode,
  ItemCountsSchema,
  ItemStatus,
  type ItemsState,
  ItemsStateSchema,
  type ModeCount,
  ModeCountSchema,
  RunEventType,
  Source,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { askGate, type Gate, hold, passGate, refusal, unhold } from "../breaker/gate.js";
import type { ActionPlan } from "../definition/plan.js";
import { modeName } from "../failure/modes.js";
import { beyondTolerance, resolveActionStatus } from "../resolve.js";
import { isCompleted, isTerminal } from "../status.js";
import {
  type Actor,
  actionAt,
  addEvent,
  cancelText,
  isCancelling,
  makeDetail,
  makeFailure,
  stateOf,
} from "./actor.js";
import { isApproval, tellApprovals } from "./approvals.js";
import { cancelOpenItems } from "./cancel-items.js";
import { askChild, startChild } from "./child.js";
import { close, leaveJob, startBatch, submitting } from "./batch.js";
import {
  addItems,
  dropItems,
  emitDispatch,
  itemsOf,
  openItems,
  releaseItems,
  STATUS_MASK,
  statusOf,
} from "./items.js";
import { failActionAgain, openAgain } from "./failed-again.js";
import { isRecoverable, recoverAction } from "./recovery.js";
import { reopenCancelled } from "./reopen-items.js";
import { forgetUndo } from "./undo.js";
import { cancelAction } from "./stop.js";
import { show } from "./shown.js";
import { settleWait, startWait } from "./wait.js";

/** Begins (again) an action whose upstream has all ended. */
export function startAction(actor: Actor, action: ActionPlan): void {
  const { ctx, run } = actor;
  const state = stateOf(actor, action);
  if (state.generation !== run.generation) {
    state.generation = run.generation;
    state.attemptBase = state.attempt;
  }
  state.status = ActionStatus.RUNNING;
  state.startedAtNs = ctx.atNs;
  state.endedAtNs = 0n;
  // What its breaker may hold keeps them until its attempt begins.
  if (action.breaker === undefined || action.forEach !== undefined) {
    state.failure = undefined;
    state.detail = undefined;
  }
  state.recover = undefined;
  if (state.undo !== undefined) forgetUndo(actor, action);
  if (action.batch !== undefined) startBatch(actor, action);
  if (action.definition.wait !== undefined) {
    startWait(actor, action);
  } else if (action.definition.child !== undefined) {
    startChild(actor, action);
  } else if (action.forEach === undefined) {
    state.output = undefined;
    state.effect = Effect.UNSPECIFIED;
    state.worker = "";
    beginAttempt(actor, action);
  } else {
    startItems(actor, action, state);
  }
  addEvent(actor, RunEventType.ACTION_STARTED, {
    action: action.index,
    attempt: state.attempt,
    actionStatus: state.status,
  });
  if (action.definition.wait !== undefined) settleWait(actor, action);
  else if (action.definition.child !== undefined) askChild(actor, action);
  else if (action.forEach !== undefined) settleItems(actor, action);
}

/** Sets off the next attempt of an action that is not over items, or to submit a job. */
export function beginAttempt(actor: Actor, action: ActionPlan): void {
  if (action.definition.child !== undefined) {
    startChild(actor, action);
    askChild(actor, action);
    return;
  }
  const state = stateOf(actor, action);
  const gate = askGate(actor, action);
  if (gate !== "go") {
    refuseAttempt(actor, action, gate);
    return;
  }
  state.attempt += 1;
  state.status = ActionStatus.RUNNING;
  state.retryAtNs = 0n;
  state.failure = undefined;
  state.detail = undefined;
  state.recover = undefined;
  if (action.batch !== undefined) submitting(actor, action);
  passGate(actor, action, state);
  emitDispatch(actor, action, -1, state.attempt);
}

/** Its breaker does not let the attempt begin. */
function refuseAttempt(actor: Actor, action: ActionPlan, gate: Exclude<Gate, "go">): void {
  if (gate === "hold") {
    hold(actor, action);
    return;
  }
  const failure = refusal(actor, action);
  const state = stateOf(actor, action);
  if (state.items !== undefined) {
    // They are of a job that is not submitted again: what its last submit failed with is not what they end with.
    state.failure = undefined;
    state.detail = undefined;
    close(actor, action, failure, { final: true });
    return;
  }
  state.detail = makeDetail(failure.message, Source.BREAKER, actor.ctx.atNs);
  if (gate === "fail" && isRecoverable(action, failure)) {
    state.status = ActionStatus.RUNNING;
    state.retryAtNs = 0n;
    recoverAction(actor, action, failure);
  } else if (gate === "fail") endAction(actor, action, ActionStatus.FAILED, failure);
  else {
    state.failure = undefined;
    endAction(actor, action, ActionStatus.SKIPPED);
  }
}

function startItems(actor: Actor, action: ActionPlan, state: ActionState): void {
  const listGeneration = listGenerationOf(actor, action);
  state.items ??= init(ItemsStateSchema, { counts: init(ItemCountsSchema), modes: [], listGeneration });
  if (state.items.listGeneration !== listGeneration) {
    dropItems(actor, action);
    state.items.listGeneration = listGeneration;
  }
  reopenCancelled(actor, action);
  const { items } = state;
  if (action.perItemOf !== undefined) {
    const source = actionAt(actor, action.perItemOf);
    const bound = itemsOf(actor, source).bound;
    addItems(actor, action, 0, bound, (item) => statusOf(actor, source, item) === ItemStatus.SUCCEEDED);
    items.loaded = true;
  } else if (!items.loaded) {
    actor.ctx.emit({
      kind: "load-items",
      runId: actor.runId,
      action: action.index,
      generation: actor.run.generation,
      fromIndex: items.bound,
    });
  }
  releaseItems(actor, action);
}

/**
 * Which list an action's items are to be: the run's input never changes, but is listed anew when all is
 * begun again; an action's output changes when it runs again.
 */
function listGenerationOf(actor: Actor, action: ActionPlan): number {
  if (action.perItemOf !== undefined) return itemsOf(actor, actionAt(actor, action.perItemOf)).listGeneration;
  if (action.outputOf !== undefined) return stateOf(actor, actionAt(actor, action.outputOf)).generation;
  return Math.max(1, stateOf(actor, action).stepsSince);
}

/** Ends an action over items once it can end; stops it early where its failures are more than it bears. */
export function settleItems(actor: Actor, action: ActionPlan): void {
  const state = stateOf(actor, action);
  const items = itemsOf(actor, action);
  const counts = items.counts ?? init(ItemCountsSchema);
  // Over items, what waits does so for its job.
  const isUnderWay = state.status === ActionStatus.RUNNING || state.status === ActionStatus.WAITING;
  if (!isUnderWay) return;
  if (isCancelling(actor)) {
    if (counts.running > 0) return;
    if (!items.loaded || counts.cancelled > 0) return endCancelled(actor, action);
  }
  if (!items.loaded) return;
  const tooMany = beyondTolerance(action.tolerate, counts.failed, counts.total);
  if (tooMany && openItems(counts) > 0) {
    const reason = `${counts.failed} failed items are more than action ${action.name} tolerates`;
    leaveJob(actor, action, reason);
    cancelOpenItems(actor, action, reason, Source.ENGINE);
  }
  if (openItems(counts) > 0) return;
  const status = resolveActionStatus(counts, action.tolerate);
  state.effect = effectOfItems(items);
  const failure = counts.failed === 0 ? undefined : failureOfItems(items, tooMany, actor.ctx.atNs);
  endAction(actor, action, status, failure);
}

/**
 * Ends an action whose items can't be brought (any further). What had succeeded stays and is not done again; what was open is
 * cancelled, and goes on with a retry, which asks for the rest of the items.
 */
export function endUnlisted(actor: Actor, action: ActionPlan, failure: Failure): void {
  const items = itemsOf(actor, action);
  cancelOpenItems(actor, action, failure.message, Source.ENGINE);
  stateOf(actor, action).effect = effectOfItems(items);
  const counts = items.counts ?? init(ItemCountsSchema);
  endAction(actor, action, resolveActionStatus(counts, action.tolerate, false), failure);
}

/** Where no item succeeded, there were none, or their handlers filtered them out: each is a reason. */
function effectOfItems(items: ItemsState): Effect {
  if (items.withEffect > 0) return Effect.VALUE;
  return items.silent > 0 ? Effect.SILENT : Effect.NONE_WITH_REASON;
}

/** The mode of the failed items where they agree, else PARTIAL_STEP_FAILURES with a count for each. */
export function failureOfItems(items: ItemsState, tooMany: boolean, atNs: bigint): Failure {
  const counts = items.counts ?? init(ItemCountsSchema);
  const agreed = items.modes.length === 1 ? (items.modes[0]?.mode ?? 0) : FailureMode.PARTIAL_STEP_FAILURES;
  const tail = tooMany ? ", which is more than it tolerates" : "";
  return makeFailure(
    {
      mode: agreed,
      message: `${counts.failed} of ${counts.total} items failed (${modesText(items.modes)})${tail}`,
      modes: items.modes.map((entry) => init(ModeCountSchema, { ...entry })),
    },
    { atNs, source: Source.ENGINE },
  );
}

export const modesText = (modes: readonly ModeCount[]): string =>
  modes.map((entry) => `${modeName(entry.mode)} ${entry.count}`).join(", ");

export function addMode(modes: ModeCount[], mode: FailureMode, count: number): void {
  const found = modes.find((entry) => entry.mode === mode);
  if (found === undefined) modes.push(init(ModeCountSchema, { mode, count }));
  else found.count += count;
}

/**
 * Makes an action terminal. What it newly produced flows on: dependants that had ended already are opened again. Where the run is being
 * cancelled they do not begin, but are left to be done.
 */
export function endAction(
  actor: Actor,
  action: ActionPlan,
  status: ActionStatus,
  failure?: Failure,
  detailSource = Source.ENGINE,
): void {
  closeAction(actor, action, status, failure, detailSource);
  if (!isCompleted(status)) return;
  const { items } = stateOf(actor, action);
  const isNews = items === undefined || items.healed > 0;
  if (items !== undefined) items.healed = 0;
  if (isNews && actor.run.generation > 1) reopenDependants(actor, action);
}

/** Makes an action terminal that has nothing new for what comes after it. */
export function closeAction(
  actor: Actor,
  action: ActionPlan,
  status: ActionStatus,
  failure: Failure | undefined,
  detailSource: Source,
): void {
  const { ctx } = actor;
  const state = stateOf(actor, action);
  leaveJob(actor, action);
  if (state.breaker?.held === true) unhold(actor, action);
  state.status = status;
  state.endedAtNs = ctx.atNs;
  state.generation = actor.run.generation;
  state.retryAtNs = 0n;
  state.before = undefined;
  if (failure !== undefined) {
    if (state.recover === undefined) show(actor, action, failure);
    state.failure = failure;
    state.detail ??= makeDetail(failure.shown || failure.message, failure.source, ctx.atNs);
  }
  state.detail ??= makeDetail(endText(actor, action), detailSource, ctx.atNs);
  addEvent(actor, RunEventType.ACTION_ENDED, {
    action: action.index,
    attempt: state.attempt,
    actionStatus: status,
    detail: state.detail.text,
    items: state.items?.counts,
  });
  if (isApproval(action)) tellApprovals(actor);
}

function endText(actor: Actor, action: ActionPlan): string {
  const state = stateOf(actor, action);
  const counts = state.items?.counts;
  if (counts === undefined) return isCompleted(state.status) ? "completed" : "ended";
  if (counts.total === 0) return "there were no items";
  const filtered = counts.skipped === 0 ? "" : `, ${counts.skipped} were filtered out`;
  return `${counts.succeeded} of ${counts.total} items succeeded${filtered}`;
}

function reopenDependants(actor: Actor, action: ActionPlan): void {
  for (const index of action.dependants) {
    const dependant = actionAt(actor, index);
    const state = stateOf(actor, dependant);
    if (!isTerminal(state.status)) continue;
    openAgain(actor, dependant);
    addEvent(actor, RunEventType.ACTION_REOPENED, {
      action: index,
      detail: `${action.name} has new results`,
    });
    if (isCancelling(actor)) cancelAction(actor, dependant, actor.run.cancel?.reason || "no reason given");
  }
}

/** Ends an action of a run that is being cancelled, of which nothing is under way any more. */
export function endCancelled(actor: Actor, action: ActionPlan, last = ""): void {
  const state = stateOf(actor, action);
  const text = cancelText(actor) + last;
  if (failActionAgain(actor, action, { text, source: Source.OPERATOR })) return;
  state.failure = undefined;
  state.detail = makeDetail(text, Source.OPERATOR, actor.ctx.atNs);
  endAction(actor, action, ActionStatus.CANCELLED, undefined, Source.OPERATOR);
}

/** Whether an item's byte says that it succeeded. */
export const isSucceeded = (byte: number): boolean => (byte & STATUS_MASK) === ItemStatus.SUCCEEDED;
