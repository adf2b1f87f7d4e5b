/**
 * Sets an ended run off again. Nothing else raises a run's generation.
 *
 * 1. RETRY_FAILED (also where no strategy is named): the failed parts alone, each from its last checkpoint. What succeeded stays;
 *    dependants that had ended run again only when there is something new for them.
 * 2. RETRY_FROM_CHECKPOINT: the same, and whatever comes after a failed part runs again, also what had completed without it.
 * 3. RETRY_ALL: everything anew: no result, no item and no step is kept.
 * 4. What was undone is begun anew under every strategy, with whatever comes after it. What could not be undone counts as done.
 * 5. What failed in a terminal mode is refused unless forced; if that is all there is, the retry is refused.
 */
import {
  ActionStatus,
  type ActionState,
  Effect,
  RecoveryStrategy,
  RejectCode,
  RunEventType,
  RunStatus,
  UndoStatus,
} from "@holdfast/proto";
import type { ActionPlan } from "../definition/plan.js";
import { modeName, traitsOf } from "../failure/modes.js";
import { beyondTolerance } from "../resolve.js";
import { isRunRetryable } from "../status.js";
import { type Actor, actionAt, addEvent, stateOf } from "./actor.js";
import { advance } from "./advance.js";
import { leaveChild, planChildRetry } from "./child.js";
import { openAgain } from "./failed-again.js";
import { beginGuardrails, spentText } from "./guardrails.js";
import { dropItems } from "./items.js";
import { reopenItems } from "./reopen-items.js";
import { reopenRun } from "./run-end.js";
import { forgetUndo, undoProgress } from "./undo.js";

export interface ReopenOptions {
  readonly strategy: RecoveryStrategy;
  readonly force: boolean;
  readonly who: string;
  readonly reason: string;
  /** Of what failed, this action alone. */
  readonly only?: ActionPlan;
}

export interface Reopened {
  readonly items: number;
  readonly actions: number;
  readonly refused?: { readonly code: RejectCode; readonly message: string };
}

const RETRIES: ReadonlySet<RecoveryStrategy> = new Set([
  RecoveryStrategy.UNSPECIFIED,
  RecoveryStrategy.RETRY_FAILED,
  RecoveryStrategy.RETRY_FROM_CHECKPOINT,
  RecoveryStrategy.RETRY_ALL,
]);

/** On a refusal nothing has changed. */
export function reopen(actor: Actor, options: ReopenOptions): Reopened {
  const { strategy, force } = options;
  const refused = refusal(actor, strategy, force);
  if (refused !== undefined) return { items: 0, actions: 0, refused };
  if (options.only === undefined) actor.run.recoveryOff = false;
  const named = strategy === RecoveryStrategy.UNSPECIFIED ? "" : RecoveryStrategy[strategy];
  beginGeneration(actor, options, named ?? "");
  let items = 0;
  let actions = 0;
  for (const action of actor.plan.actions) {
    if (strategy === RecoveryStrategy.RETRY_ALL) {
      items += beginAllOver(actor, action);
      actions += 1;
      continue;
    }
    if (stateOf(actor, action).undo?.status === UndoStatus.DONE) {
      items += beginAllOver(actor, action);
      actions += 1;
      reopenAfter(actor, action, "was undone and runs again");
      continue;
    }
    const left = options.only !== undefined && options.only !== action;
    if (left && stateOf(actor, action).status !== ActionStatus.SKIPPED) continue;
    const opened = reopenAction(actor, action, force);
    if (opened === undefined) continue;
    planChildRetry(stateOf(actor, action).child, strategy, force);
    items += opened.items;
    if (opened.failed) actions += 1;
    if (strategy === RecoveryStrategy.RETRY_FROM_CHECKPOINT)
      reopenAfter(actor, action, "goes on from its checkpoint");
  }
  advance(actor);
  return { items, actions };
}

/** The run goes on, in a generation of its own; `what` of it, for its history. */
export function beginGeneration(
  actor: Actor,
  { who, reason }: Pick<ReopenOptions, "who" | "reason">,
  what: string,
): void {
  reopenRun(actor);
  beginGuardrails(actor);
  const by = [who === "" ? "" : `by ${who}`, what, reason].filter((part) => part !== "");
  addEvent(actor, RunEventType.RUN_RETRIED, { runStatus: RunStatus.RUNNING, detail: by.join(": ") });
}

/** As a person wants it: the policy's own recoveries are counted anew. */
export function reopenByHand(actor: Actor, options: ReopenOptions): Reopened {
  const reopened = reopen(actor, options);
  if (reopened.refused === undefined) actor.run.recoveries = 0;
  return reopened;
}

