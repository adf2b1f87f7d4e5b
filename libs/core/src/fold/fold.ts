/**
 * The fold: one log entry changes a partition's state, and says what its owner should do. Pure and synchronous.
 *
 * 1. The same entries in the same order give the same bytes, however they are batched, on every machine.
 * 2. What a sender may get wrong is answered with `rejected`; a throw is a bug or damaged state, and stops the partition.
 * 3. `prefetch` names the keys that are likely needed, so that they can be had in one read; the fold may ask the view for more.
 */
import {
  type AppliedRecord,
  type Command,
  type CommandBatch,
  type Outcome,
  OutcomeRecordSchema,
  RejectCode,
  TimerKind,
  TimerRecordSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { expiredText } from "./expired-text.js";
import { releaseHeld } from "../breaker/release.js";
import type { Effect } from "../effects.js";
import {
  CLOCK_SKEW_NS,
  COMMAND_ID_CHARS_MAX,
  DEDUPE_WINDOW_NS,
  OWNER_STAMP_STEP_MAX,
  WORKER_CHARS_MAX,
} from "../limits.js";
import { isCommandId, isDefinitionHash, isName, isRunId, quoted } from "../names.js";
import {
  appliedKey,
  chunkKey,
  chunkOf,
  definitionKey,
  latestKey,
  outcomeKey,
  receivedMarkKey,
  runKey,
  scheduleKey,
  sentMarkKey,
  tombstoneKey,
} from "../state/tables.js";
import type { View } from "../state/view.js";
import { attentionTold } from "./commands/attention-told.js";
import { breachesFound } from "./commands/breaches-found.js";
import { batchResults } from "./commands/batch-results.js";
import { abortBulk } from "./commands/abort-bulk.js";
import { bulkStep } from "./commands/bulk-step.js";
import { cancelRun } from "./commands/cancel-run.js";
import { changeBreaker } from "./commands/change-breaker.js";
import { changeSchedule } from "./commands/change-schedule.js";
import { discardDeadLetters, moveToDeadLetters } from "./commands/dead-letters.js";
import { checkpointStep } from "./commands/checkpoint-step.js";
import { decideApproval } from "./commands/decide-approval.js";
import { defineWorkflow } from "./commands/define-workflow.js";
import { deliverMessages } from "./commands/deliver-messages.js";
import { itemsLoaded } from "./commands/items-loaded.js";
import { messagesDelivered } from "./commands/messages-delivered.js";
import { pauseRun, resumeRun } from "./commands/pause-run.js";
import { pauseWorkflow, resumeWorkflow } from "./commands/pause-workflow.js";
import { prune } from "./commands/prune.js";
import { putSchedule } from "./commands/put-schedule.js";
import { retryRun } from "./commands/retry-run.js";
import { schedulePlanned } from "./commands/schedule-planned.js";
import { setRetention } from "./commands/set-retention.js";
import { signalRun } from "./commands/signal-run.js";
import { startBulk } from "./commands/start-bulk.js";
import { startRun } from "./commands/start-run.js";
import { taskReport } from "./commands/task-report.js";
import { tasksHeld } from "./commands/tasks-held.js";
import { timersFired } from "./commands/timers-fired.js";
import { FoldContext } from "./context.js";
import { messageKeys } from "./messages/messages.js";
import type { Row, ScannedRows } from "./scans.js";

/** The fold's behaviour. Raised with a change of behaviour; a state of a higher one stops an older binary. */
export const SEMANTICS = 1;

export interface Entry {
  readonly seq: number;
  readonly atNs: bigint;
  readonly batch: CommandBatch;
  /** What `scansOf(batch)` names, as the state had it before this entry. */
  readonly scanned?: ScannedRows;
}

/** Keys that folding this batch will most likely read; of ids that no record can have, none. */
export function prefetch(batch: CommandBatch, applied: AppliedRecord, keys: Set<string>): void {
  const tombstones = applied.tombstones > 0n;
  for (const { kind, id } of batch.commands) {
    switch (kind.case) {
      case "startRun":
        if (!isRunId(kind.value.runId)) break;
        keys.add(runKey(kind.value.runId));
        if (tombstones) keys.add(tombstoneKey(kind.value.runId));
        if (isDefinitionHash(kind.value.definitionHash)) keys.add(definitionKey(kind.value.definitionHash));
        else if (isName(kind.value.workflow)) keys.add(latestKey(kind.value.workflow));
        break;
      case "taskReport":
        if (!isRunId(kind.value.runId)) break;
        keys.add(runKey(kind.value.runId));
        if (kind.value.item !== undefined)
          keys.add(chunkKey(kind.value.runId, kind.value.action, chunkOf(kind.value.item)));
        break;
      case "batchResults":
        if (!isRunId(kind.value.runId)) break;
        keys.add(runKey(kind.value.runId));
        for (const { index } of kind.value.results)
          keys.add(chunkKey(kind.value.runId, kind.value.action, chunkOf(index)));
        break;
      case "retryRun":
      case "cancelRun":
      case "pauseRun":
      case "resumeRun":
      case "signalRun":
      case "decideApproval":
      case "moveToDeadLetters":
      case "discardDeadLetters":
        if (isRunId(kind.value.runId)) keys.add(runKey(kind.value.runId));
        if (isCommandId(id)) keys.add(outcomeKey(id));
        break;
      case "itemsLoaded":
      case "checkpointStep":
        if (isRunId(kind.value.runId)) keys.add(runKey(kind.value.runId));
        break;
      case "putSchedule":
      case "changeSchedule":
      case "schedulePlanned":
        if (isName(kind.value.name)) keys.add(scheduleKey(kind.value.name));
        break;
      case "deliverMessages":
        keys.add(receivedMarkKey(kind.value.from));
        for (const message of kind.value.messages) messageKeys(message, keys);
        break;
      case "messagesDelivered":
        keys.add(sentMarkKey(kind.value.to));
        break;
      default:
        break;
    }
  }
}

/** A command made the fold throw, and has changed a part of the state: the view must not be used any more. */
export class FoldFault extends Error {
  override readonly name = "FoldFault";

  constructor(
    /** Which of its entry. */
    readonly at: number,
    cause: unknown,
  ) {
    super(`the fold failed over command ${at} of an entry`, { cause });
  }
}

/** Folds one entry. `applied` is changed in place and put. */
export function foldEntry(view: View, applied: AppliedRecord, entry: Entry): Effect[] {
  applied.seq = BigInt(entry.seq);
  if (entry.atNs > applied.atNs) applied.atNs = entry.atNs;
  const ctx = new FoldContext(view, entry.seq, applied.atNs, entry.batch, applied);
  if (admits(applied, entry.batch)) {
    const { commands } = entry.batch;
    let at = 0;
    try {
      for (; at < commands.length; at++) {
        foldCommand(ctx, applied, commands[at] as Command, entry.scanned?.get(at) ?? NO_ROWS);
        releaseHeld(ctx);
      }
    } catch (cause) {
      throw new FoldFault(at, cause);
    }
  }
  view.put(appliedKey, applied);
  return ctx.effects;
}

/** An entry that can't be decoded is passed over, the same on every replica. */
export function skipEntry(view: View, applied: AppliedRecord, seq: number, atNs: bigint): void {
  applied.seq = BigInt(seq);
  if (atNs > applied.atNs) applied.atNs = atNs;
  view.put(appliedKey, applied);
}

/** Whether a batch is to be folded: an owner's only from the current epoch, and each once. */
function admits(applied: AppliedRecord, batch: CommandBatch): boolean {
  const stamp = batch.owner;
  if (stamp === undefined) return true;
  if (stamp.epoch !== applied.ownerEpoch || !isNextStamp(applied.ownerN, stamp.n)) return false;
  applied.ownerN = stamp.n;
  applied.ownerAtNs = applied.atNs;
  return true;
}

/** Whether an owner's number follows another: not far ahead, or one entry that is not the owner's would leave it none. */
export const isNextStamp = (last: bigint, n: bigint): boolean => n > last && n - last <= OWNER_STAMP_STEP_MAX;

const NO_ROWS: readonly Row[] = [];

function foldCommand(ctx: FoldContext, applied: AppliedRecord, command: Command, rows: readonly Row[]): void {
  const { kind } = command;
  switch (kind.case) {
    case "startRun":
      return startRun(ctx, command, kind.value);
    case "checkpointStep":
      return checkpointStep(ctx, command, kind.value);
    case "taskReport":
      return taskReport(ctx, command, kind.value);
    case "batchResults":
      return batchResults(ctx, command, kind.value);
    case "itemsLoaded":
      return ownersOnly(ctx, command) ? itemsLoaded(ctx, command, kind.value) : undefined;
    case "timersFired":
      return ownersOnly(ctx, command) ? timersFired(ctx, kind.value.upToNs, rows) : undefined;
    case "pauseRun":
      return once(ctx, command, () => pauseRun(ctx, command, kind.value));
    case "resumeRun":
      return once(ctx, command, () => resumeRun(ctx, command, kind.value));
    case "pauseWorkflow":
      return once(ctx, command, () => pauseWorkflow(ctx, command, kind.value));
    case "resumeWorkflow":
      return once(ctx, command, () => resumeWorkflow(ctx, command, kind.value));
    case "tasksHeld":
      return ownersOnly(ctx, command) ? tasksHeld(ctx, command, kind.value) : undefined;
    case "changeBreaker":
      return once(ctx, command, () => changeBreaker(ctx, command, kind.value));
    case "prune":
      return ownersOnly(ctx, command) ? prune(ctx, command, kind.value, rows) : undefined;
    case "breachesFound":
      if (ownersOnly(ctx, command)) breachesFound(ctx, command, kind.value);
      return;
    case "attentionTold":
      if (ownersOnly(ctx, command)) attentionTold(ctx, command, kind.value);
      return;
    case "startBulk":
      return once(ctx, command, () => startBulk(ctx, command, kind.value));
    case "abortBulk":
      return once(ctx, command, () => abortBulk(ctx, command, kind.value));
    case "bulkStep":
      return ownersOnly(ctx, command) ? bulkStep(ctx, command, kind.value, rows) : undefined;
    case "setRetention":
      return once(ctx, command, () => setRetention(ctx, command, kind.value));
    case "defineWorkflow":
      return defineWorkflow(ctx, command, kind.value);
    case "signalRun":
      return once(ctx, command, () => signalRun(ctx, command, kind.value));
    case "decideApproval":
      return once(ctx, command, () => decideApproval(ctx, command, kind.value));
    case "retryRun":
      return once(ctx, command, () => retryRun(ctx, command, kind.value));
    case "cancelRun":
      return once(ctx, command, () => cancelRun(ctx, command, kind.value));
    case "putSchedule":
      return once(ctx, command, () => putSchedule(ctx, command, kind.value));
    case "changeSchedule":
      return once(ctx, command, () => changeSchedule(ctx, command, kind.value));
    case "schedulePlanned":
      if (ownersOnly(ctx, command)) schedulePlanned(ctx, command, kind.value);
      return;
    case "moveToDeadLetters":
      return once(ctx, command, () => moveToDeadLetters(ctx, command, kind.value));
    case "discardDeadLetters":
      return once(ctx, command, () => discardDeadLetters(ctx, command, kind.value));
    case "deliverMessages":
      return deliverMessages(ctx, command, kind.value);
    case "messagesDelivered":
      return ownersOnly(ctx, command) ? messagesDelivered(ctx, command, kind.value) : undefined;
    case "announceOwner": {
      const { node, epoch, process } = kind.value;
      // The next epoch and no other: one far ahead would shut every later owner out.
      if (epoch !== applied.ownerEpoch + 1n || node === "" || node.length > WORKER_CHARS_MAX) return;
      applied.owner = node;
      applied.ownerEpoch = epoch;
      applied.ownerN = 0n;
      ctx.emit({ kind: "owner", node, epoch, process });
      return;
    }
    default:
      ctx.reject(command, RejectCode.UNSUPPORTED, "a command of a kind that this version does not know");
  }
}

function ownersOnly(ctx: FoldContext, command: Command): boolean {
  if (ctx.batch.owner !== undefined) return true;
  ctx.reject(command, RejectCode.UNSUPPORTED, `${command.kind.case} is the owner's own command`);
  return false;
}

/** A control command happens once: sent again within the window it gets the same answer; one older than the window is refused. */
function once(ctx: FoldContext, command: Command, run: () => Outcome): void {
  const { id, issuedAtNs } = command;
  if (!isCommandId(id)) {
    ctx.reject(
      command,
      RejectCode.MALFORMED,
      `a ${command.kind.case} command needs an id of 1 to ${COMMAND_ID_CHARS_MAX} visible ASCII characters: it has ${quoted(id)}`,
    );
    return;
  }
  const kept = ctx.view.get(outcomeKey(id))?.outcome;
  if (kept !== undefined) {
    ctx.send(command, kept);
    return;
  }
  const expired = expiredText(id, issuedAtNs, ctx.atNs);
  if (expired !== undefined) {
    ctx.reject(command, RejectCode.EXPIRED_COMMAND, expired);
    return;
  }
  const outcome = run();
  const forgetAtNs = ctx.atNs + DEDUPE_WINDOW_NS + CLOCK_SKEW_NS;
  ctx.view.put(outcomeKey(id), init(OutcomeRecordSchema, { outcome, forgetAtNs }));
  ctx.setTimer(forgetAtNs, init(TimerRecordSchema, { kind: TimerKind.FORGET_OUTCOME, commandId: id }));
}
