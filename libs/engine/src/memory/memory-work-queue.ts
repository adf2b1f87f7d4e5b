/** Published work in memory, for tests and simulations. What is given back or never answered comes again. */
import { isName } from "@holdfast/core";
import type { RejectCode } from "@holdfast/proto";
import {
  checkDecided,
  type Clock,
  type Decided,
  type Decider,
  type PublishedMessage,
  type RejectedDecision,
  type RejectedWorkEntry,
  type ReplayedAs,
  systemClock,
  type WaitingWork,
  type WorkMessage,
  type WorkQueue,
} from "../ports/index.js";
import { REJECTED_PREFIX, REJECTED_UNNAMED, WORK_PREFIX } from "../subjects.js";

const UNACKED_MAX = 1_000;
const DECIDED_MAX = 10_000;
const NOBODY: Decider = { who: "", reason: "" };
const ACK_WAIT_MS = 30_000;

export interface PublishedWork {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly headerProblem?: string | undefined;
}

interface Queued extends PublishedWork {
  readonly seq: number;
  readonly atMs: number;
  state: "ready" | "delivered" | "gone";
  cancel: () => void;
}

interface Rejected {
  readonly entry: RejectedWorkEntry;
  readonly keptUnder: string;
  readonly msgId: string;
}

export interface MemoryWorkQueueOptions {
  readonly clock?: Clock;
  /** A message that is not answered for this long comes again. Default 30 s. */
  readonly ackWaitMs?: number;
}

export class MemoryWorkQueue implements WorkQueue {
  readonly streamCreatedNs: bigint;
  readonly #clock: Clock;
  readonly #ackWaitMs: number;
  readonly #queued = new Map<number, Queued>();
  readonly #waiting = new Set<() => void>();
  #rejected: Rejected[] = [];
  readonly #decided = new Map<number, Decided & { readonly as: ReplayedAs | undefined }>();
  #lastSeq = 0;
  #lastRejected = 0;

  constructor(options: MemoryWorkQueueOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#ackWaitMs = options.ackWaitMs ?? ACK_WAIT_MS;
    this.streamCreatedNs = BigInt(Math.floor(this.#clock.nowMs())) * 1_000_000n;
  }

  /** What a NATS client's publish does. Resolves with the message's sequence. */
  async publish(work: PublishedWork): Promise<number> {
    const seq = ++this.#lastSeq;
    const atMs = this.#clock.nowMs();
    this.#queued.set(seq, {
      ...work,
      data: work.data.slice(),
      seq,
      atMs,
      state: "ready",
      cancel: () => undefined,
    });
    this.#wake();
    return seq;
  }

  /** Messages that are neither acknowledged nor rejected yet. */
  get pending(): number {
    return this.#queued.size;
  }

  async *read(signal: AbortSignal): AsyncGenerator<readonly WorkMessage[]> {
    while (!signal.aborted) {
      const batch = this.#take();
      if (batch.length > 0) yield batch;
      else await this.#arrival(signal);
    }
  }

  async reject(message: WorkMessage, code: RejectCode, reason: string): Promise<void> {
    const msgId = `${message.streamCreatedNs}-${message.seq}`;
    if (this.#rejected.some((one) => one.msgId === msgId)) return;
    const name = message.subject.slice(WORK_PREFIX.length);
    const entry: RejectedWorkEntry = {
      id: ++this.#lastRejected,
      subject: message.subject,
      code,
      reason,
      rejectedAtMs: this.#clock.nowMs(),
      data: message.data.slice(),
      bodyBytes: message.data.length,
      replayId: `replay-${this.streamCreatedNs}-${this.#lastRejected}`,
      headers: this.#queued.get(message.seq)?.headers ?? {},
      headerList: Object.entries(this.#queued.get(message.seq)?.headers ?? {}),
    };
    this.#rejected.push({
      entry,
      msgId,
      keptUnder: isName(name) ? REJECTED_PREFIX + name : REJECTED_UNNAMED,
    });
  }

