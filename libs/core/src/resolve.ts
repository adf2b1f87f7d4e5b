/**
 * How an ending is decided: one resolver for each level, called on every path. Also the tally.
 *
 * 1. Nothing else decides a terminal status of an action over items or of a run.
 * 2. A partial result is a completed one for everything downstream.
 */
import {
  ActionStatus,
  type ItemCounts,
  ItemCountsSchema,
  type RunRecord,
  RunStatus,
  type Tally,
  TallySchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ActionPlan } from "./definition/plan.js";
import { isTerminal } from "./status.js";

/** Whether so many failed items are more than the action bears. `total` counts all its items. */
export function beyondTolerance(tolerate: ActionPlan["tolerate"], failed: number, total: number): boolean {
  if (tolerate.case === "count") return failed > tolerate.value;
  if (tolerate.case === "basisPoints") return failed * 10_000 > tolerate.value * total;
  return false;
}

/**
 * The ending of an action over items, once none of them is open. Items are cancelled only by fail-fast (then the
 * failures are beyond `tolerate`), because the run was cancelled, because a guardrail stopped the action, or because the list of
 * items broke off.
 *
 * `whole`: all its items are known, and it was let come to its end. Where not, nobody can say what part of them would have failed:
 * that is never borne.
 */
export function resolveActionStatus(
  counts: ItemCounts,
  tolerate: ActionPlan["tolerate"],
  whole = true,
): ActionStatus {
  if (!whole) return ActionStatus.FAILED;
  if (beyondTolerance(tolerate, counts.failed, counts.total)) return ActionStatus.FAILED;
  if (counts.cancelled > 0) return ActionStatus.CANCELLED;
  if (counts.failed === 0) return ActionStatus.COMPLETED;
  return counts.succeeded === 0 ? ActionStatus.FAILED : ActionStatus.COMPLETED_WITH_FAILURES;
}

/** The ending of an action that is a child run. */
export function resolveChildStatus(child: RunStatus): ActionStatus {
  if (child === RunStatus.COMPLETED) return ActionStatus.COMPLETED;
  if (child === RunStatus.COMPLETED_WITH_FAILURES) return ActionStatus.COMPLETED_WITH_FAILURES;
  return child === RunStatus.CANCELLED ? ActionStatus.CANCELLED : ActionStatus.FAILED;
}

export interface EndedAction {
  readonly status: ActionStatus;
  readonly optional: boolean;
}

/**
 * What a CANCELLED action makes of its run. By request: CANCELLED, unless that ended a retry, which leaves the run no worse than it was.
 * Otherwise it counts as failed.
 */
export function cancelledAs({ cancel, retriedFrom }: RunRecord): RunStatus {
  if (cancel === undefined) return RunStatus.FAILED;
  return retriedFrom === RunStatus.UNSPECIFIED ? RunStatus.CANCELLED : retriedFrom;
}

/** Whether a retry was cancelled of a run that had failed in part. */
const isBorne = (cancelled: RunStatus): boolean => cancelled === RunStatus.COMPLETED_WITH_FAILURES;

/** The ending of a run, once every action is terminal. `cancelled`: what a CANCELLED action makes of it. */
export function resolveRunStatus(actions: readonly EndedAction[], cancelled: RunStatus): RunStatus {
  let partial = false;
  let failed = false;
  for (const { status, optional } of actions) {
    if (status === ActionStatus.CANCELLED && cancelled === RunStatus.CANCELLED) return RunStatus.CANCELLED;
    if (status === ActionStatus.FAILED || status === ActionStatus.CANCELLED) {
      if (optional || (status === ActionStatus.CANCELLED && isBorne(cancelled))) partial = true;
      else failed = true;
    } else if (status === ActionStatus.COMPLETED_WITH_FAILURES) partial = true;
  }
  if (failed) return RunStatus.FAILED;
  return partial ? RunStatus.COMPLETED_WITH_FAILURES : RunStatus.COMPLETED;
}

/** `N OK | M PARTIAL | S SKIP | K ERROR` over action statuses; what has not ended is counted as open. */
export function tallyOf(statuses: Iterable<ActionStatus>): Tally {
  const tally = init(TallySchema, {});
  for (const status of statuses) {
    if (!isTerminal(status)) tally.open += 1;
    else if (status === ActionStatus.COMPLETED) tally.ok += 1;
    else if (status === ActionStatus.COMPLETED_WITH_FAILURES) tally.partial += 1;
    else if (status === ActionStatus.SKIPPED) tally.skip += 1;
    else tally.error += 1;
  }
  return tally;
}

/** Over the items of all actions; undefined where no action is over items. */
export function itemTotals({ actions }: RunRecord): ItemCounts | undefined {
  let sum: ItemCounts | undefined;
  for (const { items } of actions) {
    if (items?.counts === undefined) continue;
    sum ??= init(ItemCountsSchema);
    for (const name of COUNT_NAMES) sum[name] += items.counts[name];
  }
  return sum;
}

const COUNT_NAMES = [
  "total",
  "pending",
  "running",
  "retrying",
  "succeeded",
  "failed",
  "skipped",
  "cancelled",
] as const;
