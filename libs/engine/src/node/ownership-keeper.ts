/**
 * Keeps a node the owner of the partitions that it wants, and keeps two nodes from wanting the same ones.
 *
 * 1. The log says who owns a partition; whether that owner lives is told by its beats. A partition whose owner is silent is taken
 *    back, with growing pauses.
 * 2. A node that starts while the owner of a partition lives refuses to, and says which one that is.
 * 3. Of two nodes that both run, the one that the log names as owner of the first partition that both want stays; the other ends. Both
 *    read that in the same log, so both come to the same answer.
 * 4. A beat alone ends nobody: what it claims counts only where the log says the same.
 * 5. An announcement of no living node is answered at once by a node that would have heard its beats, and never less than once a second: who forges
 *    them can shorten what the partition works, and not stop it (ADR 51).
 */
import type { Logger } from "@holdfast/telemetry";
import type { Processor } from "../partition/processor.js";
import type { Bus } from "../ports/bus.js";
import type { Clock } from "../ports/clock.js";
import { PortError } from "../ports/errors.js";
import { NODE_SILENT_MS, type Peer, Peers } from "./peers.js";

/** A node that is about to end is waited for so long. */
const DRAIN_MS_MAX = 30_000;
/** A data folder that another process has may be one's own a moment before. */
const LOCKED_MS_MAX = 3_000;
/** Not to hear one's own beats for so long is a fault of the way there. */
const DEAF_MS_MAX = 15_000;
const CLAIM_PAUSE_MS = 250;
const CLAIM_PAUSE_MS_MAX = 10_000;
/** Where its last announcement was folded, and another's followed. */
const AGAIN_PAUSE_MS_MAX = 1_000;
/** Who acted for so long begins the pauses anew. */
const SETTLED_MS = 30_000;
/** Beats in a row that find the same, before this node ends over it. */
const VERDICTS = 2;

export interface Standing {
  /** Empty: it acts here, or is on its way to. */
  readonly problem: string;
  readonly ownerSilentMs: number;
}

const WELL: Standing = { problem: "", ownerSilentMs: 0 };

interface Watched {
  /** The owner by the log, and since when by this node's hearing it is. */
  owner: string;
  sinceMs: number;
  actingSinceMs: number | undefined;
  /** Of its last announcement that was folded, when it claimed the partition last. */
  announced: bigint;
  pauseMs: number;
  notBeforeMs: number;
}

export interface OwnershipKeeperDeps {
  readonly node: string;
  readonly process: string;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly processors: () => readonly Processor[];
  /** Another node lives and owns what this one wants: this one has to end, for this reason. */
  readonly superseded: (reason: string) => void;
}

export class OwnershipKeeper {
  private readonly peers: Peers;
  private readonly watched = new Map<Processor, Watched>();
  private begunMs = 0;
  private admitting:
    | { readonly resolve: () => void; readonly reject: (error: PortError) => void }
    | undefined;
  private admitted = false;
  private verdicts = 0;
  private stopped = false;

  constructor(private readonly deps: OwnershipKeeperDeps) {
    this.peers = new Peers({ ...deps, claims: () => this.claims(), onBeat: () => this.look() });
  }

  /** Says that this node lives, and hears who else does. */
  begin(): Promise<void> {
    this.begunMs = this.deps.clock.monotonicMs();
    return this.peers.begin();
  }

