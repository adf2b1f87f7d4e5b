/**
 * What the owner itself appends to its log: time-outs, timers, items. Stamped, so that each counts once and only in its epoch.
 *
 * 1. One entry at a time: `n` rises in log order.
 * 2. An unknown outcome is tried again with the same stamp until it is known.
 * 3. For one time of being owner: once stopped it writes nothing more, and says so to whoever asks.
 */
import {
  AnnounceOwnerSchema,
  type Command,
  CommandBatchSchema,
  CommandSchema,
  OwnerStampSchema,
} from "@holdfast/proto";
import { encode, init } from "@holdfast/proto/codec";
import type { Clock } from "../ports/clock.js";
import type { CommandLog } from "../ports/command-log.js";
import { PortError } from "../ports/errors.js";

const BATCH_COMMANDS = 1_000;
const BATCH_BYTES = 384 * 1024;
const RETRY_PAUSE_MS = 200;

interface Waiting {
  readonly command: Command;
  readonly bytes: number;
  readonly done: (seq: number) => void;
  readonly failed: (error: unknown) => void;
}

export class OwnerWriter {
  private queue: Waiting[] = [];
  private n = 0n;
  private epoch: bigint | undefined;
  private pumping = false;
  private stopped = false;

  constructor(
    private readonly log: CommandLog,
    private readonly partition: number,
    private readonly node: string,
    private readonly clock: Clock,
  ) {}

  /** The node was folded as owner with this epoch; stamps begin anew. */
  begin(epoch: bigint): void {
    this.epoch = epoch;
    this.n = 0n;
  }

  get queued(): number {
    return this.queue.length;
  }

  async announce(epoch: bigint): Promise<void> {
    const announcement = init(CommandSchema, {
      kind: { case: "announceOwner", value: init(AnnounceOwnerSchema, { node: this.node, epoch }) },
    });
    await this.append(
      encode(CommandBatchSchema, init(CommandBatchSchema, { producer: this.node, commands: [announcement] })),
    );
  }

  /** Resolves with its log sequence once the command is durable. Rejects with `closed` when the writer was stopped. */
  write(command: Command): Promise<number> {
    if (this.stopped) return Promise.reject(stoppedError());
    return new Promise((done, failed) => {
      const bytes = encode(CommandSchema, command).length;
      this.queue.push({ command, bytes, done, failed });
      if (!this.pumping) void this.pump();
    });
  }

  stop(): void {
    this.stopped = true;
    for (const waiting of this.queue.splice(0)) waiting.failed(stoppedError());
  }

  private async pump(): Promise<void> {
    this.pumping = true;
    // Commands of the same turn travel together.
    await Promise.resolve();
    while (this.queue.length > 0 && !this.stopped) {
      const taken: Waiting[] = [];
      let bytes = 0;
      while (this.queue.length > 0 && taken.length < BATCH_COMMANDS) {
        const next = this.queue[0] as Waiting;
        if (taken.length > 0 && bytes + next.bytes > BATCH_BYTES) break;
        bytes += next.bytes;
        taken.push(next);
        this.queue.shift();
      }
      const owner = init(OwnerStampSchema, { epoch: this.epoch ?? 0n, n: ++this.n });
      const commands = taken.map((waiting) => waiting.command);
      try {
        const batch = init(CommandBatchSchema, { producer: this.node, owner, commands });
        const seq = await this.append(encode(CommandBatchSchema, batch));
        for (const waiting of taken) waiting.done(seq);
      } catch (error) {
        for (const waiting of taken) waiting.failed(error);
      }
    }
    this.pumping = false;
  }

  private async append(entry: Uint8Array): Promise<number> {
    for (;;) {
      if (this.stopped) throw stoppedError();
      try {
        return await this.log.append(this.partition, entry);
      } catch (error) {
        if (!(error instanceof PortError) || error.retry === "never") throw error;
        await new Promise<void>((resolve) => this.clock.after(RETRY_PAUSE_MS, resolve));
      }
    }
  }
}

const stoppedError = (): PortError =>
  new PortError("closed", "this node was the partition's owner no more before the command was written");
