/** The admin service: every rpc of AdminService, each in the file that is named for it. */
import { AdminService } from "@holdfast/proto";
import type { Logger } from "@holdfast/telemetry";
import { serve, type ServedService, type ServiceHandlers } from "@holdfast/rpc";
import { changeBreaker, getBreaker, listBreakers } from "./breakers.js";
import {
  abortBulkOperation,
  getBulkOperation,
  listBulkOperations,
  startBulkOperation,
  startBulkRetry,
} from "./bulk.js";
import { cancelRun, pauseRun, resumeRun, retryRun } from "./change-run.js";
import { check } from "./check.js";
import { describeCluster, listWorkflows } from "./cluster.js";
import { discardDeadLetters, listDeadLetters, moveToDeadLetters } from "./dead-letters.js";
import { listAttention } from "./list-attention.js";
import type { AdminParts } from "./parts.js";
import { pauseWorkflow, resumeWorkflow } from "./pause-workflow.js";
import { getCounts, getRun, listItems, listRuns } from "./read-runs.js";
import {
  discardRejected,
  getRejected,
  listRejected,
  listRejectedDecisions,
  replayRejected,
} from "./rejected-work.js";
import { putArtifact } from "./put-artifact.js";
import { restartRun } from "./restart-run.js";
import { getRetention, setRetention } from "./retention.js";
import { changeSchedule, getSchedule, listSchedules, putSchedule } from "./schedules.js";
import { retryFailed } from "./retry-failed.js";
import { getFailureSignature, listFailureSignatures } from "./signatures.js";
import { startRun } from "./start-run.js";
import { watchAttention } from "./watch-attention.js";
import { decideApproval, signalRun } from "./wake-run.js";
import { WorkerRoster } from "./worker-roster.js";

export interface AdminServiceInstance {
  readonly service: ServedService;
  /** Stops listening to workers. */
  close(): void;
}

/** Listens to workers' beats from now on; owns none of its parts. Serve it with `startServer` and `translate`. */
export function createAdminService(parts: AdminParts, logger: Logger): AdminServiceInstance {
  const roster = new WorkerRoster(parts.bus, parts.clock);
  const handlers: ServiceHandlers<typeof AdminService> = {
    startRun: (request, context) => startRun(parts, request, context),
    getRun: (request, context) => getRun(parts, request, context),
    listRuns: (request, context) => listRuns(parts, request, context),
    listItems: (request, context) => listItems(parts, request, context),
    retryRun: (request, context) => retryRun(parts, request, context),
    restartRun: (request, context) => restartRun(parts, request, context),
    retryFailed: (request, context) => retryFailed(parts, request, context),
    startBulkRetry: (request, context) => startBulkRetry(parts, request, context),
    startBulkOperation: (request, context) => startBulkOperation(parts, request, context),
    getBulkOperation: (request, context) => getBulkOperation(parts, request, context),
    listBulkOperations: (request, context) => listBulkOperations(parts, request, context),
    abortBulkOperation: (request, context) => abortBulkOperation(parts, request, context),
    cancelRun: (request, context) => cancelRun(parts, request, context),
    pauseRun: (request, context) => pauseRun(parts, request, context),
    resumeRun: (request, context) => resumeRun(parts, request, context),
    pauseWorkflow: (request, context) => pauseWorkflow(parts, request, context),
    resumeWorkflow: (request, context) => resumeWorkflow(parts, request, context),
    signalRun: (request, context) => signalRun(parts, request, context),
    decideApproval: (request, context) => decideApproval(parts, request, context),
    listBreakers: (request, context) => listBreakers(parts, request, context),
    getBreaker: (request, context) => getBreaker(parts, request, context),
    changeBreaker: (request, context) => changeBreaker(parts, request, context),
    putSchedule: (request, context) => putSchedule(parts, request, context),
    getSchedule: (request, context) => getSchedule(parts, request, context),
    listSchedules: (request, context) => listSchedules(parts, request, context),
    changeSchedule: (request, context) => changeSchedule(parts, request, context),
    listFailureSignatures: async (request, context) => listFailureSignatures(parts, request, context),
    getFailureSignature: async (request, context) => getFailureSignature(parts, request, context),
    getCounts: (request, context) => getCounts(parts, request, context),
    listWorkflows: (_request, context) => listWorkflows(parts, context),
    listRejected: (request) => listRejected(parts, request),
    getRejected: (request) => getRejected(parts, request),
    replayRejected: (request, context) => replayRejected(parts, request, context, logger),
    discardRejected: (request, context) => discardRejected(parts, request, context, logger),
    listRejectedDecisions: (request) => listRejectedDecisions(parts, request),
    putArtifact: (requests) => putArtifact(parts, requests),
    check: (_request, context) => check(parts, context),
    moveToDeadLetters: (request, context) => moveToDeadLetters(parts, request, context),
    listDeadLetters: (request, context) => listDeadLetters(parts, request, context),
    discardDeadLetters: (request, context) => discardDeadLetters(parts, request, context),
    getRetention: (request, context) => getRetention(parts, request, context),
    setRetention: (request, context) => setRetention(parts, request, context),
    watchAttention: (request, context) => watchAttention(parts, request, context),
    listAttention: (request, context) => listAttention(parts, request, context),
    describeCluster: (_request, context) => describeCluster(parts, roster, context),
  };
  return { service: serve(AdminService, handlers), close: () => roster.close() };
}
