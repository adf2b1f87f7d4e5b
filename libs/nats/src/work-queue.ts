/**
 * Published work on JetStream: a work queue, and beside it a stream of what could not become a run.
 *
 * 1. A work message leaves its stream when it is acknowledged, and only then.
 * 2. Rejected work is in its stream before its message is acknowledged; replayed work is back before its copy goes.
 */
import {
  type Decider,
  type PayloadStore,
  PortError,
  REJECTED_PREFIX,
  REJECTED_STREAM,
  type RejectedDecision,
  type RejectedWorkEntry,
  type ReplayedAs,
  type WaitingWork,
  WORK_STREAM,
  type WorkMessage,
  type WorkQueue,
} from "@holdfast/engine";
import type { RejectCode } from "@holdfast/proto";
import { headers, type Msg } from "nats";
import { ackSubject } from "./delivery.js";
import type { Connection } from "./connection.js";
import { fromNats } from "./errors.js";
import { HEADER_BLOCK_BYTES_MAX } from "./header-block.js";
import type { JetStreamApi, StoredMessage } from "./js-api.js";
import type { StreamPublisher } from "./publisher.js";
import { PullFeed } from "./pull-feed.js";
import type { PullOwner } from "./pull-owner.js";
import { bodyOf, RejectedDecisions } from "./rejected-decisions.js";
import { readKept, rejectedHeaders, rejectedSubject } from "./rejected-message.js";
import { NatsWorkMessage, publishedMessage } from "./work-message.js";

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
const NOBODY: Decider = { who: "", reason: "" };
const NOTHING = new Uint8Array(0);
export const LIST_LIMIT_MAX = 1_000;
/** Places of the queue that are looked at in one go: each may hold the largest message. */
const PEEK_AT_ONCE = 16;

interface Parts {
  readonly connection: Connection;
  readonly api: JetStreamApi;
  readonly publisher: StreamPublisher;
  readonly payloads: PayloadStore;
}

export class NatsWorkQueue implements WorkQueue {
  private readonly decisions: RejectedDecisions;

