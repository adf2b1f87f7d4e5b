/**
 * What ended lately: a ring of buckets over a sliding window.
 *
 * 1. An outcome costs the buckets that time has gone past since the last one, at most all of them.
 * 2. Time is the log's, so that every replica has the same window.
 */
import type { BreakerRecord } from "@holdfast/proto";
import { BREAKER_BUCKETS } from "../limits.js";

const MS = 1_000_000n;

export interface WindowCounts {
  readonly ended: number;
  readonly failed: number;
}

const bucketOf = (windowMs: number, atNs: bigint): bigint =>
  atNs / ((BigInt(windowMs) * MS) / BigInt(BREAKER_BUCKETS));

/** Forgets what is older than the window. */
function slide(record: BreakerRecord, bucket: bigint): void {
  const gone = bucket - record.bucket;
  if (record.ended.length !== BREAKER_BUCKETS || gone < 0n || gone >= BigInt(BREAKER_BUCKETS)) {
    clearWindow(record);
  } else {
    for (let at = record.bucket + 1n; at <= bucket; at++) {
      record.ended[Number(at % BigInt(BREAKER_BUCKETS))] = 0;
      record.failed[Number(at % BigInt(BREAKER_BUCKETS))] = 0;
    }
  }
  record.bucket = bucket;
}

export function clearWindow(record: BreakerRecord): void {
  record.ended = Array.from({ length: BREAKER_BUCKETS }, () => 0);
  record.failed = Array.from({ length: BREAKER_BUCKETS }, () => 0);
}

export function addToWindow(record: BreakerRecord, windowMs: number, atNs: bigint, failed: boolean): void {
  const bucket = bucketOf(windowMs, atNs);
  slide(record, bucket);
  const at = Number(bucket % BigInt(BREAKER_BUCKETS));
  record.ended[at] = (record.ended[at] ?? 0) + 1;
  if (failed) record.failed[at] = (record.failed[at] ?? 0) + 1;
}

/** What was added at a time is taken back, as far as the window still has it. */
export function takeFromWindow(
  record: BreakerRecord,
  windowMs: number,
  addedAtNs: bigint,
  failed: boolean,
): void {
  const bucket = bucketOf(windowMs, addedAtNs);
  if (record.ended.length !== BREAKER_BUCKETS || bucket > record.bucket) return;
  if (record.bucket - bucket >= BigInt(BREAKER_BUCKETS)) return;
  const at = Number(bucket % BigInt(BREAKER_BUCKETS));
  const [ended = 0, bad = 0] = [record.ended[at], record.failed[at]];
  // None of its kind is left where the window was cleared since.
  if (failed ? bad === 0 : ended === bad) return;
  record.ended[at] = ended - 1;
  if (failed) record.failed[at] = bad - 1;
}

/** Changes nothing. */
export function windowCounts(record: BreakerRecord, windowMs: number, atNs: bigint): WindowCounts {
  const now = bucketOf(windowMs, atNs);
  let ended = 0;
  let failed = 0;
  for (let back = 0n; back < BigInt(BREAKER_BUCKETS); back++) {
    const bucket = record.bucket - back;
    if (bucket < 0n || bucket + BigInt(BREAKER_BUCKETS) <= now) break;
    const at = Number(bucket % BigInt(BREAKER_BUCKETS));
    ended += record.ended[at] ?? 0;
    failed += record.failed[at] ?? 0;
  }
  return { ended, failed };
}

export const rateBp = ({ ended, failed }: WindowCounts): number =>
  ended === 0 ? 0 : Math.floor((failed * 10_000) / ended);
