/**
 * Port: the command log, one ordered, durable stream for each partition.
 *
 * 1. `append` resolves only once the entry is durable; sequences are dense and start at 1.
 * 2. `read` delivers entries in order, contiguously, from exactly `fromSeq`, or fails: never over a gap.
 * 3. Nothing here decodes an entry.
 */

/** One entry as the log has it. */
export interface LogEntry {
  readonly seq: number;
  /** The log's own time of the entry, Unix nanoseconds; may run backwards between entries. */
  readonly atNs: bigint;
  readonly data: Uint8Array;
}

export interface LogInfo {
  /** When the log was created, Unix nanoseconds: tells one incarnation from another. */
  readonly createdNs: bigint;
  /** The oldest entry that is kept; `lastSeq + 1` when the log is empty. */
  readonly firstSeq: number;
  /** 0 when nothing was ever appended. */
  readonly lastSeq: number;
  readonly bytes: number;
  /** How many bytes it may have; undefined: there is no limit of its own. */
  readonly maxBytes?: number | undefined;
}

export interface CommandLog {
  /** How many partitions there are; fixed at the cluster's creation. */
  readonly partitions: number;
  /** The largest entry that `append` takes, in bytes. */
  readonly maxEntryBytes: number;
  /**
   * Appends one entry and resolves with its sequence once it is durable.
   * Rejects with a `PortError`: `too-large` and `full` were certainly not stored; `unknown-outcome` may have been.
   * Concurrent appends by one caller to one partition are stored in the order of the calls, unless one fails.
   */
  append(partition: number, data: Uint8Array): Promise<number>;
  info(partition: number): Promise<LogInfo>;
  /** One entry, or undefined where the log does not hold it. */
  entry(partition: number, seq: number): Promise<LogEntry | undefined>;
  /**
   * Entries from `fromSeq` on, then live ones, until `signal` aborts (the iteration then just ends).
   * Each step yields all that has arrived since the last, in order, bounded in count and bytes; nothing more is fetched than
   * a bounded read-ahead while the caller is busy. Survives reconnects. Throws `PortError` `log-gap` when
   * the log does not hold the next entry, was recreated, or ends before `fromSeq - 1`.
   */
  read(partition: number, fromSeq: number, signal: AbortSignal): AsyncIterable<readonly LogEntry[]>;
}