  constructor(private readonly parts: Parts) {
    this.decisions = new RejectedDecisions(parts);
  }

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
    bodyBytesMax?: number;
  }): Promise<{ entries: RejectedWorkEntry[]; more: boolean }> {
    const { workflow, afterId, bodyBytesMax } = options;
    const limit = Math.max(1, Math.min(options.limit, LIST_LIMIT_MAX));
    const next_by_subj = REJECTED_PREFIX + (workflow === undefined || workflow === "" ? ">" : workflow);
    const entries: RejectedWorkEntry[] = [];
    try {
      const createdNs = await this.createdNs();
      let seq = Math.max(0, afterId) + 1;
      while (entries.length <= limit) {
        const stored = await this.parts.api.message(REJECTED_STREAM, { seq, next_by_subj });
        if (stored === undefined) return { entries, more: false };
        if (entries.length === limit) break;
        entries.push(await this.entryOf(stored, createdNs, bodyBytesMax));
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

  async *peek(limit: number): AsyncGenerator<WaitingWork> {
    const { api } = this.parts;
    try {
      const { messages, firstSeq, lastSeq, createdNs } = await api.streamInfo(WORK_STREAM);
      if (messages === 0) return;
      const delivered = await api.deliveredSeq(WORK_STREAM, CONSUMER);
      const oldest = Math.max(firstSeq, lastSeq - limit + 1);
      for (let at = lastSeq; at >= oldest; at -= PEEK_AT_ONCE) {
        const places = Array.from(
          { length: Math.min(PEEK_AT_ONCE, at - oldest + 1) },
          (_, index) => at - index,
        );
        const found = await Promise.all(places.map((seq) => api.message(WORK_STREAM, { seq })));
        for (const stored of found)
          if (stored !== undefined)
            yield { message: publishedMessage(stored, createdNs), taken: stored.seq <= delivered };
      }
    } catch (thrown) {
      throw fromNats(thrown, "look at the published work");
    }
  }

  async getRejected(id: number): Promise<RejectedWorkEntry | undefined> {
    try {
      const stored = await this.stored(id);
      return stored === undefined ? undefined : await this.entryOf(stored, await this.createdNs());
    } catch (thrown) {
      throw fromNats(thrown, `read rejected work ${id}`);
    }
  }

  async replayRejected(id: number, by: Decider = NOBODY, as?: ReplayedAs): Promise<boolean> {
    const { api } = this.parts;
    try {
      const entry = await this.getRejected(id);
      if (entry === undefined) return false;
      if (as === undefined && entry.bodyProblem !== undefined) {
        const before = await this.decisions.find(entry.replayId);
        if (before?.as === undefined)
          throw new PortError(
            "not-found",
            `rejected work ${id} can't be replayed as it came: ${entry.bodyProblem}. Replay it with an input, or discard it`,
          );
      }
      const room = this.parts.connection.maxPayloadBytes - HEADER_BLOCK_BYTES_MAX - MESSAGE_OVERHEAD_BYTES;
      if (as !== undefined && as.data.length > room)
        throw new PortError(
          "too-large",
          `rejected work ${id} can't be replayed with ${as.data.length} bytes: at most ${room} can be published. Start the run with StartRun, and discard this`,
        );
      const counts = await this.decide(entry, "replay", by, as);
      await this.publishAgain(entry, counts.as ?? { ...entry, headers: entry.headerList });
      await api.deleteMessage(REJECTED_STREAM, id);
      return true;
    } catch (thrown) {
      throw fromNats(thrown, `replay rejected work ${id}`);
    }
  }

  async discardRejected(id: number, by: Decider): Promise<boolean> {
    try {
      const entry = await this.getRejected(id);
      if (entry === undefined) return false;
      await this.decide(entry, "discard", by, undefined);
      await this.parts.api.deleteMessage(REJECTED_STREAM, id);
      return true;
    } catch (thrown) {
      throw fromNats(thrown, `discard rejected work ${id}`);
    }
  }

  async listDecided(limit: number): Promise<RejectedDecision[]> {
    try {
      return await this.decisions.list(Math.min(limit, LIST_LIMIT_MAX));
    } catch (thrown) {
      throw fromNats(thrown, "list what was decided about rejected work");
    }
  }

  private async decide(
    { id, subject, replayId }: RejectedWorkEntry,
    what: RejectedDecision["what"],
    by: Decider,
    as: ReplayedAs | undefined,
  ) {
    const wanted = { id, what, subject, who: by.who, reason: by.reason, atMs: Date.now() };
    return this.decisions.take(replayId, wanted, as);
  }

  private async createdNs(): Promise<bigint> {
    return (await this.parts.api.streamInfo(REJECTED_STREAM)).createdNs;
  }

  private async stored(id: number): Promise<StoredMessage | undefined> {
    return Number.isSafeInteger(id) && id > 0
      ? await this.parts.api.message(REJECTED_STREAM, { seq: id })
      : undefined;
  }

  private async entryOf(
    stored: StoredMessage,
    createdNs: bigint,
    bytesMax?: number,
  ): Promise<RejectedWorkEntry> {
    const { entry: kept, bodyRef } = readKept(stored);
    const entry = { ...kept, replayId: `replay-${createdNs}-${stored.seq}` };
    if (bodyRef === undefined)
      return { ...entry, data: stored.data.slice(0, bytesMax), bodyBytes: stored.data.length };
    const bodyBytes = Number(bodyRef.size);
    try {
      return { ...entry, data: await bodyOf(this.parts.payloads, bodyRef, bytesMax), bodyBytes };
    } catch (thrown) {
      const isGone =
        thrown instanceof PortError && (thrown.code === "not-found" || thrown.code === "corrupt");
      if (!isGone) throw thrown;
      return {
        ...entry,
        data: NOTHING,
        bodyBytes,
        bodyProblem: `its body of ${bodyBytes} bytes is not in the object store any more (${thrown.code})`,
      };
    }
  }

  /** Without an id of its own, the message gets one, so that two replays make one run. */
  private async publishAgain({ id, replayId }: RejectedWorkEntry, as: ReplayedAs): Promise<void> {
    const hdrs = headers();
    for (const [name, value] of as.headers) {
      // Of the headers that JetStream acts on, only the id was the publisher's to set for us.
      if (!/^nats-/i.test(name) || /^nats-msg-id$/i.test(name)) hdrs.append(name, value);
    }
    const named = as.headers.some(([name]) => /^(nats-msg-id|holdfast-run-id)$/i.test(name));
    if (!named) hdrs.set("Nats-Msg-Id", replayId);
    for (let tries = 1; ; tries++) {
      const ack = await this.parts.publisher.publish(WORK_STREAM, as.subject, as.data, hdrs);
      if (!ack.duplicate) return;
      if (tries === REPLAY_TRIES)
        throw new PortError(
          "unavailable",
          `rejected work ${id} was just published by somebody else; try again`,
        );
      await new Promise((resolve) => {
        setTimeout(resolve, REPLAY_PAUSE_MS);
      });
    }
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
