/**
 * Reads a file in LevelDB's log format (its write-ahead logs and its manifest), without changing it.
 * Source of the format: google/leveldb, `doc/log_format.md`.
 *
 * 1. Every record that is reported has a good checksum.
 * 2. A bad record that nothing valid follows is a torn tail: what a killed writer leaves, harmless.
 * 3. A bad record that something valid follows is a gap: LevelDB would skip it in silence.
 */
import { maskedCrc32c } from "./crc32c.js";

const BLOCK_BYTES = 32 * 1024;
const HEADER_BYTES = 7;
const FULL = 1;
const FIRST = 2;
const LAST = 4;

export interface LogRecords {
  /** Logical records in order; fragments are joined. */
  readonly records: Buffer[];
  /** Where the first damaged record stands, and whether anything valid follows it. */
  readonly damage: { readonly offset: number; readonly validAfter: boolean } | undefined;
}

interface Fragment {
  readonly type: number;
  readonly from: number;
  readonly to: number;
}

/** @param keepBytes how much of each record is kept, from its start; the checksum is always of all of it. */
export function readLogRecords(file: Buffer, keepBytes = Number.POSITIVE_INFINITY): LogRecords {
  const records: Buffer[] = [];
  let parts: Buffer[] = [];
  let at = 0;
  while (at < file.length) {
    const room = BLOCK_BYTES - (at % BLOCK_BYTES);
    if (room < HEADER_BYTES) {
      at += room;
      continue;
    }
    const fragment = fragmentAt(file, at, at + room);
    const opens = fragment?.type === FULL || fragment?.type === FIRST;
    if (fragment === undefined || opens !== (parts.length === 0)) {
      return {
        records,
        damage: { offset: at, validAfter: fragment !== undefined || validFragmentAfter(file, at) },
      };
    }
    parts.push(file.subarray(fragment.from, fragment.to));
    if (fragment.type === FULL || fragment.type === LAST) {
      records.push(joined(parts, keepBytes));
      parts = [];
    }
    at = fragment.to;
  }
  // A record that began and never ended: its writer was stopped in between.
  return { records, damage: parts.length === 0 ? undefined : { offset: file.length, validAfter: false } };
}

function joined(parts: Buffer[], keepBytes: number): Buffer {
  const first = parts[0] as Buffer;
  if (parts.length === 1 || first.length >= keepBytes) return first.subarray(0, keepBytes);
  return Buffer.concat(parts).subarray(0, keepBytes);
}

/** The fragment at `at`, or undefined where none is, or it is damaged. */
function fragmentAt(file: Buffer, at: number, blockEnd: number): Fragment | undefined {
  if (at + HEADER_BYTES > file.length) return undefined;
  const length = file.readUInt16LE(at + 4);
  const type = file[at + 6] as number;
  const from = at + HEADER_BYTES;
  const to = from + length;
  if (type < FULL || type > LAST || to > blockEnd || to > file.length) return undefined;
  if (file.readUInt32LE(at) !== maskedCrc32c(file, at + 6, to)) return undefined;
  return { type, from, to };
}

/**
 * Whether any valid fragment begins after a damaged one. The damage may be in the length itself, so each following byte of
 * its block is tried, then the starts of the blocks after it, where the writer always begins anew.
 */
function validFragmentAfter(file: Buffer, damagedAt: number): boolean {
  const blockStart = damagedAt - (damagedAt % BLOCK_BYTES);
  const blockEnd = blockStart + BLOCK_BYTES;
  for (let at = damagedAt + 1; at < Math.min(blockEnd, file.length) - HEADER_BYTES; at++) {
    if (fragmentAt(file, at, blockEnd)) return true;
  }
  for (let start = blockEnd; start < file.length; start += BLOCK_BYTES) {
    if (fragmentAt(file, start, start + BLOCK_BYTES)) return true;
  }
  return false;
}