/** Opens what failed of an action; undefined where that is nothing. */
function reopenAction(
  actor: Actor,
  action: ActionPlan,
  force: boolean,
): { readonly items: number; readonly failed: boolean } | undefined {
  const state = stateOf(actor, action);
  const { status } = state;
  let items = 0;
  if (status === ActionStatus.COMPLETED || status === ActionStatus.PENDING) return undefined;
  const skipped = status === ActionStatus.SKIPPED;
  if (state.items !== undefined) {
    if (!force && isBeyondHelp(action, state)) return undefined;
    // One that failed without a failed item was stopped by a guardrail, perhaps before it began.
    const stopped = status === ActionStatus.FAILED && state.items.counts?.failed === 0;
    items = reopenItems(actor, action, force);
    // An action whose items could not even be loaded has none to open, nor may one that was skipped, or cancelled before it began anew.
    const isLeft = items > 0 || skipped || stopped || status === ActionStatus.CANCELLED;
    if (!isLeft && state.items.loaded) return undefined;
  } else if (!skipped && state.failure !== undefined && traitsOf(state.failure.mode).terminal && !force)
    return undefined;
  openAgain(actor, action);
  return { items, failed: !skipped };
}

/** Whatever comes after an action and had completed runs again. */
function reopenAfter(actor: Actor, action: ActionPlan, why: string): void {
  for (const index of action.dependants) {
    const dependant = actionAt(actor, index);
    const state = stateOf(actor, dependant);
    if (state.status === ActionStatus.COMPLETED) {
      openAgain(actor, dependant);
      addEvent(actor, RunEventType.ACTION_REOPENED, {
        action: index,
        detail: `${action.name} ${why}`,
      });
    }
    reopenAfter(actor, dependant, why);
  }
}

/** Keeps nothing of an action but the count of its attempts. How many items it had. */
function beginAllOver(actor: Actor, action: ActionPlan): number {
  const state = stateOf(actor, action);
  const items = state.items?.counts?.total ?? 0;
  openAgain(actor, action);
  if (state.items !== undefined) dropItems(actor, action);
  state.startedAtNs = 0n;
  state.output = undefined;
  state.effect = Effect.UNSPECIFIED;
  state.steps = 0;
  leaveChild(state);
  state.recover = undefined;
  state.stepsSince = actor.run.generation;
  if (state.undo?.status === UndoStatus.DONE) forgetUndo(actor, action);
  return items;
}

/** Whether the items that failed in a terminal mode are, by themselves, more than their action bears. */
function isBeyondHelp(action: ActionPlan, { items }: ActionState): boolean {
  let terminal = 0;
  for (const { mode, count } of items?.modes ?? []) if (traitsOf(mode).terminal) terminal += count;
  return beyondTolerance(action.tolerate, terminal, items?.counts?.total ?? 0);
}

/** Why the run can't be retried; undefined: it can. */
export function refusal(actor: Actor, strategy: RecoveryStrategy, force: boolean): Reopened["refused"] {
  const { runId, plan } = actor;
  if (!RETRIES.has(strategy)) {
    const name = RecoveryStrategy[strategy] ?? strategy;
    return {
      code: RejectCode.UNSUPPORTED,
      message: `${name} is nothing to retry run ${runId} with: use RETRY_FAILED, RETRY_FROM_CHECKPOINT or RETRY_ALL`,
    };
  }
  const closed = closedRefusal(actor, force);
  if (closed !== undefined || force) return closed;
  const terminal = new Set<string>();
  for (const action of plan.actions) {
    const failure = stateOf(actor, action).failure;
    if (failure === undefined) continue;
    const modes = failure.modes.length > 0 ? failure.modes.map((entry) => entry.mode) : [failure.mode];
    const beyondHelp = isBeyondHelp(action, stateOf(actor, action));
    if (!beyondHelp && modes.some((mode) => !traitsOf(mode).terminal)) return undefined;
    for (const mode of modes) if (traitsOf(mode).terminal) terminal.add(modeName(mode));
  }
  // Nothing of it is failed: what was cancelled is to be done.
  if (terminal.size === 0) return undefined;
  const names = [...terminal].join(", ");
  return {
    code: RejectCode.TERMINAL_MODE,
    message: `run ${runId} failed with ${names}, which needs a person: mend the cause, then retry it with force`,
  };
}

/** Why nothing of the run can be retried, whatever failed of it; undefined: something may be. */
export function closedRefusal(actor: Actor, force: boolean): Reopened["refused"] {
  const { run, runId } = actor;
  if (run.status === RunStatus.CANCELLED) {
    return {
      code: RejectCode.NOT_RECOVERABLE,
      message: `run ${runId} was cancelled by request: there is nothing to recover; start a new run`,
    };
  }
  if (run.undo !== undefined) {
    return {
      code: RejectCode.NOT_FAILED,
      message: `run ${runId} is being undone (${undoProgress(actor)}): retry it once that is over and it has ended`,
    };
  }
  if (!isRunRetryable(run.status)) {
    return {
      code: RejectCode.NOT_FAILED,
      message: `run ${runId} is not failed: it is ${RunStatus[run.status]}`,
    };
  }
  if (force) return undefined;
  const spent = spentText(actor);
  if (spent !== undefined) {
    return {
      code: RejectCode.TERMINAL_MODE,
      message: `run ${runId} may not go on (${spent}), which needs a person: look at what it does, then retry it with force, which counts anew`,
    };
  }
  return undefined;
}
