/**
 * Published work on JetStream: a work queue, and beside it a stream of what could not become a run.
 *
 * 1. A work message leaves its stream when it is acknowledged, and only then.
 * 2. Rejected work is in its stream before its message is acknowledged; replayed work is back before its copy goes.
 */
import {
  type PayloadStore,
  PortError,
  REJECTED_PREFIX,
  REJECTED_STREAM,
  type RejectedWorkEntry,
  WORK_STREAM,
  type WorkMessage,
  type WorkQueue,
} from "@holdfast/engine";
import { PayloadRefSchema, type RejectCode } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { headers, type Msg, type MsgHdrs } from "nats";
import { ackSubject } from "./delivery.js";
import type { Connection } from "./connection.js";
import { fromNats } from "./errors.js";
import type { JetStreamApi, StoredMessage } from "./js-api.js";
import type { StreamPublisher } from "./publisher.js";
import { PullFeed } from "./pull-feed.js";
import type { PullOwner } from "./pull-owner.js";
import { readKept, rejectedHeaders, rejectedSubject } from "./rejected-message.js";
import { NatsWorkMessage } from "./work-message.js";

const CONSUMER = "intake";
/** A message that is neither acknowledged nor given back for this long comes again. */
export const WORK_ACK_WAIT_MS = 30_000;
/** Messages of the queue that wait for their acknowledgement at once, over all nodes. */
export const WORK_UNACKED_MAX = 1_000;
const READ_AHEAD_MESSAGES = 500;
const READ_AHEAD_BYTES = 8 * 1024 * 1024;
const MESSAGE_OVERHEAD_BYTES = 1_024;
/** Longer than the stream's own duplicate window, so that a replay is not taken for a duplicate. */
const REPLAY_PAUSE_MS = 150;
const REPLAY_TRIES = 5;
export const LIST_LIMIT_MAX = 1_000;

interface Parts {
  readonly connection: Connection;
  readonly api: JetStreamApi;
  readonly publisher: StreamPublisher;
  readonly payloads: PayloadStore;
}

export class NatsWorkQueue implements WorkQueue {
  constructor(private readonly parts: Parts) {}

  read(signal: AbortSignal): AsyncIterable<readonly WorkMessage[]> {
    const { connection } = this.parts;
    return new PullFeed<WorkMessage>(connection, new WorkOwner(this.parts), signal).batches();
  }

  async reject(message: WorkMessage, code: RejectCode, reason: string): Promise<void> {
    const { connection, payloads, publisher } = this.parts;
    const original = {
      subject: message.subject,
      headers: message instanceof NatsWorkMessage ? message.headers : { all: [] },
      msgId: `${message.streamCreatedNs}-${message.seq}`,
    };
    let hdrs = rejectedHeaders(original, code, reason, undefined);
    let body = message.data;
    const size = body.length + hdrs.toString().length * 2 + MESSAGE_OVERHEAD_BYTES;
    if (size > connection.maxPayloadBytes) {
      hdrs = rejectedHeaders(original, code, reason, await payloads.put(body));
      body = new Uint8Array(0);
    }
    await publisher.publish(REJECTED_STREAM, rejectedSubject(message.subject), body, hdrs);
  }

  async listRejected(options: {
    workflow?: string;
    afterId: number;
    limit: number;
  }): Promise<{ entries: RejectedWorkEntry[]; more: boolean }> {
    const { workflow, afterId } = options;
    const limit = Math.max(1, Math.min(options.limit, LIST_LIMIT_MAX));
    const next_by_subj = REJECTED_PREFIX + (workflow === undefined || workflow === "" ? ">" : workflow);
    const entries: RejectedWorkEntry[] = [];
    try {
      let seq = Math.max(0, afterId) + 1;
      while (entries.length <= limit) {
        const stored = await this.parts.api.message(REJECTED_STREAM, { seq, next_by_subj });
        if (stored === undefined) return { entries, more: false };
        if (entries.length === limit) break;
        entries.push(await this.entryOf(stored));
        seq = stored.seq + 1;
      }
      return { entries, more: true };
    } catch (thrown) {
      throw fromNats(thrown, "list the rejected work");
    }
  }

  async countRejected(): Promise<number> {
    try {
      return (await this.parts.api.streamInfo(REJECTED_STREAM)).messages;
    } catch (thrown) {
      throw fromNats(thrown, "count the rejected work");
    }
  }

