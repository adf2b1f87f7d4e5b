/**
 * The command log on JetStream: one file-backed stream for each partition.
 * Creates nothing; the streams are made with the cluster (`cluster-streams.ts`).
 */
import {
  type CommandLog,
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
/** Room that subject, reply and protocol take of a message's limit. */
const MESSAGE_HEADROOM_BYTES = 1_024;

/** The largest entry on a server with this `max_payload`. */
export function maxEntryBytes(maxPayloadBytes: number): number {
  return Math.min(ENTRY_BYTES_MAX, maxPayloadBytes - MESSAGE_HEADROOM_BYTES);
}

export class NatsCommandLog implements CommandLog {
  readonly maxEntryBytes: number;

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
    const ack = await this.publisher.publish(logStream(partition), logSubject(partition), data);
    return ack.seq;
  }

  async info(partition: number): Promise<LogInfo> {
    this.check(partition);
    try {
      const { createdNs, firstSeq, lastSeq, bytes } = await this.api.streamInfo(logStream(partition));
      return { createdNs, firstSeq, lastSeq, bytes };
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
