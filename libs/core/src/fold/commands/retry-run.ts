/**
 * RetryRun: sets the failed parts of an ended run off again, and nothing else of it (healing).
 *
 * 1. What succeeded stays; dependants that had ended run again only when there is something new for them.
 * 2. What failed in a terminal mode is refused unless forced; if that is all there is, the retry is refused.
 */
import {
  type ActionState,
  ActionStatus,
  type Command,
  RecoveryStrategy,
  RejectCode,
  type RetryRun,
  RunEventType,
  RunStatus,
} from "@holdfast/proto";
import { type Actor, addEvent, loadActor, saveActor, stateOf } from "../../actor/actor.js";
import { advance } from "../../actor/advance.js";
import { reopenItems } from "../../actor/items.js";
import { reopenRun } from "../../actor/run-end.js";
import type { ActionPlan } from "../../definition/plan.js";
import { modeName, traitsOf } from "../../failure/modes.js";
import { quoted } from "../../names.js";
import { beyondTolerance } from "../../resolve.js";
import { isRunRetryable } from "../../status.js";
import type { FoldContext } from "../context.js";

export interface Reopened {
  readonly items: number;
  readonly actions: number;
  readonly refused?: { readonly code: RejectCode; readonly message: string };
}

export function retryRun(
  ctx: FoldContext,
  command: Command,
  retry: RetryRun,
): ReturnType<FoldContext["accept"]> {
  const actor = loadActor(ctx, retry.runId);
  if (actor === undefined) {
    return ctx.reject(
      command,
      RejectCode.RUN_NOT_FOUND,
      `there is no run ${quoted(retry.runId)}`,
      retry.runId,
    );
  }
  const { strategy } = retry;
  if (strategy !== RecoveryStrategy.UNSPECIFIED && strategy !== RecoveryStrategy.RETRY_FAILED) {
    const message = `strategy ${RecoveryStrategy[strategy] ?? strategy} is not supported: leave it out, or use RETRY_FAILED`;
    return ctx.reject(command, RejectCode.UNSUPPORTED, message, retry.runId, actor.run.status);
  }
  const reopened = reopenFailed(actor, { force: retry.force, who: retry.who, reason: retry.reason });
  if (reopened.refused !== undefined) {
    return ctx.reject(
      command,
      reopened.refused.code,
      reopened.refused.message,
      retry.runId,
      actor.run.status,
    );
  }
  saveActor(actor);
  return ctx.accept(command, {
    runId: retry.runId,
    status: actor.run.status,
    items: reopened.items,
    actions: reopened.actions,
  });
}

/** Opens the failed parts again and sets them off. On a refusal nothing has changed. */
export function reopenFailed(
  actor: Actor,
  options: { force: boolean; who: string; reason: string },
): Reopened {
  const refused = refusal(actor, options.force);
  if (refused !== undefined) return { items: 0, actions: 0, refused };
  let items = 0;
  let actions = 0;
  reopenRun(actor);
  const by = [options.who === "" ? "" : `by ${options.who}`, options.reason]
    .filter((part) => part !== "")
    .join(": ");
  addEvent(actor, RunEventType.RUN_RETRIED, { runStatus: RunStatus.RUNNING, detail: by });
  for (const action of actor.plan.actions) {
    const state = stateOf(actor, action);
    const { status } = state;
    if (status === ActionStatus.COMPLETED) continue;
    const failed = status === ActionStatus.FAILED || status === ActionStatus.CANCELLED;
    if (state.items !== undefined) {
      if (!options.force && isBeyondHelp(action, state)) continue;
      const reopened = reopenItems(actor, action, options.force);
      // An action whose items could not even be loaded has none to open, nor may one that was skipped.
      if (reopened === 0 && state.items.loaded && status !== ActionStatus.SKIPPED) continue;
      items += reopened;
    } else if (failed) {
      if (state.failure !== undefined && traitsOf(state.failure.mode).terminal && !options.force) continue;
    } else if (status !== ActionStatus.SKIPPED) continue;
    state.status = ActionStatus.PENDING;
    state.endedAtNs = 0n;
    if (status !== ActionStatus.SKIPPED) actions += 1;
  }
  advance(actor);
  return { items, actions };
}

/** Whether the items that failed in a terminal mode are, by themselves, more than their action bears. */
function isBeyondHelp(action: ActionPlan, { items }: ActionState): boolean {
  let terminal = 0;
  for (const { mode, count } of items?.modes ?? []) if (traitsOf(mode).terminal) terminal += count;
  return beyondTolerance(action.tolerate, terminal, items?.counts?.total ?? 0);
}

/** Why the run can't be retried; undefined: it can. */
function refusal(actor: Actor, force: boolean): Reopened["refused"] {
  const { run, runId, plan } = actor;
  if (run.status === RunStatus.CANCELLED) {
    return {
      code: RejectCode.NOT_RECOVERABLE,
      message: `run ${runId} was cancelled by request: there is nothing to recover; start a new run`,
    };
  }
  if (!isRunRetryable(run.status)) {
    return {
      code: RejectCode.NOT_FAILED,
      message: `run ${runId} is not failed: it is ${RunStatus[run.status]}`,
    };
  }
  if (force) return undefined;
  const terminal = new Set<string>();
  for (const action of plan.actions) {
    const failure = stateOf(actor, action).failure;
    if (failure === undefined) continue;
    const modes = failure.modes.length > 0 ? failure.modes.map((entry) => entry.mode) : [failure.mode];
    const beyondHelp = isBeyondHelp(action, stateOf(actor, action));
    if (!beyondHelp && modes.some((mode) => !traitsOf(mode).terminal)) return undefined;
    for (const mode of modes) if (traitsOf(mode).terminal) terminal.add(modeName(mode));
  }
  const names = [...terminal].join(", ");
  return {
    code: RejectCode.TERMINAL_MODE,
    message: `run ${runId} failed with ${names}, which needs a person: mend the cause, then retry it with force`,
  };
}
