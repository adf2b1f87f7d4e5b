/**
 * How far something came that did not complete: a run over its actions, an action or item over its steps. Reads only.
 *
 * 1. The failing step is always among the failed ones, and counted in the total.
 * 2. Remaining steps are those that were declared and neither done nor failed.
 */
import {
  type ActionState,
  ActionStatus,
  type Failure,
  FailureMode,
  type ItemRecord,
  type PartialResult,
  PartialResultSchema,
  type Payload,
  type Recommendation,
  type RunRecord,
  RunStatus,
  type StepRecord,
  type StepView,
  StepViewSchema,
  UndoStatus,
  type Usage,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ActionPlan, DefinitionPlan } from "../definition/plan.js";
import { isRejection } from "../failure/rejection.js";
import { completionOf } from "../recovery/completion.js";
import { completionMilli, recommend } from "../recovery/recommend.js";
import { recommendForRun } from "../recovery/recommend-run.js";
import { FAILED_STATUSES, isCompleted, isTerminal } from "../status.js";
import { timestamp } from "./timestamp.js";

const MS = 1_000_000n;

const spanMs = (fromNs: bigint, toNs: bigint): bigint =>
  fromNs === 0n || toNs <= fromNs ? 0n : (toNs - fromNs) / MS;

export function stepView(step: StepRecord): StepView {
  return init(StepViewSchema, {
    name: step.name,
    startedAt: timestamp(step.startedAtNs),
    endedAt: timestamp(step.endedAtNs),
    durationMs: spanMs(step.startedAtNs, step.endedAtNs),
    attempt: step.attempt,
    result: step.result,
  });
}

/** The second field of a W3C traceparent: the same through every recovery. */
export const traceIdOf = (traceparent: string): string => traceparent.split("-")[1] ?? "";

interface Parts {
  readonly subject: string;
  readonly completed: readonly string[];
  readonly failed: readonly string[];
  readonly remaining: readonly string[];
  readonly failure: Failure | undefined;
  readonly lastOutput: Payload | undefined;
  readonly traceparent: string;
  readonly startedAtNs: bigint;
  readonly endedAtNs: bigint;
  readonly recommendation?: Recommendation;
  /** In thousandths, where it is not counted by those steps. */
  readonly completion?: number;
  readonly usage?: Usage | undefined;
}

function partial(parts: Parts): PartialResult {
  const total = parts.completed.length + parts.failed.length + parts.remaining.length;
  const mode = parts.failure?.mode ?? FailureMode.UNSPECIFIED;
  const recommendation =
    parts.recommendation ??
    recommend({
      cancelled: mode === FailureMode.CANCELLED,
      mode,
      modes: parts.failure?.modes ?? [],
      rejected: isRejection(parts.failure) ? parts.failure?.message : undefined,
      done: parts.completed.length,
      total,
      subject: parts.subject,
    });
  return init(PartialResultSchema, {
    completedSteps: [...parts.completed],
    failedSteps: [...parts.failed],
    remainingSteps: [...parts.remaining],
    totalSteps: total,
    failurePoint: parts.failed[0] ?? "",
    failureMode: mode,
    completionMilli: parts.completion ?? completionMilli(parts.completed.length, total),
    lastOutput: parts.lastOutput,
    traceId: traceIdOf(parts.traceparent),
    isRecoverable: recommendation.recoverable,
    recoveryStrategy: recommendation.strategy,
    recoveryHint: recommendation.hint,
    recoveryReason: recommendation.reason,
    startedAt: timestamp(parts.startedAtNs),
    endedAt: timestamp(parts.endedAtNs),
    durationMs: spanMs(parts.startedAtNs, parts.endedAtNs),
    usage: parts.usage,
  });
}

/** How much of a run is done, in thousandths: the one number that is shown of it, and that its recommendation goes by. */
export function runCompletion(plan: DefinitionPlan, run: RunRecord): number {
  const { done, total } = completionOf(plan, run);
  return completionMilli(done, total);
}

