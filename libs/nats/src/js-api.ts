/**
 * JetStream's request/reply API, as far as the adapters use it, with times in nanoseconds and errors by code.
 * Streams are described in the server's own words (`StreamConfig`). Holds no state; decides nothing.
 */
import { ErrorCode, NatsError } from "nats";
import type { Connection } from "./connection.js";
import { JS_ERR, JsApiError, type JsApiErrorBody } from "./errors.js";
import { parseTimeNs } from "./js-time.js";

const API_TIMEOUT_MS = 5_000;
const decoder = new TextDecoder();

/** The part of a stream's settings that Holdfast cares about, spelled as the server does. Durations in nanoseconds. */
export interface StreamConfig {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly retention: "limits" | "workqueue";
  readonly storage: "file";
  readonly discard: "new" | "old";
  readonly max_bytes: number;
  readonly max_msg_size: number;
  readonly max_msgs: number;
  readonly max_msgs_per_subject: number;
  readonly max_age: number;
  readonly num_replicas: number;
  readonly duplicate_window: number;
  readonly deny_delete: boolean;
  readonly deny_purge: boolean;
  readonly allow_rollup_hdrs: boolean;
  readonly allow_direct: boolean;
}

export interface StreamInfo {
  readonly config: Partial<StreamConfig>;
  readonly createdNs: bigint;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly messages: number;
  readonly bytes: number;
}

export interface StoredMessage {
  readonly subject: string;
  readonly seq: number;
  readonly atNs: bigint;
  readonly data: Uint8Array;
  /** The raw header block; empty where there is none. */
  readonly headerBlock: Uint8Array;
}

interface RawStreamInfo {
  readonly config: Partial<StreamConfig>;
  readonly created: string;
  readonly state: {
    readonly messages: number;
    readonly bytes: number;
    readonly first_seq: number;
    readonly last_seq: number;
  };
}

interface RawMessage {
  readonly message: {
    readonly subject: string;
    readonly seq: number;
    readonly data?: string;
    readonly hdrs?: string;
    readonly time: string;
  };
}

export class JetStreamApi {
  constructor(private readonly connection: Connection) {}

  async streamInfo(name: string): Promise<StreamInfo> {
    return streamInfo(await this.call<RawStreamInfo>(`STREAM.INFO.${name}`, {}));
  }

  /** Undefined where there is no such stream. */
  async findStream(name: string): Promise<StreamInfo | undefined> {
    return orUndefined(this.streamInfo(name), JS_ERR.streamNotFound);
  }

  async createStream(config: StreamConfig): Promise<StreamInfo> {
    return streamInfo(await this.call<RawStreamInfo>(`STREAM.CREATE.${config.name}`, config));
  }

  async deleteStream(name: string): Promise<void> {
    await this.call(`STREAM.DELETE.${name}`, {});
  }

  /** Answered by the stream's leader, so never stale. */
  async message(
    stream: string,
    query: { readonly seq: number; readonly next_by_subj?: string } | { readonly last_by_subj: string },
  ): Promise<StoredMessage | undefined> {
    const asked = this.call<RawMessage>(`STREAM.MSG.GET.${stream}`, query);
    const found = await orUndefined(asked, JS_ERR.noMessageFound);
    return found === undefined ? undefined : storedMessage(found);
  }

  /** False where there was none. */
  async deleteMessage(stream: string, seq: number): Promise<boolean> {
    try {
      const asked = this.call<{ success?: boolean }>(`STREAM.MSG.DELETE.${stream}`, { seq, no_erase: true });
      return (await orUndefined(asked, JS_ERR.noMessageFound))?.success === true;
    } catch (thrown) {
      // Servers say of one that is not there, too, that it could not be deleted.
      const failed = thrown instanceof JsApiError && thrown.errCode === JS_ERR.messageDeleteFailed;
      if (failed && (await this.message(stream, { seq })) === undefined) return false;
      throw thrown;
    }
  }

  /** Removes all messages of one subject. */
  async purgeSubject(stream: string, subject: string): Promise<void> {
    await this.call(`STREAM.PURGE.${stream}`, { filter: subject });
  }

  /** Creates the consumer, or finds it there with the same settings. */
  async createConsumer(
    stream: string,
    name: string,
    config: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    await this.call(`CONSUMER.CREATE.${stream}.${name}`, {
      stream_name: stream,
      config: { name, ...config },
      action: "",
    });
  }

  /** The last sequence that the consumer has handed out; 0 where there is none, or no such consumer. */
  async deliveredSeq(stream: string, name: string): Promise<number> {
    const asked = this.call<{ delivered?: { stream_seq?: number } }>(`CONSUMER.INFO.${stream}.${name}`, {});
    return (await orUndefined(asked, JS_ERR.consumerNotFound))?.delivered?.stream_seq ?? 0;
  }

  async deleteConsumer(stream: string, name: string): Promise<void> {
    await this.call(`CONSUMER.DELETE.${stream}.${name}`, {});
  }

  private async call<T>(subject: string, body: unknown): Promise<T> {
    const reply = await this.connection.nc.request(`$JS.API.${subject}`, JSON.stringify(body), {
      timeout: API_TIMEOUT_MS,
    });
    const answer = JSON.parse(decoder.decode(reply.data)) as T & { error?: JsApiErrorBody };
    if (answer.error !== undefined) throw new JsApiError(subject, answer.error);
    return answer;
  }
}

/** Nobody answered, or not in time: what a server without a leader, or one that is starting, looks like. */
export function isUnreachable(thrown: unknown): boolean {
  if (!(thrown instanceof NatsError)) return false;
  return thrown.code === ErrorCode.NoResponders || thrown.code === ErrorCode.Timeout;
}

async function orUndefined<T>(asked: Promise<T>, absent: number): Promise<T | undefined> {
  try {
    return await asked;
  } catch (thrown) {
    if (thrown instanceof JsApiError && thrown.errCode === absent) return undefined;
    throw thrown;
  }
}

function timeNs(text: string): bigint {
  const ns = parseTimeNs(text);
  if (ns === undefined) throw new Error(`JetStream sent a time that is none: ${text}`);
  return ns;
}

function streamInfo(raw: RawStreamInfo): StreamInfo {
  const { messages, bytes, first_seq: first, last_seq: lastSeq } = raw.state;
  // An empty stream says 0, or one past the last: one past the last is what it means.
  const firstSeq = messages === 0 ? lastSeq + 1 : first;
  return { config: raw.config, createdNs: timeNs(raw.created), firstSeq, lastSeq, messages, bytes };
}

function storedMessage({ message }: RawMessage): StoredMessage {
  return {
    subject: message.subject,
    seq: message.seq,
    atNs: timeNs(message.time),
    data: bytesOf(message.data),
    headerBlock: bytesOf(message.hdrs),
  };
}

function bytesOf(base64: string | undefined): Uint8Array {
  return base64 === undefined ? new Uint8Array(0) : new Uint8Array(Buffer.from(base64, "base64"));
}