  /** Resolves once this node may announce itself; rejects with `locked` where another one is the owner and lives. */
  admit(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.admitting = { resolve, reject };
      this.look();
    });
  }

  drain(): void {
    this.peers.drain();
  }

  stop(): void {
    this.stopped = true;
    this.peers.stop();
  }

  standing(processor: Processor): Standing {
    if (processor.phase !== "following" || this.stopped) return WELL;
    const { partition, ownerNode: owner, epoch, announcedEpoch } = processor;
    if (epoch > 0n && epoch === announcedEpoch) return WELL;
    if (owner === "") return { problem: `partition ${partition} has no owner yet`, ownerSilentMs: 0 };
    const peer = this.peers.aliveAs(owner);
    if (peer !== undefined) {
      const verb = this.wins(peer) === "it" ? "this node has to end" : "that one has to end";
      const problem = `partition ${partition} was taken by ${named(peer)}, which is alive: two nodes want the same partitions, and ${verb}`;
      return { problem, ownerSilentMs: 0 };
    }
    const silentMs = Math.max(1, this.silentMs(processor));
    const problem = `the owner of partition ${partition} by the log, node ${owner} (epoch ${processor.epoch}), gives no sign of life: this node takes the partition back`;
    return { problem, ownerSilentMs: silentMs };
  }

  /** Partitions that this node wants and nobody who lives owns. */
  get ownerless(): number {
    return this.deps
      .processors()
      .filter(
        (processor) => processor.phase !== "acting" && this.peers.aliveAs(processor.ownerNode) === undefined,
      ).length;
  }

  private claims(): { partition: number; epoch: bigint }[] {
    return this.deps
      .processors()
      .filter(({ phase }) => phase === "following" || phase === "acting")
      .map(({ partition, announcedEpoch }) => ({ partition, epoch: announcedEpoch }));
  }

  /** Does what is due now, not at the next beat only. */
  look(): void {
    if (this.stopped) return;
    if (this.admitting !== undefined) this.lookWhetherAdmitted(this.admitting);
    if (!this.admitted) return;
    this.lookForSuperseder();
    for (const processor of this.deps.processors()) this.lookAt(processor);
  }

  private lookWhetherAdmitted({ resolve, reject }: NonNullable<OwnershipKeeper["admitting"]>): void {
    const answer = this.admission();
    if (answer === "wait") return;
    this.admitting = undefined;
    if (answer === "admitted") {
      this.admitted = true;
      resolve();
    } else reject(answer);
  }

  private admission(): "admitted" | "wait" | PortError {
    const { clock } = this.deps;
    const processors = this.deps.processors();
    // One that is opened again just now will know more in a moment.
    if (processors.some(({ phase }) => phase === "opening" || phase === "catching-up")) return "wait";
    const waitedMs = clock.monotonicMs() - this.begunMs;
    const draining = this.peers.alive().some((peer) => peer.draining);
    for (const processor of processors) {
      const peer = this.owningPeer(processor);
      if (peer === undefined) continue;
      return peer.draining && waitedMs < DRAIN_MS_MAX ? "wait" : alreadyOwned(processor, peer, clock);
    }
    const open = processors.filter(({ phase }) => phase === "following");
    if (open.length > 0 && open.every(({ ownerNode }) => ownerNode === "")) return "admitted";
    if (this.peers.hearingMs < NODE_SILENT_MS)
      return waitedMs < DEAF_MS_MAX || this.peers.hearingMs > 0 ? "wait" : deaf();
    return open.length > 0 ? "admitted" : this.admissionWithout(processors, draining, waitedMs);
  }

  /** None of its partitions could be opened, so no log tells whether who lives is their owner. */
  private admissionWithout(
    processors: readonly Processor[],
    draining: boolean,
    waitedMs: number,
  ): "admitted" | "wait" | PortError {
    const { clock } = this.deps;
    for (const processor of processors) {
      const peer = this.peers.alive().find(({ claims }) => claims.has(processor.partition));
      if (peer === undefined) continue;
      return peer.draining && waitedMs < DRAIN_MS_MAX ? "wait" : alreadyOwned(processor, peer, clock);
    }
    const locked = processors.map(({ stoppedBy }) => stoppedBy).filter(isLocked);
    if (locked.length < processors.length || locked[0] === undefined) return "admitted";
    return waitedMs < (draining ? DRAIN_MS_MAX : LOCKED_MS_MAX) ? "wait" : locked[0];
  }

  /** The node that the log names as the partition's owner, where it is another one and lives. */
  private owningPeer(processor: Processor): Peer | undefined {
    const { phase, partition, ownerNode: owner, ownerProcess, epoch, announcedEpoch } = processor;
    // Where the log's last word is this process's own, a beat that claims the same is somebody's copy of its own.
    if (phase !== "following" || (epoch > 0n && epoch === announcedEpoch)) return undefined;
    const mayBe = (peer: Peer): boolean => ownerProcess === "" || peer.process === ownerProcess;
    return this.peers
      .alive()
      .find((peer) => peer.node === owner && mayBe(peer) && peer.claims.get(partition) === epoch);
  }

  /** Rule 3; undefined: the log names neither of them for any partition that both want. */
  private wins(peer: Peer): "this" | "it" | undefined {
    for (const processor of this.deps.processors()) {
      const claimed = peer.claims.get(processor.partition);
      if (claimed === undefined) continue;
      if (processor.phase === "acting") return "this";
      if (this.owningPeer(processor)?.process === peer.process) return "it";
    }
    return undefined;
  }

  private lookForSuperseder(): void {
    const peer = this.peers.alive().find((one) => this.wins(one) === "it");
    this.verdicts = peer === undefined ? 0 : this.verdicts + 1;
    if (peer === undefined || this.verdicts < VERDICTS) return;
    this.stopped = true;
    this.deps.superseded(
      `${named(peer)} is alive and owns what this node wants, so this node ends: a cluster has one node. Stop that one first if this one is to take its place`,
    );
  }

  private lookAt(processor: Processor): void {
    const watched = this.watchedOf(processor);
    const nowMs = this.deps.clock.monotonicMs();
    if (processor.phase === "acting") {
      watched.actingSinceMs ??= nowMs;
      if (nowMs - watched.actingSinceMs >= SETTLED_MS) watched.pauseMs = CLAIM_PAUSE_MS;
      return;
    }
    watched.actingSinceMs = undefined;
    if (processor.phase !== "following" || processor.claiming !== undefined || nowMs < watched.notBeforeMs)
      return;
    // Its own from before it stopped and was opened again: nobody else has to fall silent.
    const itsOwn = processor.epoch === processor.announcedEpoch;
    const isForged = !itsOwn && this.isNobodys(processor);
    if (!itsOwn && !isForged && processor.ownerNode !== "" && this.silentMs(processor) < NODE_SILENT_MS)
      return;
    if (watched.announced < processor.announcedEpoch)
      watched.pauseMs = Math.min(watched.pauseMs, AGAIN_PAUSE_MS_MAX);
    watched.announced = processor.announcedEpoch;
    if (isForged) processor.foreign.saw("announcement", processor.epoch);
    watched.notBeforeMs = nowMs + watched.pauseMs;
    watched.pauseMs = Math.min(watched.pauseMs * 2, CLAIM_PAUSE_MS_MAX);
    this.takeBack(processor, itsOwn);
  }

  /** It was this node's a moment ago, and no node made the announcement by which it is so no more: this one would have heard it. */
  private isNobodys({ announcedEpoch, ownerNode }: Processor): boolean {
    return announcedEpoch > 0n && this.peers.hearsAll && this.peers.aliveAs(ownerNode) === undefined;
  }

  private takeBack(processor: Processor, itsOwn: boolean): void {
    const { logger } = this.deps;
    const { partition, ownerNode: owner } = processor;
    if (!itsOwn)
      logger.warn("the partition's owner gives no sign of life; this node takes the partition back", {
        partition,
        owner,
      });
    processor.own().catch((error: unknown) => {
      logger.error("the partition could not be taken back; it is tried again", { partition, err: error });
    });
  }

  private watchedOf(processor: Processor): Watched {
    let watched = this.watched.get(processor);
    if (watched === undefined) {
      watched = {
        owner: "",
        sinceMs: this.peers.hearingMs,
        actingSinceMs: undefined,
        announced: processor.announcedEpoch,
        pauseMs: CLAIM_PAUSE_MS,
        notBeforeMs: 0,
      };
      this.watched.set(processor, watched);
    }
    const owner = `${processor.epoch} ${processor.ownerNode}`;
    if (watched.owner !== owner) {
      watched.owner = owner;
      watched.sinceMs = this.peers.hearingMs;
    }
    return watched;
  }

  /** For how long the owner by the log could have been heard and was not. */
  private silentMs(processor: Processor): number {
    if (this.peers.aliveAs(processor.ownerNode) !== undefined) return 0;
    if (this.peers.saidGoodbye(processor.ownerNode)) return NODE_SILENT_MS;
    return this.peers.hearingMs - this.watchedOf(processor).sinceMs;
  }
}

const isLocked = (error: unknown): error is PortError =>
  error instanceof PortError && error.code === "locked";

const named = ({ node, startedAtMs }: Peer): string =>
  `node ${node} (started ${new Date(startedAtMs).toISOString()})`;

function alreadyOwned({ partition }: Processor, peer: Peer, clock: Clock): PortError {
  const upS = Math.max(0, Math.round((clock.nowMs() - peer.startedAtMs) / 1_000));
  const what = peer.draining ? "is about to end, but has not yet" : "is alive";
  return new PortError(
    "locked",
    `${named(peer)}, up for ${upS} s, ${what} and owns partition ${partition}: a cluster has one node, and a second one would take ` +
      "its work away. Stop that node first, then start this one; a node that is dead is noticed within a second or two",
    { node: peer.node, partition },
  );
}

function deaf(): PortError {
  return new PortError(
    "unavailable",
    `this node did not hear its own beats on holdfast.node.beat for ${DEAF_MS_MAX / 1_000} s, so it can't know whether another node lives: check the ` +
      "connection to NATS, and that the account may publish and subscribe there",
  );
}
