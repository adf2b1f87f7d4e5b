/**
 * Ports for what a cluster shares beside the log: definitions, large payloads, published work.
 */
import type { PayloadRef, RejectCode, WorkflowDefinition } from "@holdfast/proto";

/** What is fixed when a cluster is created. */
export interface ClusterConfig {
  readonly id: string;
  readonly partitions: number;
  readonly createdAtMs: number;
}

export interface RegisteredDefinition {
  readonly hash: string;
  readonly definition: WorkflowDefinition;
}

/** Definitions under their content hash, and for each workflow name the latest hash. */
export interface DefinitionRegistry {
  /** Stores a definition and makes it the latest of its name. Idempotent. */
  put(entry: RegisteredDefinition): Promise<void>;
  latest(workflow: string): Promise<RegisteredDefinition | undefined>;
  /** The latest of every name. */
  list(): Promise<RegisteredDefinition[]>;
  /** Calls back for the latest of every name, then for each change, until `signal` aborts. Resolves once the first pass is done. */
  watch(onDefinition: (entry: RegisteredDefinition) => void, signal: AbortSignal): Promise<void>;
}

/**
 * Bodies by reference: payloads over the inline limit, which are held whole, and artifacts, which are streamed and never are.
 * A body's name is the SHA-256 of its content in hex, so the same content is kept once, and either way of reading finds it.
 */
export interface PayloadStore {
  /** The largest payload in bytes. */
  readonly maxBytes: number;
  /** The largest artifact in bytes. */
  readonly maxStreamedBytes: number;
  /** `PortError` `too-large` beyond `maxBytes`. */
  put(body: Uint8Array): Promise<PayloadRef>;
  /** `PortError` `not-found`, or `corrupt` where size or digest differ. */
  get(ref: PayloadRef): Promise<Uint8Array>;
  /**
   * Stores what comes, in pieces of any size, taking no more of it than is on its way to the store; resolves once all is durable.
   * Rejects with what `pieces` throws, or `too-large` beyond `maxStreamedBytes`: then nothing is kept.
   */
  putStream(pieces: AsyncIterable<Uint8Array>): Promise<PayloadRef>;
  /**
   * The body in pieces, read no further ahead than a few of them. Throws `not-found` before the first piece, and `corrupt` where size
   * or digest differ: that is known at the end only, so what was read may be used for good once the loop has ended without an error.
   */
  getStream(ref: PayloadRef): AsyncIterable<Uint8Array>;
  /**
   * Bodies that were last used before a time, the one that was unused for longest first. A body is used by being put, put again, or named as
   * an artifact in a body that is put (then within a day of it), and by `touch`. `after`: the revision of the last of the page before, or 0.
   */
  listUnused(beforeMs: number, limit: number, after: number): Promise<StoredObject[]>;
  /** It is in use now. Nothing happens where it is not there. */
  touch(name: string): Promise<void>;
  /** Removes a body, unless it was used since it was listed: then false, and it is whole. */
  remove(object: StoredObject): Promise<boolean>;
}

/** A body as it was when it was listed. */
export interface StoredObject {
  readonly name: string;
  readonly bytes: number;
  readonly usedAtMs: number;
  /** Another one with each use. */
  readonly revision: number;
}

/** What somebody published on `holdfast.work.<workflow>`. */
export interface PublishedMessage {
  /** As published. The part after `holdfast.work.` is unchecked. */
  readonly subject: string;
  /** Sequence in the intake stream; with `streamCreatedNs` it names the message for ever. */
  readonly seq: number;
  readonly streamCreatedNs: bigint;
  readonly atNs: bigint;
  readonly data: Uint8Array;
  /** Why the headers could not be read, where they could not; `header` knows none then. */
  readonly headerProblem?: string | undefined;
  /** Case-insensitive; the first value. */
  header(name: string): string | undefined;
  /** All of them, in the order sent. */
  headerList(): readonly (readonly [name: string, value: string])[];
}

/** One that was handed out, and wants an answer. */
export interface WorkMessage extends PublishedMessage {
  /** It was moved to a partition's log, or rejected: never delivered again. */
  ack(): void;
  /** Try it again after a while. */
  retryLater(delayMs: number): void;
}

/** One that has not left the queue, seen without taking it. */
export interface WaitingWork {
  readonly message: PublishedMessage;
  /** It was handed out to a node, which has not answered yet, or gave it back. */
  readonly taken: boolean;
}

export interface RejectedWorkEntry {
  readonly id: number;
  readonly subject: string;
  readonly code: RejectCode;
  readonly reason: string;
  readonly rejectedAtMs: number;
  /** As it came; cut where less was asked for, and empty where it is gone. */
  readonly data: Uint8Array;
  readonly bodyBytes: number;
  /** Why the body can't be had, where it can't. */
  readonly bodyProblem?: string | undefined;
  /** The first value of each name. */
  readonly headers: Readonly<Record<string, string>>;
  /** All of them, in their order. */
  readonly headerList: readonly (readonly [name: string, value: string])[];
  /** What names it once it is replayed, where its publisher gave it no id. */
  readonly replayId: string;
}

/** Who decides about rejected work, and why. */
export interface Decider {
  readonly who: string;
  readonly reason: string;
}

/** A message in the place of a rejected one. */
export interface ReplayedAs {
  readonly subject: string;
  readonly data: Uint8Array;
  /** In their order; a name may come twice. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** What became of rejected work by somebody's hand. */
export interface RejectedDecision extends Decider {
  readonly id: number;
  readonly what: "replay" | "discard";
  readonly subject: string;
  /** It was replayed as another message than it was. */
  readonly edited: boolean;
  readonly atMs: number;
}

/** Published work, and what of it could not become a run. */
export interface WorkQueue {
  /** Batches as they arrive, until `signal` aborts; at most `maxUnacked` messages wait for their `ack` at once. */
  read(signal: AbortSignal): AsyncIterable<readonly WorkMessage[]>;
  /** Keeps a message under `holdfast.rejected.<workflow>` with its reason; resolves once that is durable. Idempotent. */
  reject(message: WorkMessage, code: RejectCode, reason: string): Promise<void>;
  /** Rejected work, oldest first, after `afterId` (0: from the start); of one workflow where named. */
  listRejected(options: {
    workflow?: string;
    afterId: number;
    limit: number;
    /** Of each body; default: all of it. */
    bodyBytesMax?: number;
  }): Promise<{ entries: RejectedWorkEntry[]; more: boolean }>;
  /** One of them, whole; undefined where there is none. */
  getRejected(id: number): Promise<RejectedWorkEntry | undefined>;
  countRejected(): Promise<number>;
  /** The newest `limit` places of the queue, newest first, without those that have left it meanwhile. Takes nothing, promises nothing. */
  peek(limit: number): AsyncIterable<WaitingWork>;
  /**
   * Publishes it again and forgets the rejected copy; false where there is none. The first decision about a message counts: whoever repeats
   * it finishes what was cut short, any other is a `conflict`. `as`: not as it came. `not-found` where its body is gone.
   */
  replayRejected(id: number, by?: Decider, as?: ReplayedAs): Promise<boolean>;
  /** Forgets it; false where there is none. `conflict` where it was decided to replay it. */
  discardRejected(id: number, by: Decider): Promise<boolean>;
  /** What was decided in the last 30 days, the newest first. */
  listDecided(limit: number): Promise<RejectedDecision[]>;
}
