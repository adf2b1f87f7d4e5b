/** The client side of a cluster: commands into the logs, answers and queries back. */
export { type FoundItems, type KeyedItems, itemsOfKeys } from "./item-keys.js";
export { START_AT_MS_MAX, startTimeProblem } from "./start-time.js";
export { findJsonProblem } from "./json-problem.js";
export { StartTicket } from "./awaited.js";
export type { Receipt } from "./batch.js";
export { CommandClient, type CommandClientDeps, type CommandClientStats } from "./command-client.js";
export {
  cancelRunCommand,
  discardDeadLettersCommand,
  moveToDeadLettersCommand,
  pauseRunCommand,
  changeBreakerCommand,
  pauseWorkflowCommand,
  resumeRunCommand,
  resumeWorkflowCommand,
  setRetentionCommand,
  command,
  decideApprovalCommand,
  defineWorkflowCommand,
  inlinePayload,
  type RetryRunFields,
  retryRunCommand,
  signalRunCommand,
  type StartRunFields,
  startRunCommand,
  taskReportCommand,
} from "./commands.js";
export { prunedFailed } from "./retention.js";
export { restartProblem } from "./restart.js";
export {
  type AbortBulkFields,
  abortBulkCommand,
  bulkHome,
  type StartBulkFields,
  startBulkCommand,
} from "./bulk.js";
export { type ClientLimits, DEFAULT_CLIENT_LIMITS } from "./limits.js";
export type { DeadLettersPage, ListDeadLettersFilter } from "./list-dead-letters.js";
export type { ListRunsFilter, RunsPage } from "./list-runs.js";
export {
  ARTIFACT_BYTES_MAX,
  type FetchStored,
  INLINE_BYTES_MAX,
  jsonBytes,
  PAYLOAD_BYTES_MAX,
  PayloadCodec,
  PayloadError,
  type PayloadErrorCode,
} from "./payloads.js";
export {
  type Counts,
  DEFAULT_QUERY_LIMITS,
  type ItemsPage,
  type ListItemsFilter,
  PAGE_SIZE_DEFAULT,
  PAGE_SIZE_MAX,
  QueryClient,
  type QueryLimits,
  type QueryOptions,
} from "./query-client.js";
export {
  changeScheduleCommand,
  type ListSchedulesFilter,
  putScheduleCommand,
  scheduleHome,
  type SchedulesPage,
  schedulingProblem,
  upcomingInstants,
} from "./schedules.js";
export {
  type FailureSignature,
  type FailureSignatures,
  type ListSignaturesFilter,
  SIGNATURES_MAX,
} from "./signatures.js";
export { type QueryErrorName, QueryFailedError } from "./query-errors.js";
