/**
 * What the owner itself appends to its log: time-outs, timers, items. Stamped, so that each counts once and only in its epoch.
 *
 * 1. One entry at a time: `n` rises in log order.
 * 2. An unknown outcome is tried again with the same stamp until it is known.
 * 3. Before the node's announcement was folded nothing is written, since nothing could be stamped.
 * 4. For one time of being owner: once stopped it writes nothing more, and says so to whoever asks.
 * 5. Somebody else's entry with the owner's stamp costs one entry: the numbers go on behind its own, and what the fold has passed over, or will, for
 *    that is written again (ADR 51).
 */
import { isNextStamp } from "@holdfast/core";
import {
  AnnounceOwnerSchema,
  type Command,
  CommandBatchSchema,
  CommandSchema,
  type OwnerStamp,
  OwnerStampSchema,
} from "@holdfast/proto";
import { encode, init } from "@holdfast/proto/codec";
import type { Clock } from "../ports/clock.js";
import type { CommandLog } from "../ports/command-log.js";
import { PortError } from "../ports/errors.js";

const BATCH_COMMANDS = 1_000;
const BATCH_BYTES = 384 * 1024;
const RETRY_PAUSE_MS = 200;
/** Written and not folded yet: more waits. */
const UNFOLDED_BYTES_MAX = 8 * 1024 * 1024;

interface Waiting {
  readonly command: Command;
  readonly bytes: number;
  readonly done: (seq: number) => void;
  readonly failed: (error: unknown) => void;
}

/** An entry that was written, or is being written, and that was not folded yet. */
interface Unfolded {
  readonly n: bigint;
  readonly entry: Uint8Array;
  readonly taken: readonly Waiting[];
  /** Its commands are written again, in another entry. */
  shutOut: boolean;
}

export class OwnerWriter {
  private queue: Waiting[] = [];
  private n = 0n;
  private epoch: bigint | undefined;
  /** In the order of their numbers. */
  private unfolded: Unfolded[] = [];
  private unfoldedBytes = 0;
  private hasRoom: (() => void) | undefined;
  /** The last number that was folded. */
  private foldedN = 0n;
  private pumping = false;
  private stopped = false;
  /** Why the log does not take what it is given, for as long as it does not. */
  trouble: PortError | undefined;

  constructor(
    private readonly log: CommandLog,
    private readonly partition: number,
    private readonly node: string,
    /** Of the node's start. */
    private readonly process: string,
    private readonly clock: Clock,
  ) {}

  /** The node was folded as owner with this epoch; numbers begin anew. What was written in the epoch before and not folded in it is written again. */
  begin(epoch: bigint): void {
    this.epoch = epoch;
    this.n = 0n;
    this.foldedN = 0n;
    this.writeAgain(this.unfolded.length);
  }

  /** An entry with a stamp was folded. False where somebody else wrote it in this writer's name. */
  saw({ epoch, n }: OwnerStamp, data: Uint8Array): boolean {
    // The fold has passed over it.
    if (epoch !== this.epoch || !isNextStamp(this.foldedN, n)) return true;
    this.foldedN = n;
    const [first] = this.unfolded;
    if (first?.n === n && Buffer.compare(data, first.entry) === 0) {
      this.unfolded.shift();
      this.unfoldedBytes -= first.entry.length;
      this.hasRoom?.();
      return true;
    }
    if (n > this.n) this.n = n;
    const shutOut = this.unfolded.findIndex((entry) => entry.n > n);
    this.writeAgain(shutOut < 0 ? this.unfolded.length : shutOut);
    return false;
  }

  /** The first so many were not folded, and never will be under their numbers. */
  private writeAgain(count: number): void {
    const entries = this.unfolded.splice(0, count);
    if (entries.length === 0) return;
    this.queue.unshift(...entries.flatMap(({ taken }) => taken));
    for (const entry of entries) {
      entry.shutOut = true;
      this.unfoldedBytes -= entry.entry.length;
    }
    this.hasRoom?.();
    if (!this.pumping && !this.stopped) void this.pump();
  }

