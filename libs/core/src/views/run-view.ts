/**
 * What people and programs are shown of a run, made from its record. Reads only.
 */
import {
  type ActionState,
  type ActionView,
  ActionViewSchema,
  type ChildState,
  type ChildView,
  ChildViewSchema,
  type DeadLetterView,
  Effect,
  type EventView,
  EventViewSchema,
  FailureMode,
  type HeldKeyView,
  type LevelView,
  LevelViewSchema,
  ActionStatus,
  type ParentView,
  ParentViewSchema,
  type Restart,
  type RestartedAs,
  type RestartView,
  RestartViewSchema,
  type RunEvent,
  RunEventType,
  type RunRecord,
  RunStatus,
  type RunSummary,
  RunSummarySchema,
  type RunView,
  RunViewSchema,
  type ScheduledByView,
  ScheduledByViewSchema,
  type StepRecord,
  UndoStatus,
  type UndoView,
  UndoViewSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { countLetters } from "../actor/dead-letters.js";
import type { ActionPlan, DefinitionPlan } from "../definition/plan.js";
import { recommendForRun } from "../recovery/recommend-run.js";
import { itemTotals, tallyOf } from "../resolve.js";
import { isRunTerminal } from "../status.js";
import { batchView } from "./batch-view.js";
import { discardedText } from "./dead-letter-view.js";
import { guardrailsView, recoverView } from "./guardrails-view.js";
import { partialOfAction, partialOfRun, runCompletion, stepView } from "./partial-result.js";
import { timestamp } from "./timestamp.js";
import { waitView } from "./wait-view.js";

/** `untilNs`: until when it can be retried, as the policy is now. `waitsFor`: what an open run waits for that it does not know itself. */
export function runSummary(runId: string, run: RunRecord, untilNs: bigint, waitsFor = ""): RunSummary {
  return init(RunSummarySchema, {
    runId,
    workflow: run.workflow,
    status: run.status,
    createdAt: timestamp(run.createdAtNs),
    startedAt: timestamp(run.startedAtNs),
    endedAt: timestamp(run.endedAtNs),
    generation: run.generation,
    tally: tallyOf(run.actions.map((action) => action.status)),
    items: itemTotals(run),
    detail: run.detail?.text || waitsFor,
    retryableUntil: timestamp(untilNs),
    effect: run.effect,
    failureMode: run.failure?.mode ?? FailureMode.UNSPECIFIED,
    priority: run.priority,
    recoverAt: timestamp(run.recoverAtNs),
    deadLetters: countLetters(run),
    restartedAs: run.restarted?.newest.at(-1)?.runId ?? "",
  });
}

export interface RunViewInput {
  readonly runId: string;
  readonly run: RunRecord;
  readonly plan: DefinitionPlan;
  readonly partition: number;
  readonly seq: bigint;
  /** What keeps an action from going on that its state does not tell; empty: nothing. */
  readonly noteOf?: (action: number) => string;
  /** What its breaker says now of an action that it holds. */
  readonly heldTextOf?: (action: ActionPlan) => string | undefined;
  /** What breakers hold of its items, where those have keys of their own. */
  readonly heldKeysOf?: (action: ActionPlan) => HeldKeyView[];
  /** What an open run waits for that it does not know itself. */
  readonly waitsFor?: string;
  /** Empty: its workflow is not paused. */
  readonly workflowPaused: string;
  /** Until when it can be retried, as the policy is now; 0: it is not failed. */
  readonly retryableUntilNs: bigint;
  /** What of it is in the dead-letter set. */
  readonly deadLetters?: readonly DeadLetterView[];
  /** Older events than the record's own, in order. */
  readonly olderEvents: readonly RunEvent[];
  /** Steps that are done of an action that is not over items. */
  readonly stepsOf: (action: number) => readonly StepRecord[];
  /** Also the input, the outputs and the history. */
  readonly full: boolean;
}

export function runView(shown: RunViewInput): RunView {
  const { runId, run, plan, partition, seq, olderEvents, full } = shown;
  const recommendation = isRunTerminal(run.status) ? recommendForRun(runId, plan, run) : undefined;
  return init(RunViewSchema, {
    summary: runSummary(runId, run, shown.retryableUntilNs, shown.waitsFor),
    actions: plan.order.map((index) => actionView(shown, plan.actions[index] as ActionPlan)),
    levels: plan.levels.map((level, number) => levelView(plan, run, level, number)),
    recommendation,
    failure: run.failure,
    definitionHash: run.definitionHash,
    traceparent: run.traceparent,
    origin: run.origin,
    input: full ? run.input : undefined,
    output: plan.leaf === undefined ? undefined : run.actions[plan.leaf]?.output,
    events: full ? [...olderEvents, ...run.events].map((event) => eventView(plan, event)) : [],
    partition,
    seq,
    completionMilli: runCompletion(plan, run),
    cancelReason: run.cancel?.reason ?? "",
    partial:
      isRunTerminal(run.status) && run.status !== RunStatus.COMPLETED
        ? partialOfRun(runId, plan, run)
        : undefined,
    recoveries: run.recoveries,
    usage: run.usage,
    guardrails: guardrailsView(plan, run),
    parent: parentView(run),
    workflowPaused: shown.workflowPaused,
    scheduledBy: scheduledByView(run),
    deadLetters: [...(shown.deadLetters ?? [])],
    discarded: discardedText(run),
    restarts: run.restarts === undefined ? undefined : restartView(run.restarts),
    restartedAs: (run.restarted?.newest ?? []).map(restartView).toReversed(),
    restartedCount: run.restarted?.count ?? 0,
  });
}

function restartView(of: Restart | RestartedAs): RestartView {
  const { runId, who, reason } = of;
  return init(RestartViewSchema, { runId, who, reason, at: timestamp("atNs" in of ? of.atNs : 0n) });
}

function scheduledByView({ requester }: RunRecord): ScheduledByView | undefined {
  if (requester?.of.case !== "schedule") return undefined;
  const { name, instantNs } = requester.of.value;
  return init(ScheduledByViewSchema, { schedule: name, instant: timestamp(instantNs) });
}

function parentView({ requester }: RunRecord): ParentView | undefined {
  if (requester?.of.case !== "action") return undefined;
  const { runId, workflow, name } = requester.of.value;
  return init(ParentViewSchema, { runId, workflow, action: name });
}

function childView(action: ActionPlan, child: ChildState | undefined): ChildView | undefined {
  if (child === undefined) return undefined;
  const { runId, status, tally, items, generation, usage } = child;
  const workflow = action.definition.child?.workflow ?? "";
  return init(ChildViewSchema, { runId, workflow, status, tally, items, generation, usage });
}

function levelView(
  plan: DefinitionPlan,
  run: RunRecord,
  level: readonly number[],
  number: number,
): LevelView {
  return init(LevelViewSchema, {
    level: number,
    tally: tallyOf(level.map((index) => run.actions[index]?.status ?? ActionStatus.PENDING)),
    actions: level.map((index) => plan.actions[index]?.name ?? ""),
  });
}

function actionView(shown: RunViewInput, action: ActionPlan): ActionView {
  const { run, plan, full, stepsOf, noteOf, heldTextOf, heldKeysOf } = shown;
  const state = run.actions[action.index] as ActionState;
  const steps = (state.batch?.steps ?? state.steps) === 0 ? [] : stepsOf(action.index);
  const heldText = heldTextOf?.(action);
  return init(ActionViewSchema, {
    name: action.name,
    status: state.status,
    level: action.level,
    after: action.upstream.map((index) => plan.actions[index]?.name ?? ""),
    queue: action.queue,
    attempt: attemptsOf(state),
    generation: state.generation,
    startedAt: timestamp(state.startedAtNs),
    endedAt: timestamp(state.endedAtNs),
    retryAt: timestamp(state.retryAtNs),
    failure: state.failure,
    detail: heldText ?? state.detail?.text ?? "",
    held: heldText !== undefined,
    heldKeys: heldKeysOf?.(action) ?? [],
    note: noteOf?.(action.index) ?? "",
    effect: state.effect,
    items: state.items?.counts,
    modes: state.items?.modes ?? [],
    output: full ? state.output : undefined,
    worker: state.worker,
    optional: action.definition.optional,
    partial: partialOfAction(action, state, run, steps),
    steps: full ? steps.map(stepView) : [],
    recover: recoverView(state.recover),
    usage: state.usage,
    undo: undoView(state),
    child: childView(action, state.child),
    batch: batchView(state),
    wait: waitView(action, state),
  });
}

/** Attempts to undo are told apart from those to do. */
const attemptsOf = ({ attempt, undo }: ActionState): number =>
  undo === undefined || undo.status === UndoStatus.UNSPECIFIED ? attempt : undo.attemptBase;

function undoView({ attempt, undo }: ActionState): UndoView | undefined {
  if (undo === undefined || undo.status === UndoStatus.UNSPECIFIED) return undefined;
  return init(UndoViewSchema, {
    status: undo.status,
    attempts: attempt - undo.attemptBase,
    failure: undo.failure,
    detail: undo.detail?.text ?? "",
    startedAt: timestamp(undo.startedAtNs),
    endedAt: timestamp(undo.endedAtNs),
    retryAt: timestamp(undo.retryAtNs),
    worker: undo.worker,
    generation: undo.generation,
  });
}

function eventView(plan: DefinitionPlan, event: RunEvent): EventView {
  const status =
    event.runStatus !== RunStatus.UNSPECIFIED
      ? RunStatus[event.runStatus]
      : event.actionStatus !== ActionStatus.UNSPECIFIED
        ? ActionStatus[event.actionStatus]
        : "";
  return init(EventViewSchema, {
    seq: event.seq,
    at: timestamp(event.atNs),
    type: (RunEventType[event.type] ?? "UNKNOWN").toLowerCase(),
    action: event.action === undefined ? "" : (plan.actions[event.action]?.name ?? ""),
    generation: event.generation,
    attempt: event.attempt,
    status,
    detail: event.detail,
    items: event.items,
  });
}

/** Whether a run that completed did nothing, and whether anybody said why. */
export const isNoOp = (summary: RunSummary): boolean =>
  summary.effect === Effect.SILENT || summary.effect === Effect.NONE_WITH_REASON;
