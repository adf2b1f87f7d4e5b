/**
 * A partition's part in a bulk operation: writes down which of its runs match, comes to as many as it is granted, and reports.
 *
 * 1. Pieces are bounded and each counts once: a step that is not the next one changes nothing.
 * 2. What was written down is come to exactly once, or let go when the operation closes. A run that went on meanwhile has raced.
 * 3. Nothing is done whose result could not be reported.
 */
import {
  type BulkBegun,
  BulkCandidateRecordSchema,
  type BulkGranted,
  BulkPhase,
  type BulkResult,
  BulkResultKind,
  type BulkShareRecord,
  BulkShareRecordSchema,
  type BulkStep,
  BulkStepSchema,
  type BulkCandidateRecord,
  BulkKind,
  type BulkSpec,
  TimerKind,
  TimerRecordSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { FoldContext } from "../fold/context.js";
import type { Row } from "../fold/scans.js";
import { hasRoomFor } from "../fold/messages/send.js";
import { BULK_CLOSED_A_STEP, BULK_ROWS_A_STEP, BULK_WAIT_NS } from "../limits.js";
import { isRunId } from "../names.js";
import {
  bulkShareKey,
  candidateKey,
  candidatePrefix,
  candidateRun,
  prefixEnd,
  runKey,
} from "../state/tables.js";
import { actOn, heldUntil } from "./acts.js";
import { partOf, reportPart } from "./part.js";
import { filedRun, isOfMode, matches, passedOver, rangeFrom } from "./select.js";

/** `attempt` of a timer that wakes a share; with any other it is the operation's own. */
export const SHARE_WAITED = 1;

/** The next piece of work of a share; undefined: it has nothing to do now. */
export function nextBulkStep(operationId: string, share: BulkShareRecord): BulkStep | undefined {
  const { phase, spec, cursor } = share;
  if (spec === undefined) return undefined;
  if (phase === BulkPhase.MATCHING) {
    if (spec.byIds) return undefined;
    const range = rangeFrom(spec, cursor);
    return range && init(BulkStepSchema, { operationId, phase, ...range });
  }
  const prefix = candidatePrefix(operationId);
  const to = prefixEnd(prefix);
  if (phase === BulkPhase.ACTING) {
    if (share.waitUntilNs > 0n || (share.part?.handled ?? 0) >= share.granted) return undefined;
    return init(BulkStepSchema, { operationId, phase, from: cursor === "" ? prefix : cursor, to });
  }
  if (phase !== BulkPhase.CLOSING || share.part?.isClosed) return undefined;
  return init(BulkStepSchema, { operationId, phase, from: cursor === "" ? prefix : cursor, to });
}

function save(ctx: FoldContext, operationId: string, share: BulkShareRecord): void {
  ctx.view.put(bulkShareKey(operationId), share);
  if (nextBulkStep(operationId, share) !== undefined) ctx.emit({ kind: "bulk", operationId });
}

/** An operation begins here, or more of the runs that it names come. */
export function bulkBegun(ctx: FoldContext, { operationId, spec, runIds, last }: BulkBegun): void {
  if (!isRunId(operationId) || spec === undefined) return;
  const known = ctx.view.get(bulkShareKey(operationId));
  const share =
    known ?? init(BulkShareRecordSchema, { spec, phase: BulkPhase.MATCHING, beganAtNs: ctx.atNs });
  if (share.phase !== BulkPhase.MATCHING) return;
  for (const runId of runIds) {
    const run = isRunId(runId) ? ctx.view.get(runKey(runId)) : undefined;
    if (run !== undefined && !isNamed(spec, run)) continue;
    write(ctx, operationId, runId, run?.generation ?? 0, share);
  }
  if (spec.byIds && last) matched(ctx, operationId, share);
  save(ctx, operationId, share);
}

/** A named run of another mode or time than is asked for is left out; one that is not failed any more has raced. */
const isNamed = (spec: BulkSpec, run: NonNullable<Parameters<typeof isOfMode>[1]>): boolean => {
  if (!isOfMode(spec, run)) return false;
  const sinceNs = spec.kind === BulkKind.CANCEL ? run.createdAtNs : run.endedAtNs;
  return sinceNs >= spec.fromNs && (spec.untilNs === 0n || sinceNs < spec.untilNs);
};

function write(
  ctx: FoldContext,
  operationId: string,
  runId: string,
  generation: number,
  share: BulkShareRecord,
): void {
  const key = candidateKey(operationId, runId);
  // It failed again while the rest was looked through.
  if (ctx.view.get(key) !== undefined) return;
  ctx.view.put(key, init(BulkCandidateRecordSchema, { generation }));
  partOf(share).matched += 1;
}

function matched(ctx: FoldContext, operationId: string, share: BulkShareRecord): void {
  share.phase = BulkPhase.ACTING;
  share.cursor = "";
  partOf(share).isMatched = true;
  reportPart(ctx, operationId, share);
}

/** It may come to so many in all. */
export function bulkGranted(ctx: FoldContext, { operationId, runs }: BulkGranted): void {
  const share = shareOf(ctx, operationId);
  if (share?.phase !== BulkPhase.ACTING || runs <= share.granted) return;
  share.granted = Math.min(runs, partOf(share).matched);
  save(ctx, operationId, share);
}

/** What it has not come to is let go. */
export function bulkClosed(ctx: FoldContext, operationId: string): void {
  const share = shareOf(ctx, operationId);
  if (share === undefined || share.phase === BulkPhase.CLOSING) return;
  share.phase = BulkPhase.CLOSING;
  share.cursor = "";
  share.waitUntilNs = 0n;
  partOf(share).detail = "";
  save(ctx, operationId, share);
}

export function bulkForgotten(ctx: FoldContext, operationId: string): void {
  if (shareOf(ctx, operationId) !== undefined) ctx.view.del(bulkShareKey(operationId));
}

const shareOf = (ctx: FoldContext, operationId: string): BulkShareRecord | undefined =>
  isRunId(operationId) ? ctx.view.get(bulkShareKey(operationId)) : undefined;

/** A piece: `rows` are those that the step names, as they stood before this entry. */
export function foldStep(ctx: FoldContext, step: BulkStep, rows: readonly Row[]): void {
  const { operationId } = step;
  const share = shareOf(ctx, operationId);
  if (share?.spec === undefined) return;
  const next = nextBulkStep(operationId, share);
  if (next === undefined || next.phase !== step.phase || next.from !== step.from || next.to !== step.to)
    return;
  if (step.phase === BulkPhase.MATCHING) look(ctx, step, share, share.spec, rows);
  else if (step.phase === BulkPhase.ACTING) act(ctx, operationId, share, share.spec, rows);
  else letGo(ctx, operationId, share, rows);
  save(ctx, operationId, share);
}

function look(
  ctx: FoldContext,
  { operationId, to }: BulkStep,
  share: BulkShareRecord,
  spec: BulkSpec,
  rows: readonly Row[],
): void {
  share.cursor = rows.length < BULK_ROWS_A_STEP ? to : `${rows.at(-1)?.[0]}\0`;
  for (const [key] of rows) {
    const beyond = passedOver(spec, key);
    if (beyond !== undefined) {
      share.cursor = beyond;
      break;
    }
    const runId = filedRun(key);
    const run = ctx.view.get(runKey(runId));
    if (run === undefined || !matches(ctx.view, spec, run, share.beganAtNs)) continue;
    write(ctx, operationId, runId, run.generation, share);
  }
  if (rangeFrom(spec, share.cursor) === undefined) matched(ctx, operationId, share);
}

function act(
  ctx: FoldContext,
  operationId: string,
  share: BulkShareRecord,
  spec: BulkSpec,
  rows: readonly Row[],
): void {
  if (!hasRoomFor(ctx, operationId)) {
    waitUntil(ctx, operationId, share, ctx.atNs + BULK_WAIT_NS, "its results find no room");
    return;
  }
  const part = partOf(share);
  part.detail = "";
  const results: BulkResult[] = [];
  for (const [key, record] of rows) {
    if (part.handled >= share.granted) break;
    const runId = candidateRun(key);
    const held = spec.canaryFirst > 0 && !spec.dryRun ? heldUntil(ctx, runId) : undefined;
    if (held !== undefined) {
      waitUntil(ctx, operationId, share, held.untilNs, held.detail);
      break;
    }
    share.cursor = `${key}\0`;
    ctx.view.del(key);
    const result = actOn({ ctx, operationId, spec }, runId, (record as BulkCandidateRecord).generation);
    part.handled += 1;
    if (setsOff(spec, result)) part.setOff += 1;
    results.push(result);
  }
  if (results.length > 0 || share.waitUntilNs > 0n) reportPart(ctx, operationId, share, results);
}

const setsOff = ({ kind, dryRun }: BulkSpec, result: BulkResult): boolean =>
  kind === BulkKind.RETRY && !dryRun && result.kind === BulkResultKind.DONE;

function waitUntil(
  ctx: FoldContext,
  operationId: string,
  share: BulkShareRecord,
  untilNs: bigint,
  detail: string,
): void {
  share.waitUntilNs = untilNs;
  partOf(share).detail = detail;
  ctx.setTimer(
    untilNs,
    init(TimerRecordSchema, { kind: TimerKind.BULK, runId: operationId, attempt: SHARE_WAITED }),
  );
}

/** The time that it waited for has come. */
export function shareWaited(ctx: FoldContext, operationId: string): void {
  const share = shareOf(ctx, operationId);
  if (share === undefined || share.waitUntilNs === 0n || share.waitUntilNs > ctx.atNs) return;
  share.waitUntilNs = 0n;
  save(ctx, operationId, share);
}

function letGo(ctx: FoldContext, operationId: string, share: BulkShareRecord, rows: readonly Row[]): void {
  for (const [key] of rows) {
    share.cursor = `${key}\0`;
    ctx.view.del(key);
  }
  if (rows.length === BULK_CLOSED_A_STEP) return;
  partOf(share).isClosed = true;
  reportPart(ctx, operationId, share);
}
