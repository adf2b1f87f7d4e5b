/** What users of Holdfast import: define workflows, run workers, start runs. */
export type {
  DeadLettersPage,
  FailureSignature,
  FailureSignatures,
  ItemsPage,
  ListDeadLettersFilter,
  ListItemsFilter,
  ListRunsFilter,
  ListSchedulesFilter,
  ListSignaturesFilter,
  RunsPage,
  SchedulesPage,
} from "@holdfast/engine";
export type {
  BatchOptions,
  JobCheck,
  JobHandlers,
  JobResult,
  WholeJobCheck,
} from "./workflow/batch.js";
export {
  type RunEnded,
  RunStatus,
  type RunView,
  ScheduleOutcome,
  ScheduleStatus,
  type ScheduleView,
} from "@holdfast/proto";
export { ActionError, type ActionErrorOptions, type FailureModeName } from "./action-error.js";
export {
  type Artifact,
  type ArtifactOptions,
  type ArtifactSource,
  jsonLines,
  type JsonLines,
} from "./artifact.js";
export { Holdfast } from "./client/holdfast.js";
export type {
  CancelOptions,
  ChangeOptions,
  ControlOptions,
  DeadLetterOptions,
  DecisionOptions,
  ConnectOptions,
  HoldfastOptions,
  HoldfastPorts,
  RetryOptions as RetryRunOptions,
  RestartOptions,
  StartOptions,
} from "./client/options.js";
export type { Bulk, BulkOperation, BulkOutcome } from "./client/bulk.js";
export type {
  BulkCancelOptions,
  BulkDiscardOptions,
  BulkMoveOptions,
  BulkRetryOptions,
} from "./client/bulk-options.js";
export type {
  BulkKindName,
  BulkProgress,
  BulkResultName,
  BulkRunResult,
  BulkStatusName,
} from "./client/bulk-progress.js";
export type {
  ListRejectedOptions,
  Rejected,
  RejectedPage,
  ReplayRejectedOptions,
} from "./client/rejected.js";
export type { ScheduleOptions, Schedules } from "./client/schedules.js";
export type { RunHandle } from "./client/run-handle.js";
export { type NatsAccess, natsSettings } from "@holdfast/nats";
export type { Duration } from "./duration.js";
export { HoldfastError, type HoldfastErrorCode, type Retry, RunFailedError } from "./errors.js";
export type {
  ActionContext,
  ItemContext,
  StepOptions,
  StepValue,
  UndoCause,
  UndoContext,
} from "./worker/context.js";
export type { RecoveredError } from "./worker/recovered-error.js";
export type { WorkerLimits } from "./worker/limits.js";
export type { WorkerEnd } from "./worker/shutdown.js";
export { createWorker, type Worker, type WorkerOptions, type WorkerStats } from "./worker/worker.js";
export type { BreakerOptions, ItemBreakerOptions } from "./workflow/breaker.js";
export type {
  ActionOptions,
  Approval,
  ApprovalOptions,
  ChildOptions,
  Classify,
  ForEachOptions,
  GuardrailOptions,
  RetryOptions,
  SignalOptions,
  SleepOptions,
  Tolerate,
  Trigger,
  WorkflowOptions,
} from "./workflow/options.js";
export { type JsonSchema, typed } from "./workflow/schema.js";
export type { IndexedOutput, NoEffect, Skip } from "./workflow/types.js";
export {
  type AnyWorkflow,
  isWorkflow,
  type Workflow,
  type WorkflowInput,
  type WorkflowOutput,
  workflow,
} from "./workflow/workflow.js";
