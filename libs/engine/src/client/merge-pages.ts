/**
 * One page of a list out of all partitions: each has its rows newest first, and they are merged by their times.
 *
 * 1. A page is in order, and the pages of one list show each row that was there at its begin once.
 * 2. A page ends where its rows have so many bytes that an answer holds no more, whatever was asked for; one row it always has.
 * 3. A row is only shown when no partition can still have a newer one: a partition that must look further is asked again.
 */
import { decodeListToken, encodeListToken, type ListKind, type PartitionCursor } from "./page-token.js";

/** A partition's rows, newest first. */
export interface PartAnswer<T> {
  readonly rows: readonly T[];
  /** One for each row: where to go on after it. */
  readonly cursors: readonly Uint8Array[];
  readonly more: boolean;
  /** Where to go on after all that was looked at. */
  readonly next: Uint8Array;
}

export interface PartQuestion {
  readonly partition: number;
  /** Empty: from the newest. */
  readonly cursor: Uint8Array;
  readonly limit: number;
  /** Unix nanoseconds; rows from then on are not of this page: as asked for, or since they came after the list began. 0: any. */
  readonly beforeNs: bigint;
}

export interface MergedList<T> {
  readonly kind: ListKind;
  /** Spells the filters: a token of one list does not fit another. */
  readonly list: string;
  readonly partitions: number;
  readonly pageSize: number;
  readonly pageToken: string;
  /** Unix nanoseconds; 0: no bound. */
  readonly beforeNs: bigint;
  readonly timeNs: (row: T) => bigint;
  /** Tells rows of one time apart, so that their order is the same each time. */
  readonly name: (row: T) => string;
  /** About how many bytes it has, and rather too many. */
  readonly bytesOf: (row: T) => number;
  readonly ask: (question: PartQuestion) => Promise<PartAnswer<T>>;
}

export interface MergedPage<T> {
  /** Newest first. May be fewer than asked for, even none, where filters leave little: go on while there is a token. */
  readonly rows: T[];
  /** Empty: no more. */
  readonly nextPageToken: string;
}

/** Of the rows of one page: common clients take answers up to 4 MiB. */
export const PAGE_BYTES_MAX = 3 * 1024 * 1024;
/** Rounds of questions for one page; a filter that matches almost nothing ends the page early. */
const ROUNDS_MAX = 32;
/** At least so many rows are asked of a partition at once. */
const CHUNK_MIN = 8;

interface Source<T> {
  readonly partition: number;
  /** Behind what was taken. */
  position: PartitionCursor;
  buffer: PartAnswer<T> | undefined;
  taken: number;
}

export async function mergePages<T>(list: MergedList<T>): Promise<MergedPage<T>> {
  const { partitions, pageSize, pageToken } = list;
  const from = pageToken === "" ? undefined : decodeListToken(list.kind, pageToken, list.list, partitions);
  const sources = Array.from({ length: partitions }, (_, partition): Source<T> => {
    return { partition, position: from?.cursors[partition] ?? { at: "start" }, buffer: undefined, taken: 0 };
  });
  const beforeNs = boundOf(list.beforeNs, from?.lastNs ?? 0n);
  const rows: T[] = [];
  const room = { bytes: PAGE_BYTES_MAX };
  for (let round = 0; round < ROUNDS_MAX && rows.length < pageSize && room.bytes > 0; round++) {
    const hungry = sources.filter((source) => source.position.at !== "end" && next(source) === undefined);
    await Promise.all(hungry.map((source) => refill(source, list, beforeNs)));
    merge(sources, rows, list, room);
    if (sources.every((source) => source.position.at === "end")) return { rows, nextPageToken: "" };
  }
  const last = rows.at(-1);
  const lastNs = last === undefined ? (from?.lastNs ?? 0n) : list.timeNs(last);
  const cursors = sources.map((source) => source.position);
  return { rows, nextPageToken: encodeListToken(list.kind, list.list, { cursors, lastNs }) };
}

/** What came since the list began would show out of order; rows as old as the last shown may still come. */
function boundOf(wantedNs: bigint, lastNs: bigint): bigint {
  const shownNs = lastNs === 0n ? 0n : lastNs + 1n;
  return wantedNs === 0n || (shownNs !== 0n && shownNs < wantedNs) ? shownNs : wantedNs;
}

async function refill<T>(source: Source<T>, list: MergedList<T>, beforeNs: bigint): Promise<void> {
  const { position, partition } = source;
  const cursor = position.at === "cursor" ? position.cursor : new Uint8Array();
  const limit = Math.min(
    list.pageSize,
    Math.max(CHUNK_MIN, Math.ceil((list.pageSize * 2) / list.partitions)),
  );
  const answer = await list.ask({ partition, cursor, limit, beforeNs });
  source.buffer = answer;
  source.taken = 0;
  if (answer.rows.length === 0) source.position = behind(answer);
}

/** Takes the newest row again and again, as long as every partition that is not at its end has one to compare. */
function merge<T>(
  sources: readonly Source<T>[],
  rows: T[],
  list: MergedList<T>,
  room: { bytes: number },
): void {
  while (rows.length < list.pageSize && room.bytes > 0) {
    let newest: Source<T> | undefined;
    let newestRow: T | undefined;
    for (const source of sources) {
      const row = next(source);
      if (row === undefined) {
        if (source.position.at !== "end") return;
      } else if (newestRow === undefined || isNewer(list, row, newestRow)) {
        newest = source;
        newestRow = row;
      }
    }
    if (newest === undefined || newestRow === undefined) return;
    const bytes = list.bytesOf(newestRow);
    if (rows.length > 0 && bytes > room.bytes) {
      room.bytes = 0;
      return;
    }
    room.bytes -= bytes;
    rows.push(newestRow);
    take(newest);
  }
}

function next<T>(source: Source<T>): T | undefined {
  return source.buffer?.rows[source.taken];
}

function take<T>(source: Source<T>): void {
  const { buffer } = source;
  const cursor = buffer?.cursors[source.taken++];
  if (buffer === undefined || cursor === undefined) return;
  source.position = source.taken < buffer.rows.length ? { at: "cursor", cursor } : behind(buffer);
}

function behind<T>(answer: PartAnswer<T>): PartitionCursor {
  return answer.more ? { at: "cursor", cursor: answer.next } : { at: "end" };
}

function isNewer<T>({ timeNs, name }: MergedList<T>, a: T, b: T): boolean {
  const aNs = timeNs(a);
  const bNs = timeNs(b);
  return aNs === bNs ? name(a) > name(b) : aNs > bNs;
}
