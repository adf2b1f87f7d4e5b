/**
 * The other nodes of a cluster, as far as this one hears them: each says several times a second that it lives, and what it wants.
 *
 * 1. Silence counts by this node's own hearing: time in which it stood still, or heard not even itself, is nobody's silence.
 * 2. A beat is a sign of life and no more. Who owns a partition is said by the log alone.
 * 3. Whatever is heard is bounded and ends nothing: what can't be read is passed over.
 */
import {
  type NodeBeat,
  NodeBeatSchema,
  NodeRollCallSchema,
  type PartitionClaim,
  PartitionClaimSchema,
} from "@holdfast/proto";
import { decode, encode, init } from "@holdfast/proto/codec";
import type { Logger } from "@holdfast/telemetry";
import type { Bus, BusSubscription } from "../ports/bus.js";
import type { Clock } from "../ports/clock.js";
import { NODE_BEAT, NODE_ROLL_CALL } from "../subjects.js";

const BEAT_MS = 250;
/** A node that was not heard for so long is taken for dead. */
export const NODE_SILENT_MS = 1_000;
const PEERS_MAX = 256;
const ID_CHARS_MAX = 256;
const CLAIMS_MAX = 1_024;

export interface Peer {
  readonly node: string;
  readonly process: string;
  readonly startedAtMs: number;
  readonly draining: boolean;
  /** By partition, the epoch of its last announcement. */
  readonly claims: ReadonlyMap<number, bigint>;
  /** By this node's hearing. */
  readonly heardMs: number;
}

export interface PeersDeps {
  readonly node: string;
  /** Of this start: tells it from another node of the same id. */
  readonly process: string;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly claims: () => readonly { readonly partition: number; readonly epoch: bigint }[];
  /** After each beat. */
  readonly onBeat: () => void;
}

export class Peers {
  private readonly peers = new Map<string, Peer>();
  /** Ids of nodes that said their last word. */
  private readonly gone = new Set<string>();
  private readonly subscriptions: BusSubscription[] = [];
  private readonly startedAtMs: number;
  private cancel: (() => void) | undefined;
  private listenedMs = 0;
  /** `listenedMs` when a beat of its own was missed last, or it stood still. */
  private brokenMs = 0;
  private beatMs = 0;
  private heardItself = false;
  private draining = false;
  private stopped = false;

  constructor(private readonly deps: PeersDeps) {
    this.startedAtMs = deps.clock.nowMs();
  }

  /** Hears from now on, and asks whoever is there to say so. */
  async begin(): Promise<void> {
    const { bus, clock, process } = this.deps;
    this.subscriptions.push(
      bus.subscribe(NODE_BEAT, (message) => this.heard(message.data)),
      bus.subscribe(NODE_ROLL_CALL, () => this.beat()),
    );
    await bus.flush();
    bus.publish(NODE_ROLL_CALL, encode(NodeRollCallSchema, init(NodeRollCallSchema, { process })));
    this.beatMs = clock.monotonicMs();
    this.beat();
    this.plan();
  }

  /** For how long it has listened and could have heard a beat. */
  get hearingMs(): number {
    return this.listenedMs;
  }

  /** Whether it has heard all that was said for so long that it would know of whoever lives. */
  get hearsAll(): boolean {
    const sinceMs = this.deps.clock.monotonicMs() - this.beatMs;
    return sinceMs < BEAT_MS * 2 && this.listenedMs - this.brokenMs >= NODE_SILENT_MS;
  }

  /** Those that gave a sign of life a moment ago. */
  alive(): Peer[] {
    return [...this.peers.values()].filter(({ heardMs }) => this.listenedMs - heardMs < NODE_SILENT_MS);
  }

  aliveAs(node: string): Peer | undefined {
    return this.alive().find((peer) => peer.node === node);
  }

  /** It ended in order, and none of its id was heard since. */
  saidGoodbye(node: string): boolean {
    return this.gone.has(node);
  }

  /** It is about to end: who waits for what it has knows that. */
  drain(): void {
    this.draining = true;
    this.beat();
  }

  /** Says its last word. */
  stop(): void {
    if (this.stopped) return;
    this.beat(true);
    this.stopped = true;
    this.cancel?.();
    for (const subscription of this.subscriptions) subscription.unsubscribe();
  }

  private plan(): void {
    this.cancel = this.deps.clock.after(BEAT_MS, () => {
      const nowMs = this.deps.clock.monotonicMs();
      const sinceMs = nowMs - this.beatMs;
      if (this.heardItself) this.listenedMs += Math.min(sinceMs, BEAT_MS);
      if (!this.heardItself || sinceMs >= BEAT_MS * 2) this.brokenMs = this.listenedMs;
      this.beatMs = nowMs;
      this.heardItself = false;
      this.beat();
      this.deps.onBeat();
      if (!this.stopped) this.plan();
    });
  }

  private beat(gone = false): void {
    if (this.stopped) return;
    const { node, process, bus, claims, logger } = this.deps;
    const beat = init(NodeBeatSchema, {
      node,
      process,
      startedAtMs: BigInt(this.startedAtMs),
      draining: this.draining,
      gone,
      claims: claims().map((claim) => init(PartitionClaimSchema, claim)),
    });
    try {
      bus.publish(NODE_BEAT, encode(NodeBeatSchema, beat));
    } catch (error) {
      logger.debug("a beat could not be sent", { err: error });
    }
  }

  private heard(data: Uint8Array): void {
    let beat: NodeBeat;
    try {
      beat = decode(NodeBeatSchema, data);
    } catch (error) {
      this.deps.logger.warn("a node's beat can't be read", { err: error });
      return;
    }
    const { node, process, startedAtMs, draining, gone } = beat;
    if (process === this.deps.process) {
      this.heardItself = true;
      return;
    }
    if (gone) {
      if (this.peers.delete(process) && this.gone.size < PEERS_MAX) this.gone.add(node);
      return;
    }
    const isBeat = (text: string): boolean => text !== "" && text.length <= ID_CHARS_MAX;
    if (!isBeat(node) || !isBeat(process) || !this.hasRoomFor(process)) return;
    this.gone.delete(node);
    this.peers.set(process, {
      node,
      process,
      startedAtMs: Number(startedAtMs),
      draining,
      claims: claimsOf(beat.claims),
      heardMs: this.listenedMs,
    });
  }

  private hasRoomFor(process: string): boolean {
    if (this.peers.has(process) || this.peers.size < PEERS_MAX) return true;
    for (const [key, { heardMs }] of this.peers)
      if (this.listenedMs - heardMs >= NODE_SILENT_MS) this.peers.delete(key);
    return this.peers.size < PEERS_MAX;
  }
}

const claimsOf = (claims: readonly PartitionClaim[]): ReadonlyMap<number, bigint> =>
  new Map(claims.slice(0, CLAIMS_MAX).map(({ partition, epoch }) => [partition, epoch]));
