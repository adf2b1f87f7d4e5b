/** The workflow actor: definitions, the fold, policies, views. No I/O, no host API, no clock. */
export { modesText } from "./actor/actions.js";
export { isAttemptRunning } from "./actor/attempt.js";
export { handleText } from "./actor/batch.js";
export { dueSinceNs } from "./actor/due-since.js";
export { NEVER_BEGUN } from "./actor/start-deadline.js";
export { runningCancel } from "./actor/batch-cancel.js";
export { declaredInputOf } from "./actor/child.js";
export { restartRunId } from "./actor/restart-id.js";
export { eachItem, HAS_RECORD, openItems, STATUS_MASK } from "./actor/items.js";
export { countLetters, isDeadLetter, lettersOf } from "./actor/dead-letters.js";
export { discardDeadLetters } from "./actor/discard-dead-letters.js";
export { keptUntilNs, retryableUntilNs } from "./actor/expiry.js";
export { type DeadLettersChanged, moveToDeadLetters, type MoveWish } from "./actor/move-to-dead-letters.js";
export { heldKeysOf, heldText, heldTextOfItem, heldTextOfRun, isHeld } from "./breaker/held-text.js";
export { isBulkEnded } from "./bulk/operation.js";
export { nextBulkStep } from "./bulk/share.js";
export { type BulkIds, NO_IDS, sortIds } from "./bulk/ids.js";
export { bulkSpecProblem } from "./bulk/spec.js";
export { isLetOut } from "./breaker/let-out.js";
export { holdText, openAttention } from "./breaker/breaker.js";
export { settledName } from "./breaker/name.js";
export { rateBp, windowCounts } from "./breaker/window.js";
export { checkBooks, type RowsFound } from "./check/check-books.js";
export { checkBreaker, checkBreakerTotals, sumOf } from "./check/check-breaker.js";
export { checkBulkOperation, checkBulkShare } from "./check/check-bulk.js";
export { checkSchedule } from "./check/check-schedule.js";
export { checkSignatureTotals, isUnchanged, SignatureTally } from "./check/check-signature-books.js";
export type { FoundInBooks } from "./check/found.js";
export { checkRun, type FoundBreach, type RunCheck } from "./check/check-run.js";
export {
  type ArtifactFacts,
  artifactNameProblem,
  type ArtifactReference,
  contentTypeOf,
  JSON_LINES_TYPE,
  readArtifact,
} from "./artifact.js";
export { hashDefinition } from "./definition/hash.js";
export { type ActionPlan, DEFAULT_QUEUE, type DefinitionPlan, planOf } from "./definition/plan.js";
export { definitionProblems, sourcePointerOf, upstreamOf } from "./definition/validate.js";
export { type DueTask, type Effect as FoldEffect, taskKey } from "./effects.js";
export { type ClassifiedBy, type ClassifiedFailure, classifyFailure } from "./failure/classify.js";
export { normaliseMessage } from "./failure/normalise.js";
export { OTHER_MESSAGES, otherSignature, type Signature, signatureOf } from "./failure/signature.js";
export { hourOf, hoursUpTo } from "./failure/signature-books.js";
export { bindMessage, namesIn, pathsIn } from "./failure/message.js";
export { type ModeTraits, modeNamed, modeName, traitsOf } from "./failure/modes.js";
export {
  type Entry,
  FoldFault,
  foldEntry,
  isNextStamp,
  prefetch,
  SEMANTICS,
  skipEntry,
} from "./fold/fold.js";
export { breachAttention, isWithin } from "./fold/commands/breaches-found.js";
export { type Row, type Scan, type ScannedRows, scansOf } from "./fold/scans.js";
export * from "./limits.js";
export {
  fnv1a,
  isForeignInbox,
  isName,
  isRunId,
  isSignatureId,
  isWorkerId,
  mix32,
  type NameKind,
  nameProblem,
  partitionOf,
  quoted,
  runIdProblem,
} from "./names.js";
export { breakerProblems, type ResolvedBreaker, resolveBreaker } from "./policy/breaker.js";
export {
  backoffMs,
  DEFAULT_RETRY,
  nextAttemptInMs,
  RETRY_AFTER_LIMIT_MS,
  type ResolvedRetry,
  resolveRetry,
} from "./policy/retry.js";
export {
  type ResolvedRetention,
  retentionOf,
  retentionProblem,
  shareOfTerminalRuns,
} from "./policy/retention.js";
export { StuckDetector } from "./policy/stuck.js";
export { microText, usageText } from "./policy/usage.js";
export { completionMilli, type RecoveryQuestion, recommend } from "./recovery/recommend.js";
export { beyondTolerance, resolveActionStatus, resolveRunStatus, tallyOf } from "./resolve.js";
export { needsPlan, takesPlan } from "./schedule/schedule.js";
export { scheduledRunId } from "./schedule/run-id.js";
export { resolveSchedule, scheduleProblem } from "./schedule/validate.js";
export { migrateRows, migrationScan, SCHEMA_VERSION } from "./state/migrate.js";
export * from "./state/key-numbers.js";
export * from "./state/tables.js";
export type { View } from "./state/view.js";
export * from "./status.js";
export { elementsOf, kindOfSlice, sliceAt } from "./json-slices.js";
export { dayProblem } from "./calendar-day.js";
export { lettersApart } from "./nearest.js";
export { type JsonFault, jsonFault, withoutMark } from "./json-text.js";
export {
  atPointer,
  canonicalJson,
  cutText,
  fromUtf8,
  isDeeperThan,
  isPointer,
  type Json,
  jsonKind,
  snapshotOf,
  spanText,
  timeText,
  utf8,
} from "./text.js";
export { absentCode, absentText } from "./views/absent.js";
export { keyOfItem } from "./views/item-key.js";
export { type ItemViewInput, itemView } from "./views/item-view.js";
export { bulkView, noBulkText } from "./views/bulk-view.js";
export { breakerView } from "./views/breaker-view.js";
export { deadLettersOfRun, deadLetterView, type LetterShown } from "./views/dead-letter-view.js";
export { isPaused, pausedText } from "./views/paused.js";
export { partialOfItem, partialOfRun, traceIdOf } from "./views/partial-result.js";
export { waitingText } from "./views/wait-view.js";
export { isNoOp, type RunViewInput, runSummary, runView } from "./views/run-view.js";
export { noScheduleText, scheduleView } from "./views/schedule-view.js";
export { signatureView } from "./views/signature-view.js";
export { timestamp } from "./views/timestamp.js";