  async listRejected(options: {
    workflow?: string;
    afterId: number;
    limit: number;
    bodyBytesMax?: number;
  }): Promise<{ entries: RejectedWorkEntry[]; more: boolean }> {
    const { workflow, afterId, limit, bodyBytesMax } = options;
    const all = this.#rejected.filter(
      ({ entry, keptUnder }) =>
        entry.id > afterId &&
        (workflow === undefined || workflow === "" || keptUnder === REJECTED_PREFIX + workflow),
    );
    const entries = all
      .slice(0, limit)
      .map(({ entry }) => ({ ...entry, data: entry.data.slice(0, bodyBytesMax) }));
    return { entries, more: all.length > limit };
  }

  async countRejected(): Promise<number> {
    return this.#rejected.length;
  }

  async *peek(limit: number): AsyncGenerator<WaitingWork> {
    const oldest = this.#lastSeq - limit;
    for (const queued of [...this.#queued.values()].toReversed()) {
      if (queued.seq <= oldest) return;
      if (queued.state !== "gone")
        yield { message: this.#shown(queued), taken: queued.state === "delivered" };
    }
  }

  async getRejected(id: number): Promise<RejectedWorkEntry | undefined> {
    return this.#rejected.find(({ entry }) => entry.id === id)?.entry;
  }

  async replayRejected(id: number, by: Decider = NOBODY, as?: ReplayedAs): Promise<boolean> {
    const found = await this.getRejected(id);
    if (found === undefined) return false;
    const counts = this.#decide(found, "replay", by, as);
    const { subject, data } = counts.as ?? found;
    const headers = Object.fromEntries(counts.as?.headers ?? found.headerList);
    const named = Object.keys(headers).some((name) => /^(nats-msg-id|holdfast-run-id)$/i.test(name));
    await this.publish({
      subject,
      data,
      headers: named ? headers : { ...headers, "Nats-Msg-Id": found.replayId },
    });
    this.#rejected = this.#rejected.filter(({ entry }) => entry.id !== id);
    return true;
  }

  async discardRejected(id: number, by: Decider): Promise<boolean> {
    const found = await this.getRejected(id);
    if (found === undefined) return false;
    this.#decide(found, "discard", by, undefined);
    this.#rejected = this.#rejected.filter(({ entry }) => entry.id !== id);
    return true;
  }

  async listDecided(limit: number): Promise<RejectedDecision[]> {
    return [...this.#decided.values()]
      .toReversed()
      .slice(0, limit)
      .map(({ as: _as, edit: _edit, ...decision }) => decision);
  }

  /** What counts: this, or what was decided before. */
  #decide(
    { id, subject }: RejectedWorkEntry,
    what: RejectedDecision["what"],
    { who, reason }: Decider,
    as: ReplayedAs | undefined,
  ): Decided & { readonly as: ReplayedAs | undefined } {
    const edit = as === undefined ? "" : JSON.stringify([as.subject, [...as.data], as.headers]);
    const atMs = Math.floor(this.#clock.nowMs());
    const counts = this.#decided.get(id) ?? {
      ...{ id, what, subject, who, reason, atMs, edited: as !== undefined },
      edit,
      as,
    };
    checkDecided(counts, { what, edit });
    this.#decided.set(id, counts);
    if (this.#decided.size > DECIDED_MAX) this.#decided.delete([...this.#decided.keys()][0] ?? id);
    return counts;
  }

  #take(): WorkMessage[] {
    const all = [...this.#queued.values()];
    const room = UNACKED_MAX - all.filter(({ state }) => state === "delivered").length;
    return all
      .filter(({ state }) => state === "ready")
      .slice(0, Math.max(0, room))
      .map((queued) => this.#deliver(queued));
  }

  #deliver(queued: Queued): WorkMessage {
    queued.state = "delivered";
    queued.cancel = this.#clock.after(this.#ackWaitMs, () => this.#again(queued));
    let answered = false;
    const answer = (action: () => void): void => {
      if (answered) return;
      answered = true;
      action();
    };
    return {
      ...this.#shown(queued),
      ack: () =>
        answer(() => {
          queued.cancel();
          queued.state = "gone";
          this.#queued.delete(queued.seq);
          this.#wake();
        }),
      retryLater: (delayMs) =>
        answer(() => {
          queued.cancel();
          queued.cancel = this.#clock.after(delayMs, () => this.#again(queued));
        }),
    };
  }

  #shown(queued: Queued): PublishedMessage {
    return {
      subject: queued.subject,
      seq: queued.seq,
      streamCreatedNs: this.streamCreatedNs,
      atNs: BigInt(Math.floor(queued.atMs)) * 1_000_000n,
      data: queued.data,
      headerProblem: queued.headerProblem,
      header: (name) => headerIn(queued.headers, name),
      headerList: () => Object.entries(queued.headers ?? {}),
    };
  }

  #again(queued: Queued): void {
    if (queued.state === "gone") return;
    queued.state = "ready";
    this.#wake();
  }

  #arrival(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener("abort", done);
    });
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

function headerIn(headers: Readonly<Record<string, string>> | undefined, name: string): string | undefined {
  const wanted = name.toLowerCase();
  return Object.entries(headers ?? {}).find(([one]) => one.toLowerCase() === wanted)?.[1];
}
