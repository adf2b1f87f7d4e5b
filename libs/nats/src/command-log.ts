/**
 * The command log on JetStream: one file-backed stream for each partition.
 * Creates nothing; the streams are made with the cluster (`cluster-streams.ts`).
 */
import {
  type CommandLog,
  logFullText,
  type LogEntry,
  type LogInfo,
  logStream,
  logSubject,
  PortError,
} from "@holdfast/engine";
import type { Connection } from "./connection.js";
import { fromNats } from "./errors.js";
import type { JetStreamApi } from "./js-api.js";
import { readLog } from "./log-reader.js";
import type { StreamPublisher } from "./publisher.js";

/** Entries are kept small enough that the read-ahead's byte bound means something. */
export const ENTRY_BYTES_MAX = 1024 * 1024;
const FULL_LOOK_MS = 1_000;
/** Room that subject, reply and protocol take of a message's limit. */
const MESSAGE_HEADROOM_BYTES = 1_024;

/** The largest entry on a server with this `max_payload`. */
export function maxEntryBytes(maxPayloadBytes: number): number {
  return Math.min(ENTRY_BYTES_MAX, maxPayloadBytes - MESSAGE_HEADROOM_BYTES);
}

export class NatsCommandLog implements CommandLog {
  readonly maxEntryBytes: number;
  private readonly fullLooks = new Map<
    number,
    { readonly atMs: number; readonly info: Promise<LogInfo | undefined> }
  >();

  constructor(
    readonly partitions: number,
    private readonly connection: Connection,
    private readonly api: JetStreamApi,
    private readonly publisher: StreamPublisher,
  ) {
    this.maxEntryBytes = maxEntryBytes(connection.maxPayloadBytes);
  }

  async append(partition: number, data: Uint8Array): Promise<number> {
    this.check(partition);
    if (data.length > this.maxEntryBytes) {
      throw new PortError(
        "too-large",
        `an entry of ${data.length} bytes is over the limit of ${this.maxEntryBytes} for the log of partition ` +
          `${partition}; nothing was stored: split it, or send large payloads by reference`,
        { partition, bytes: data.length, maxBytes: this.maxEntryBytes },
      );
    }
    try {
      return (await this.publisher.publish(logStream(partition), logSubject(partition), data)).seq;
    } catch (thrown) {
      throw thrown instanceof PortError && thrown.code === "full"
        ? await this.full(partition, thrown)
        : thrown;
    }
  }

  /** The same with how large the log is and what to do. Looked up at most once in `FULL_LOOK_MS`, however many are refused. */
  private async full(partition: number, refusal: PortError): Promise<PortError> {
    const nowMs = performance.now();
    let look = this.fullLooks.get(partition);
    if (look === undefined || nowMs - look.atMs > FULL_LOOK_MS) {
      look = { atMs: nowMs, info: this.info(partition).catch(() => undefined) };
      this.fullLooks.set(partition, look);
    }
    const { bytes = 0, maxBytes = 0 } = (await look.info) ?? {};
    const details = { ...refusal.details, partition, stream: logStream(partition), bytes, maxBytes };
    return new PortError("full", `nothing was stored: ${logFullText(partition, bytes, maxBytes)}`, details, {
      cause: refusal,
    });
  }

  async info(partition: number): Promise<LogInfo> {
    this.check(partition);
    try {
      const { config, createdNs, firstSeq, lastSeq, bytes } = await this.api.streamInfo(logStream(partition));
      const limit = config.max_bytes ?? -1;
      return { createdNs, firstSeq, lastSeq, bytes, maxBytes: limit > 0 ? limit : undefined };
    } catch (thrown) {
      throw fromNats(thrown, `look at the log of partition ${partition}`);
    }
  }

  async entry(partition: number, seq: number): Promise<LogEntry | undefined> {
    this.check(partition);
    if (seq < 1) return undefined;
    try {
      const found = await this.api.message(logStream(partition), { seq });
      return found === undefined ? undefined : { seq: found.seq, atNs: found.atNs, data: found.data };
    } catch (thrown) {
      throw fromNats(thrown, `read entry ${seq} of the log of partition ${partition}`);
    }
  }

  read(partition: number, fromSeq: number, signal: AbortSignal): AsyncIterable<readonly LogEntry[]> {
    this.check(partition);
    return readLog({ connection: this.connection, api: this.api }, logStream(partition), fromSeq, signal);
  }

  private check(partition: number): void {
    if (Number.isInteger(partition) && partition >= 0 && partition < this.partitions) return;
    throw new RangeError(`there is no partition ${partition}: the cluster has ${this.partitions}, from 0 on`);
  }
}