  async replayRejected(id: number): Promise<boolean> {
    if (!Number.isSafeInteger(id) || id < 1) return false;
    const { api, publisher } = this.parts;
    try {
      const stored = await api.message(REJECTED_STREAM, { seq: id });
      if (stored === undefined) return false;
      const { subject } = readKept(stored).entry;
      const hdrs = await this.replayHeaders(stored);
      const { data } = await this.entryOf(stored);
      for (let tries = 1; ; tries++) {
        const ack = await publisher.publish(WORK_STREAM, subject, data, hdrs);
        if (!ack.duplicate) break;
        if (tries === REPLAY_TRIES) {
          throw new PortError(
            "unavailable",
            `rejected work ${id} was just published by somebody else; try again`,
          );
        }
        await new Promise((resolve) => {
          setTimeout(resolve, REPLAY_PAUSE_MS);
        });
      }
      await api.deleteMessage(REJECTED_STREAM, id);
      return true;
    } catch (thrown) {
      throw fromNats(thrown, `replay rejected work ${id}`);
    }
  }

  /** The headers as they came; without an id of its own, the message gets one, so that two replays make one run. */
  private async replayHeaders(stored: StoredMessage): Promise<MsgHdrs> {
    const { originalHeaders } = readKept(stored);
    const { createdNs } = await this.parts.api.streamInfo(REJECTED_STREAM);
    const hdrs = headers();
    for (const [name, value] of originalHeaders.all) {
      // Of the headers that JetStream acts on, only the id was the publisher's to set for us.
      if (!/^nats-/i.test(name) || /^nats-msg-id$/i.test(name)) hdrs.append(name, value);
    }
    const named = originalHeaders.all.some(([name]) => /^(nats-msg-id|holdfast-run-id)$/i.test(name));
    if (!named) hdrs.set("Nats-Msg-Id", `replay-${createdNs}-${stored.seq}`);
    return hdrs;
  }

  private async entryOf(stored: StoredMessage): Promise<RejectedWorkEntry> {
    const { entry, bodyRef } = readKept(stored);
    if (bodyRef === undefined) return { ...entry, data: stored.data };
    const sha256 = new Uint8Array(Buffer.from(bodyRef.name, "hex"));
    return { ...entry, data: await this.parts.payloads.get(init(PayloadRefSchema, { ...bodyRef, sha256 })) };
  }
}

class WorkOwner implements PullOwner<WorkMessage> {
  readonly what = "published work";
  readonly stream = WORK_STREAM;
  readonly bounds: { readonly messages: number; readonly bytes: number };
  private createdNs = 0n;

  constructor(private readonly parts: Parts) {
    const { maxPayloadBytes } = parts.connection;
    // Each of the two pull requests must have room for the largest message.
    const bytes = Math.max(READ_AHEAD_BYTES, 2 * (maxPayloadBytes + MESSAGE_OVERHEAD_BYTES));
    this.bounds = { messages: READ_AHEAD_MESSAGES, bytes };
  }

  async attach(): Promise<string> {
    const { api } = this.parts;
    try {
      await api.createConsumer(WORK_STREAM, CONSUMER, {
        durable_name: CONSUMER,
        deliver_policy: "all",
        ack_policy: "explicit",
        ack_wait: WORK_ACK_WAIT_MS * 1e6,
        max_ack_pending: WORK_UNACKED_MAX,
        max_deliver: -1,
        replay_policy: "instant",
      });
      this.createdNs = (await api.streamInfo(WORK_STREAM)).createdNs;
      return CONSUMER;
    } catch (thrown) {
      const error = fromNats(thrown, "read published work");
      // The stream may come back; published work is not worth ending for.
      throw error.retry === "never" && error.code !== "closed"
        ? new PortError("unavailable", error.message, error.details, { cause: error })
        : error;
    }
  }

  /** The consumer is every node's: it stays. */
  detach(): void {}

  giveBack(message: WorkMessage): void {
    message.retryLater(0);
  }

  accept(message: Msg): { item: WorkMessage; bytes: number } | undefined {
    const delivery = ackSubject(message.reply ?? "");
    if (delivery === undefined) return undefined;
    const item = new NatsWorkMessage(message, delivery, this.createdNs, (thrown) => {
      this.parts.connection.logger.debug("a work message could not be answered", { err: thrown });
    });
    return { item, bytes: message.data.length + MESSAGE_OVERHEAD_BYTES };
  }
}
