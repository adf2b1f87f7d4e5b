/**
 * The status sets, defined once. No other file spells which statuses are completed or terminal.
 */
import { ActionStatus, ItemStatus, RunStatus } from "@holdfast/proto";

export const COMPLETED_STATUSES: ReadonlySet<ActionStatus> = new Set([
  ActionStatus.COMPLETED,
  ActionStatus.COMPLETED_WITH_FAILURES,
]);

export const TERMINAL_STATUSES: ReadonlySet<ActionStatus> = new Set([
  ...COMPLETED_STATUSES,
  ActionStatus.FAILED,
  ActionStatus.SKIPPED,
  ActionStatus.CANCELLED,
]);

export const RUN_COMPLETED_STATUSES: ReadonlySet<RunStatus> = new Set([
  RunStatus.COMPLETED,
  RunStatus.COMPLETED_WITH_FAILURES,
]);

/** Of an action: failed, wholly or in part. */
export const FAILED_STATUSES: ReadonlySet<ActionStatus> = new Set([
  ActionStatus.FAILED,
  ActionStatus.COMPLETED_WITH_FAILURES,
]);

/** Failed, wholly or in part: what a retry is for. */
export const RUN_RETRYABLE_STATUSES: ReadonlySet<RunStatus> = new Set([
  RunStatus.FAILED,
  RunStatus.COMPLETED_WITH_FAILURES,
]);

export const RUN_TERMINAL_STATUSES: ReadonlySet<RunStatus> = new Set([
  ...RUN_COMPLETED_STATUSES,
  RunStatus.FAILED,
  RunStatus.CANCELLED,
]);

export const ITEM_OPEN_STATUSES: ReadonlySet<ItemStatus> = new Set([
  ItemStatus.PENDING,
  ItemStatus.RUNNING,
  ItemStatus.RETRYING,
]);

/** Begun, and not ended: reports of its attempts count. */
export const RUN_LIVE_STATUSES: ReadonlySet<RunStatus> = new Set([RunStatus.RUNNING, RunStatus.PAUSED]);

export const isCompleted = (status: ActionStatus): boolean => COMPLETED_STATUSES.has(status);
export const isTerminal = (status: ActionStatus): boolean => TERMINAL_STATUSES.has(status);
export const isRunCompleted = (status: RunStatus): boolean => RUN_COMPLETED_STATUSES.has(status);
export const isRunLive = (status: RunStatus): boolean => RUN_LIVE_STATUSES.has(status);
export const isRunTerminal = (status: RunStatus): boolean => RUN_TERMINAL_STATUSES.has(status);
export const isRunRetryable = (status: RunStatus): boolean => RUN_RETRYABLE_STATUSES.has(status);
