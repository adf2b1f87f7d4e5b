/**
 *
 * 1. An append is visible to `info`, `entry` and `read` once it has resolved.
 * 2. Time is the caller's: nothing here reads a clock.
 */
import { type CommandLog, type LogEntry, type LogInfo, PortError } from "../ports/index.js";

/** What one step of `read` yields at most. */
export const READ_STEP_ENTRIES = 1_000;
export const READ_STEP_BYTES = 4 * 1024 * 1024;

export interface MemoryCommandLogOptions {
  readonly partitions: number;
  /** Default 1 MiB. */
  readonly maxEntryBytes?: number;
  /** Of one partition's log; beyond it appends are refused as `full`. Default: no limit. */
  readonly maxBytes?: number;
  /** The log's time of the next entry, Unix nanoseconds. */
  readonly nowNs: () => bigint;
}

interface PartitionLog {
  createdNs: bigint;
  firstSeq: number;
  entries: LogEntry[];
  bytes: number;
  waiting: Set<() => void>;
}

export class MemoryCommandLog implements CommandLog {
  readonly partitions: number;
  readonly maxEntryBytes: number;
  readonly #maxBytes: number;
  readonly #nowNs: () => bigint;
  readonly #logs: PartitionLog[];

  constructor(options: MemoryCommandLogOptions) {
    this.partitions = options.partitions;
    this.maxEntryBytes = options.maxEntryBytes ?? 1024 * 1024;
    this.#maxBytes = options.maxBytes ?? Number.POSITIVE_INFINITY;
    this.#nowNs = options.nowNs;
    const createdNs = options.nowNs();
    this.#logs = Array.from({ length: options.partitions }, () => ({
      createdNs,
      firstSeq: 1,
      entries: [],
      bytes: 0,
      waiting: new Set(),
    }));
  }

  async append(partition: number, data: Uint8Array): Promise<number> {
    const log = this.#log(partition);
    if (data.length > this.maxEntryBytes) {
      throw new PortError(
        "too-large",
        `an entry of ${data.length} bytes is over the limit of ${this.maxEntryBytes}; nothing was stored: split it`,
        { partition, bytes: data.length, maxBytes: this.maxEntryBytes },
      );
    }
    if (log.bytes + data.length > this.#maxBytes) {
      throw new PortError("full", `the log of partition ${partition} is full; nothing was stored`, {
        partition,
      });
    }
    const seq = log.firstSeq + log.entries.length;
    log.entries.push({ seq, atNs: this.#nowNs(), data: data.slice() });
    log.bytes += data.length;
    wakeAll(log);
    return seq;
  }

  async info(partition: number): Promise<LogInfo> {
    const { createdNs, firstSeq, entries, bytes } = this.#log(partition);
    return { createdNs, firstSeq, lastSeq: firstSeq + entries.length - 1, bytes, ...this.#limit };
  }

  get #limit(): { maxBytes?: number } {
    return Number.isFinite(this.#maxBytes) ? { maxBytes: this.#maxBytes } : {};
  }

  async entry(partition: number, seq: number): Promise<LogEntry | undefined> {
    const { firstSeq, entries } = this.#log(partition);
    return entries[seq - firstSeq];
  }

  read(partition: number, fromSeq: number, signal: AbortSignal): AsyncIterable<readonly LogEntry[]> {
    const log = this.#log(partition);
    if (!Number.isSafeInteger(fromSeq) || fromSeq < 1) {
      throw new RangeError(`a log is read from entry 1 or a later one, not from ${fromSeq}`);
    }
    return readFrom(log, partition, fromSeq, signal);
  }

  /** Removes the entries before `firstSeq`, as a trim after a snapshot does. */
  trim(partition: number, firstSeq: number): void {
    const log = this.#log(partition);
    const gone = log.entries.splice(0, Math.max(0, firstSeq - log.firstSeq));
    for (const { data } of gone) log.bytes -= data.length;
    log.firstSeq += gone.length;
  }

  /** Loses the entries after `lastSeq`, as an older copy of the store does. */
  loseTail(partition: number, lastSeq: number): void {
    const log = this.#log(partition);
    const gone = log.entries.splice(Math.max(0, lastSeq - log.firstSeq + 1));
    for (const { data } of gone) log.bytes -= data.length;
    wakeAll(log);
  }

  /** Deletes a log and makes it anew, empty. */
  recreate(partition: number): void {
    const log = this.#log(partition);
    const nowNs = this.#nowNs();
    log.createdNs = nowNs > log.createdNs ? nowNs : log.createdNs + 1n;
    log.firstSeq = 1;
    log.entries = [];
    log.bytes = 0;
    wakeAll(log);
  }

  #log(partition: number): PartitionLog {
    const log = this.#logs[partition];
    if (log !== undefined) return log;
    throw new RangeError(`there is no partition ${partition}: the cluster has ${this.partitions}, from 0 on`);
  }
}

async function* readFrom(
  log: PartitionLog,
  partition: number,
  fromSeq: number,
  signal: AbortSignal,
): AsyncGenerator<readonly LogEntry[]> {
  const { createdNs } = log;
  let nextSeq = fromSeq;
  let last: LogEntry | undefined;
  while (!signal.aborted) {
    const why = gapBefore(log, nextSeq, createdNs, last);
    if (why !== undefined) {
      throw new PortError(
        "log-gap",
        `the log of partition ${partition} can't be read from entry ${nextSeq}: ${why}`,
        {
          partition,
          nextSeq,
        },
      );
    }
    const batch = step(log, nextSeq);
    last = batch.at(-1) ?? last;
    nextSeq += batch.length;
    if (batch.length > 0) yield batch;
    else await arrival(log, signal);
  }
}

function gapBefore(
  log: PartitionLog,
  nextSeq: number,
  createdNs: bigint,
  last: LogEntry | undefined,
): string | undefined {
  const lastSeq = log.firstSeq + log.entries.length - 1;
  if (log.createdNs !== createdNs) return "it was deleted and created again";
  if (nextSeq < log.firstSeq) return `it begins at ${log.firstSeq}: older entries were trimmed`;
  if (nextSeq > lastSeq + 1) return `it ends at ${lastSeq}: its newest entries were lost`;
  const kept = last === undefined ? undefined : log.entries[last.seq - log.firstSeq];
  if (last !== undefined && last.seq >= log.firstSeq && kept !== last) {
    return `its entry ${last.seq} is not the one that was read before`;
  }
  return undefined;
}

function step(log: PartitionLog, fromSeq: number): readonly LogEntry[] {
  const batch: LogEntry[] = [];
  let bytes = 0;
  for (let at = fromSeq - log.firstSeq; batch.length < READ_STEP_ENTRIES; at++) {
    const entry = log.entries[at];
    if (entry === undefined) break;
    bytes += entry.data.length;
    if (bytes > READ_STEP_BYTES && batch.length > 0) break;
    batch.push(entry);
  }
  return batch;
}

function arrival(log: PartitionLog, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      log.waiting.delete(done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    log.waiting.add(done);
    signal.addEventListener("abort", done);
  });
}

function wakeAll(log: PartitionLog): void {
  for (const wake of [...log.waiting]) wake();
}