/** Of a run that failed, wholly or in part, or was cancelled: its steps are its actions, in their order. */
export function partialOfRun(runId: string, plan: DefinitionPlan, run: RunRecord): PartialResult {
  const named = (wanted: (state: ActionState) => boolean): string[] =>
    plan.order.flatMap((index) =>
      wanted(run.actions[index] as ActionState) ? [plan.actions[index]?.name ?? ""] : [],
    );
  const isUndone = ({ undo }: ActionState): boolean => undo?.status === UndoStatus.DONE;
  const hasFailed = (state: ActionState): boolean => FAILED_STATUSES.has(state.status) && !isUndone(state);
  const hasCompleted = (state: ActionState): boolean =>
    state.status === ActionStatus.COMPLETED && !isUndone(state);
  const last = plan.order.findLast(
    (index) => isCompleted(run.actions[index]?.status ?? 0) && run.actions[index]?.output !== undefined,
  );
  return partial({
    subject: `run ${runId}`,
    completed: named(hasCompleted),
    failed: named(hasFailed),
    // What was undone is to be done again.
    remaining: named((state) => !hasCompleted(state) && !hasFailed(state)),
    failure: run.failure,
    lastOutput: last === undefined ? undefined : run.actions[last]?.output,
    traceparent: run.traceparent,
    startedAtNs: run.startedAtNs,
    endedAtNs: run.endedAtNs,
    recommendation: recommendForRun(runId, plan, run),
    completion: runCompletion(plan, run),
    usage: run.usage,
  });
}

/** Of an action that is not over items and ended without success. Its one step is itself where it has none. */
export function partialOfAction(
  action: ActionPlan,
  state: ActionState,
  run: RunRecord,
  steps: readonly StepRecord[],
): PartialResult | undefined {
  if (state.items !== undefined || !isTerminal(state.status) || isCompleted(state.status)) return undefined;
  if (state.status === ActionStatus.SKIPPED) return undefined;
  return partialOfSteps({
    subject: `action ${action.name}`,
    action,
    run,
    steps,
    failure: state.failure,
    usage: state.usage,
    ...spanOf(state),
  });
}

/** Of a failed item. */
export function partialOfItem(
  action: ActionPlan,
  index: number,
  record: ItemRecord,
  run: RunRecord,
  steps: readonly StepRecord[],
): PartialResult | undefined {
  if (record.failure === undefined) return undefined;
  return partialOfSteps({
    subject: `item ${index} of ${action.name}`,
    action,
    run,
    steps,
    failure: record.failure,
    ...spanOf(record),
  });
}

const spanOf = (state: { readonly startedAtNs: bigint; readonly endedAtNs: bigint }) => ({
  startedAtNs: state.startedAtNs,
  endedAtNs: state.endedAtNs,
});

interface StepParts {
  readonly subject: string;
  readonly action: ActionPlan;
  readonly run: RunRecord;
  readonly steps: readonly StepRecord[];
  readonly failure: Failure | undefined;
  readonly usage?: Usage | undefined;
  readonly startedAtNs: bigint;
  readonly endedAtNs: bigint;
}

function partialOfSteps({
  subject,
  action,
  run,
  steps,
  failure,
  usage,
  startedAtNs,
  endedAtNs,
}: StepParts): PartialResult {
  const completed = steps.map((step) => step.name);
  const failing =
    failure === undefined ? [] : [failure.step || nextDeclared(action, completed) || action.name];
  const known = new Set([...completed, ...failing]);
  return partial({
    subject,
    completed,
    failed: failing,
    remaining: action.definition.steps.filter((name) => !known.has(name)),
    failure,
    lastOutput: steps.at(-1)?.result,
    usage,
    traceparent: run.traceparent,
    startedAtNs,
    endedAtNs,
    ...(run.status === RunStatus.CANCELLED && failure === undefined
      ? { recommendation: cancelledOf(subject) }
      : {}),
  });
}

/** Where the handler failed between steps, the step that it did not come to. */
const nextDeclared = (action: ActionPlan, completed: readonly string[]): string | undefined =>
  action.definition.steps.find((name) => !completed.includes(name));

const cancelledOf = (subject: string): Recommendation =>
  recommend({ cancelled: true, mode: FailureMode.UNSPECIFIED, modes: [], done: 0, total: 0, subject });
