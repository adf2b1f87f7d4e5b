/**
 * A bulk operation, in the partition that its id belongs to: asks every partition which of its runs match, lets them come to so many
 * at a time, keeps each run's result, and says what it came to.
 *
 * 1. done + raced + refused is what it came to, each run once, and what of its list can be no run id; what was pruned is counted beside it.
 * 2. The first wave begins once all that match are known; the next when all runs of the last one have ended, and half of them better.
 * 3. It goes on whoever asked for it, admin service or node, has gone: all of it is state, and messages between partitions.
 */
import {
  type BulkCounts,
  BulkCountsSchema,
  BulkEndsSchema,
  type BulkPart,
  type BulkRecord,
  BulkRefusalsSchema,
  type BulkReported,
  type BulkResult,
  BulkResultKind,
  BulkResultsRecordSchema,
  BulkStatus,
  type PartitionMessage,
  TimerKind,
  TimerRecordSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { FoldContext } from "../fold/context.js";
import { sendMessage } from "../fold/messages/send.js";
import { BULK_KEPT_NS, BULK_PAGES_GONE_AT_ONCE, BULK_REFUSALS_MAX, BULK_RUNS_A_STEP } from "../limits.js";
import { isRunId } from "../names.js";
import { bulkKey, bulkResultsKey } from "../state/tables.js";
import { type BulkIds, wrongResults } from "./ids.js";
import { allEnds, outstandingOf } from "./part.js";

const OPEN: ReadonlySet<BulkStatus> = new Set([BulkStatus.MATCHING, BulkStatus.RUNNING, BulkStatus.WAITING]);
const OTHER_REASONS = "other reasons";

/** Whether it may come to further runs. */
export const isBulkOpen = (status: BulkStatus): boolean => OPEN.has(status);
/** Whether it has nothing more to do. */
export const isBulkEnded = (status: BulkStatus): boolean =>
  !OPEN.has(status) && status !== BulkStatus.CLOSING;

export const tellPart = (ctx: FoldContext, to: number, kind: PartitionMessage["kind"]): void =>
  sendMessage(ctx, to, { kind });

/** A partition has come further. */
export function bulkReported(
  ctx: FoldContext,
  { operationId, partition, part, results }: BulkReported,
): void {
  const record = isRunId(operationId) ? ctx.view.get(bulkKey(operationId)) : undefined;
  if (record === undefined || part === undefined || partition >= record.parts.length) return;
  record.parts[partition] = part;
  if (results.length > 0) keepPage(ctx, operationId, record, results);
  goOn(ctx, operationId, record);
  ctx.view.put(bulkKey(operationId), record);
}

function keepPage(ctx: FoldContext, operationId: string, record: BulkRecord, results: BulkResult[]): void {
  ctx.view.put(bulkResultsKey(operationId, record.pages), init(BulkResultsRecordSchema, { results }));
  record.pages += 1;
  const counts = (record.counts ??= init(BulkCountsSchema));
  for (const result of results) count(counts, result);
}

/** It begins with what can be no run id: no partition has such a one, so the operation itself refuses it. */
export function refuseWrongIds(
  ctx: FoldContext,
  operationId: string,
  record: BulkRecord,
  ids: BulkIds,
): void {
  record.wrongIds = ids.wrongIds.length;
  const results = wrongResults(ids);
  for (let at = 0; at < results.length; at += BULK_RUNS_A_STEP)
    keepPage(ctx, operationId, record, results.slice(at, at + BULK_RUNS_A_STEP));
}

function count(counts: BulkCounts, { kind, why, items }: BulkResult): void {
  if (kind === BulkResultKind.DONE) {
    counts.done += 1n;
    counts.items += BigInt(items);
  } else if (kind === BulkResultKind.RACED) counts.raced += 1n;
  else if (kind === BulkResultKind.PRUNED) counts.pruned += 1n;
  else {
    counts.refused += 1n;
    const { refusals } = counts;
    const words = refusals.length < BULK_REFUSALS_MAX ? why : OTHER_REASONS;
    const known = refusals.find((each) => each.why === why) ?? refusals.find((each) => each.why === words);
    if (known === undefined) refusals.push(init(BulkRefusalsSchema, { why: words, count: 1n }));
    else known.count += 1n;
  }
}

function goOn(ctx: FoldContext, operationId: string, record: BulkRecord): void {
  const { parts, spec } = record;
  if (record.status === BulkStatus.CLOSING) {
    if (parts.every(({ isClosed }) => isClosed)) end(ctx, operationId, record);
    return;
  }
  if (!OPEN.has(record.status)) return;
  if (record.status === BulkStatus.MATCHING) {
    if (!parts.every(({ isMatched }) => isMatched)) return;
    const found = sum(parts, ({ matched }) => matched);
    record.total = BigInt(spec?.limit ? Math.min(spec.limit, found) : found);
    nextWave(ctx, operationId, record);
    return;
  }
  const handled = sum(parts, (part) => part.handled);
  record.detail = parts.find(({ detail }) => detail !== "")?.detail ?? "";
  if (handled < sum(record.granted, (runs) => runs)) return;
  if (BigInt(handled) >= record.total) {
    closeBulk(ctx, operationId, record, BulkStatus.COMPLETED);
    return;
  }
  const outstanding = sum(parts, outstandingOf);
  if (outstanding > 0) {
    record.status = BulkStatus.WAITING;
    record.detail = `waits for the end of ${outstanding} of wave ${record.wave}`;
    return;
  }
  const now = endsOf(parts);
  const ended = allEnds(now) - allEnds(record.beforeWave);
  const noBetter = Number(now.noBetter - (record.beforeWave?.noBetter ?? 0n));
  if (ended > 0 && noBetter * 2 > ended) {
    record.detail = `halted: of the ${ended} that wave ${record.wave} set off, ${noBetter} are no better than before`;
    closeBulk(ctx, operationId, record, BulkStatus.HALTED);
  } else nextWave(ctx, operationId, record);
}

function nextWave(ctx: FoldContext, operationId: string, record: BulkRecord): void {
  const { spec, parts, granted } = record;
  const given = sum(granted, (runs) => runs);
  const left = Number(record.total) - given;
  if (left <= 0) {
    closeBulk(ctx, operationId, record, BulkStatus.COMPLETED);
    return;
  }
  const size = (record.wave === 0 ? spec?.canaryFirst : spec?.canaryThen) || left;
  record.wave += 1;
  record.status = BulkStatus.RUNNING;
  record.detail = "";
  record.beforeWave = endsOf(parts);
  for (let more = Math.min(size, left); more > 0; ) {
    // Evenly: no partition's work stands alone for all.
    const open = parts.flatMap(({ matched }, at) => ((granted[at] as number) < matched ? [at] : []));
    const each = Math.max(1, Math.floor(more / open.length));
    for (const at of open) {
      const runs = Math.min(each, more, (parts[at] as BulkPart).matched - (granted[at] as number));
      granted[at] = (granted[at] as number) + runs;
      more -= runs;
    }
  }
  parts.forEach(({ handled }, to) => {
    const runs = granted[to] as number;
    if (runs <= handled) return;
    tellPart(ctx, to, {
      case: "bulkGranted",
      value: { $typeName: "holdfast.v1.BulkGranted", operationId, runs },
    });
  });
}

/** Every partition lets go of what it has not come to; then it has ended. */
export function closeBulk(ctx: FoldContext, operationId: string, record: BulkRecord, as: BulkStatus): void {
  record.closingAs = as;
  record.status = BulkStatus.CLOSING;
  if (as === BulkStatus.COMPLETED) record.detail = "";
  const toClose = record.parts.flatMap((part, to) => (part.isClosed ? [] : [{ part, to }]));
  for (const { to } of toClose)
    tellPart(ctx, to, { case: "bulkClosed", value: { $typeName: "holdfast.v1.BulkClosed", operationId } });
  if (toClose.length === 0) end(ctx, operationId, record);
}

function end(ctx: FoldContext, operationId: string, record: BulkRecord): void {
  record.status = record.closingAs;
  record.endedAtNs = ctx.atNs;
  forgetAt(ctx, operationId, ctx.atNs + BULK_KEPT_NS);
}

const forgetAt = (ctx: FoldContext, operationId: string, atNs: bigint): unknown =>
  ctx.setTimer(atNs, init(TimerRecordSchema, { kind: TimerKind.BULK, runId: operationId }));

/** It was kept for long enough: it goes, in pieces where there is much of it. */
export function forgetBulk(ctx: FoldContext, operationId: string): void {
  const record = ctx.view.get(bulkKey(operationId));
  if (record === undefined || !isBulkEnded(record.status)) return;
  const upTo = Math.min(record.pages, record.pagesGone + BULK_PAGES_GONE_AT_ONCE);
  for (; record.pagesGone < upTo; record.pagesGone++)
    ctx.view.del(bulkResultsKey(operationId, record.pagesGone));
  if (record.pagesGone < record.pages) {
    ctx.view.put(bulkKey(operationId), record);
    forgetAt(ctx, operationId, ctx.atNs);
    return;
  }
  ctx.view.del(bulkKey(operationId));
  ctx.applied.bulkOperations -= 1;
  record.parts.forEach((_, to) => {
    tellPart(ctx, to, {
      case: "bulkForgotten",
      value: { $typeName: "holdfast.v1.BulkForgotten", operationId },
    });
  });
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  let total = 0;
  for (const value of values) total += of(value);
  return total;
}

/** Of all partitions together. */
export function endsOf(parts: readonly BulkPart[]) {
  const all = init(BulkEndsSchema);
  for (const { ends } of parts) {
    if (ends === undefined) continue;
    all.completed += ends.completed;
    all.completedWithFailures += ends.completedWithFailures;
    all.failed += ends.failed;
    all.cancelled += ends.cancelled;
    all.noBetter += ends.noBetter;
  }
  return all;
}
