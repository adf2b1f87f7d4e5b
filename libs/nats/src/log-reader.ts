/**
 * Reads one partition's log in order, for ever, and never over a gap.
 *
 * 1. Each attach compares the stream with what was read so far: the same stream, nothing missing before the next entry,
 *    and the entry before it still the one that was delivered.
 * 2. Sequences are contiguous, whatever the server sends.
 */
import { type LogEntry, PortError } from "@holdfast/engine";
import type { Msg } from "nats";
import { ackSubject, plainBytes } from "./delivery.js";
import type { Connection } from "./connection.js";
import { fromNats, JS_ERR, JsApiError } from "./errors.js";
import type { JetStreamApi, StreamInfo } from "./js-api.js";
import { PullFeed } from "./pull-feed.js";
import type { PullOwner } from "./pull-owner.js";

/** Read ahead for one partition; 16 of them make 64 MiB. */
export const READ_AHEAD_ENTRIES = 1_000;
export const READ_AHEAD_BYTES = 4 * 1024 * 1024;
/** A consumer whose reader is gone is removed by the server after this. */
const CONSUMER_INACTIVE_MS = 30_000;
/** What a message is more than its data to the server's byte limit, about. */
const MESSAGE_OVERHEAD_BYTES = 128;
/** With nothing arriving for this long, the stream is asked whether there is anything. */
const LAG_CHECK_MS = 5_000;

export function readLog(
  deps: { readonly connection: Connection; readonly api: JetStreamApi },
  stream: string,
  fromSeq: number,
  signal: AbortSignal,
): AsyncIterable<readonly LogEntry[]> {
  if (!Number.isSafeInteger(fromSeq) || fromSeq < 1) {
    throw new RangeError(`a log is read from entry 1 or a later one, not from ${fromSeq}`);
  }
  const owner = new LogOwner(deps.connection, deps.api, stream, fromSeq);
  return new PullFeed(deps.connection, owner, signal).batches();
}

class LogOwner implements PullOwner<LogEntry> {
  readonly what: string;
  readonly bounds = { messages: READ_AHEAD_ENTRIES, bytes: READ_AHEAD_BYTES };
  private createdNs: bigint | undefined;
  private last: { readonly seq: number; readonly atNs: bigint; readonly bytes: number } | undefined;
  private generation = 0;
  private readonly consumerPrefix = `hf_${crypto.randomUUID().replaceAll("-", "")}_`;
  private lag: { readonly seq: number; readonly checkedMs: number } | undefined;

  constructor(
    private readonly connection: Connection,
    private readonly api: JetStreamApi,
    readonly stream: string,
    private nextSeq: number,
  ) {
    this.what = `the log ${stream}`;
  }

  async attach(): Promise<string> {
    const consumer = this.consumerPrefix + ++this.generation;
    try {
      // The order matters: a stream that was recreated after its consumer was made has lost that consumer too.
      await this.api.createConsumer(this.stream, consumer, {
        deliver_policy: "by_start_sequence",
        opt_start_seq: this.nextSeq,
        ack_policy: "none",
        replay_policy: "instant",
        max_deliver: 1,
        mem_storage: true,
        num_replicas: 1,
        inactive_threshold: CONSUMER_INACTIVE_MS * 1e6,
      });
      const info = await this.api.streamInfo(this.stream);
      this.checkIncarnation(info);
      this.checkBounds(info);
      await this.checkLast(info);
      this.createdNs = info.createdNs;
      this.lag = undefined;
      return consumer;
    } catch (thrown) {
      this.detach(consumer);
      if (thrown instanceof JsApiError && thrown.errCode === JS_ERR.streamNotFound) {
        throw this.gap("there is no such stream", {});
      }
      throw fromNats(thrown, `read ${this.what} from entry ${this.nextSeq}`);
    }
  }

  detach(consumer: string): void {
    if (!this.connection.isUp) return;
    // Best effort: the server removes an idle consumer by itself.
    this.api.deleteConsumer(this.stream, consumer).catch(() => undefined);
  }

  accept(message: Msg): { item: LogEntry; bytes: number } | undefined {
    const place = ackSubject(message.reply ?? "");
    if (place === undefined || place.streamSeq !== this.nextSeq) return undefined;
    const data = plainBytes(message.data);
    const { atNs } = place;
    this.last = { seq: this.nextSeq, atNs, bytes: data.length };
    this.nextSeq++;
    return { item: { seq: place.streamSeq, atNs, data }, bytes: data.length + MESSAGE_OVERHEAD_BYTES };
  }

  async idle(silentForMs: number): Promise<boolean> {
    const nowMs = performance.now();
    if (silentForMs < LAG_CHECK_MS || nowMs - (this.lag?.checkedMs ?? 0) < LAG_CHECK_MS) return false;
    const asked = this.nextSeq;
    // Two checks in a row that find an entry which has not come: one alone may have met an entry on its way.
    const before = this.lag?.seq;
    this.lag = { seq: 0, checkedMs: nowMs };
    const info = await this.api.streamInfo(this.stream);
    const behind = info.lastSeq >= asked && this.nextSeq === asked;
    this.lag = { seq: behind ? asked : 0, checkedMs: nowMs };
    return (behind && before === asked) || info.createdNs !== this.createdNs;
  }

  private checkIncarnation(info: StreamInfo): void {
    if (this.createdNs === undefined || info.createdNs === this.createdNs) return;
    throw this.gap("the stream was deleted and created again", {
      createdNs: info.createdNs,
      expectedCreatedNs: this.createdNs,
    });
  }

  private checkBounds(info: StreamInfo): void {
    const { firstSeq, lastSeq } = info;
    if (this.nextSeq < firstSeq) {
      throw this.gap(`it begins at ${firstSeq}: older entries were trimmed`, { firstSeq, lastSeq });
    }
    if (this.nextSeq > lastSeq + 1) {
      throw this.gap(`it ends at ${lastSeq}: its newest entries were lost`, { firstSeq, lastSeq });
    }
  }

  /** A restored older copy that was written on since has the right sequences and other entries. */
  private async checkLast(info: StreamInfo): Promise<void> {
    const { last } = this;
    if (last === undefined || last.seq < info.firstSeq) return;
    const kept = await this.api.message(this.stream, { seq: last.seq });
    if (kept !== undefined && kept.atNs === last.atNs && kept.data.length === last.bytes) return;
    throw this.gap(`its entry ${last.seq} is not the one that was read before`, { seq: last.seq });
  }

  private gap(why: string, details: Readonly<Record<string, unknown>>): PortError {
    return new PortError(
      "log-gap",
      `${this.what} can't be read from entry ${this.nextSeq}: ${why}. Nothing is folded over a gap: bring back the ` +
        "stream's own data, or restore a snapshot that goes beyond the gap",
      { ...details, stream: this.stream, nextSeq: this.nextSeq },
    );
  }
}
