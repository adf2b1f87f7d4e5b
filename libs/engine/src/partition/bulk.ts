/**
 * Has bulk operations go on in a partition: appends the next step of each, which the fold names; the fold checks it and does it.
 *
 * 1. What is to be done is found in state: told by an effect while this node is the owner, looked up when it becomes it.
 * 2. One step of one operation is under way at a time: an operation on a million runs does not crowd out other work.
 */
import { BULK_SHARES, bulkShareKey, nextBulkStep } from "@holdfast/core";
import { type BulkShareRecord, type Command, CommandSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ProcessorDeps } from "./deps.js";
import { SingleFlight } from "./single-flight.js";
import type { PartitionState } from "./state.js";

const PAGE = 256;

export interface BulkDeps extends Pick<ProcessorDeps, "clock" | "logger" | "partition"> {
  readonly state: () => PartitionState;
  /** Resolves with its log sequence once the command is durable; rejects with `closed` once this node is the owner no more. */
  write(command: Command): Promise<number>;
  folded(seq: number): Promise<void>;
}

export class BulkRunner {
  /** In the order in which they are come to: one that goes on stands last again. */
  private readonly wanted = new Set<string>();
  /** What is to be done is to be found in state: what was wanted is not known any more. */
  private lost = false;
  private stopped = true;
  private readonly flight: SingleFlight;

  constructor(private readonly deps: BulkDeps) {
    const { clock, logger, partition } = deps;
    const failed = (err: unknown): void => {
      this.lost = true;
      logger.error("a bulk operation could not go on; it is tried again", { partition, err });
    };
    this.flight = new SingleFlight({ clock, failed }, () => this.drain());
  }

  /** This node is the owner now. */
  async begin(): Promise<void> {
    this.stopped = false;
    for (let from = BULK_SHARES; ; ) {
      const rows = await this.deps.state().range(from, "c", PAGE);
      for (const [key, share] of rows)
        if (nextBulkStep(key.slice(1), share as BulkShareRecord) !== undefined) this.want(key.slice(1));
      const last = rows.at(-1)?.[0];
      if (last === undefined || rows.length < PAGE || this.stopped) return;
      from = `${last}\0`;
    }
  }

  stop(): void {
    this.stopped = true;
    this.flight.stop();
    this.wanted.clear();
  }

  want(operationId: string): void {
    if (this.stopped) return;
    this.wanted.add(operationId);
    this.flight.wake();
  }

  private async drain(): Promise<void> {
    if (this.lost) await this.begin();
    this.lost = false;
    for (const operationId of this.wanted) {
      this.wanted.delete(operationId);
      await this.step(operationId);
      if (this.stopped) return;
    }
  }

  private async step(operationId: string): Promise<void> {
    const { deps } = this;
    const share = deps.state().get(bulkShareKey(operationId));
    const value = share && nextBulkStep(operationId, share);
    if (value === undefined) return;
    await deps.folded(await deps.write(init(CommandSchema, { kind: { case: "bulkStep", value } })));
  }
}