  get queued(): number {
    return this.queue.length;
  }

  /** Rejects with `full` where the log has no room: who may be owner is asked again later. */
  async announce(epoch: bigint): Promise<void> {
    const value = init(AnnounceOwnerSchema, { node: this.node, epoch, process: this.process });
    const announcement = init(CommandSchema, { kind: { case: "announceOwner", value } });
    await this.append(
      encode(CommandBatchSchema, init(CommandBatchSchema, { producer: this.node, commands: [announcement] })),
      "give up when full",
    );
  }

  /** Resolves with its log sequence once the command is durable. Rejects with `closed` when the writer was stopped. */
  write(command: Command): Promise<number> {
    if (this.stopped) return Promise.reject(stoppedError());
    // A stamp of no epoch would count in a log that has no owner yet.
    if (this.epoch === undefined) return Promise.reject(notBegunError(this.partition));
    return new Promise((done, failed) => {
      const bytes = encode(CommandSchema, command).length;
      this.queue.push({ command, bytes, done, failed });
      if (!this.pumping) void this.pump();
    });
  }

  stop(): void {
    this.stopped = true;
    for (const waiting of this.queue.splice(0)) waiting.failed(stoppedError());
    this.unfolded = [];
    this.hasRoom?.();
  }

  private async pump(): Promise<void> {
    if (this.epoch === undefined) return;
    this.pumping = true;
    // Commands of the same turn travel together.
    await Promise.resolve();
    while (this.queue.length > 0 && !this.stopped) {
      if (this.unfoldedBytes > UNFOLDED_BYTES_MAX) {
        await new Promise<void>((resolve) => (this.hasRoom = resolve));
        continue;
      }
      const taken: Waiting[] = [];
      let bytes = 0;
      while (this.queue.length > 0 && taken.length < BATCH_COMMANDS) {
        const next = this.queue[0] as Waiting;
        if (taken.length > 0 && bytes + next.bytes > BATCH_BYTES) break;
        bytes += next.bytes;
        taken.push(next);
        this.queue.shift();
      }
      const n = ++this.n;
      const owner = init(OwnerStampSchema, { epoch: this.epoch, n });
      const commands = taken.map((waiting) => waiting.command);
      const batch = init(CommandBatchSchema, { producer: this.node, owner, commands });
      await this.appendOne({ n, entry: encode(CommandBatchSchema, batch), taken, shutOut: false });
    }
    this.pumping = false;
  }

  private async appendOne(written: Unfolded): Promise<void> {
    this.unfolded.push(written);
    this.unfoldedBytes += written.entry.length;
    try {
      const seq = await this.append(written.entry, "wait", () => written.shutOut);
      // Shut out meanwhile: it is done once it was written again.
      if (!written.shutOut) for (const waiting of written.taken) waiting.done(seq);
    } catch (error) {
      if (written.shutOut) return;
      for (const waiting of written.taken) waiting.failed(error);
      const at = this.unfolded.indexOf(written);
      if (at < 0) return;
      this.unfolded.splice(at, 1);
      this.unfoldedBytes -= written.entry.length;
    }
  }

  private async append(
    entry: Uint8Array,
    whenFull: "give up when full" | "wait",
    isOver = (): boolean => false,
  ): Promise<number> {
    for (;;) {
      if (this.stopped || isOver()) throw stoppedError();
      try {
        const seq = await this.log.append(this.partition, entry);
        this.trouble = undefined;
        return seq;
      } catch (error) {
        if (!(error instanceof PortError)) throw error;
        this.trouble = error;
        if (error.retry === "never" || (error.code === "full" && whenFull !== "wait")) throw error;
        await new Promise<void>((resolve) => this.clock.after(RETRY_PAUSE_MS, resolve));
      }
    }
  }
}

const stoppedError = (): PortError =>
  new PortError("closed", "this node was the partition's owner no more before the command was written");

const notBegunError = (partition: number): PortError =>
  new PortError(
    "closed",
    `this node is not the owner of partition ${partition} yet, so it can't write for it`,
  );
