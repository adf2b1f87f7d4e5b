/**
 * One partition's way into the log: commands gather into batches, batches are appended in order, a few at a time.
 *
 * 1. A command waits at most until the end of the event-loop turn, or for one of `maxInFlight` slots.
 * 2. A batch that the log finds too large is split until only the command that is to blame fails.
 * It never decides what a command means, and never drops one without telling its receipt.
 */
import { PortError } from "../ports/errors.js";
import { type AppendDeps, appendUntilKnown } from "./append.js";
import { Batch, framedBytes, type Receipt } from "./batch.js";

export interface LaneOwner extends AppendDeps {
  readonly signal: AbortSignal;
  /** The fields that a new batch begins with. */
  batchHeader(): Uint8Array;
  /** `commands` left the queue: they are durable, or given up. */
  onSettled(commands: number, bytes: number): void;
}

export class Lane {
  readonly #owner: LaneOwner;
  /** Full batches and those to be tried in parts, oldest first, before the open one. */
  readonly #sealed: Batch[] = [];
  #open: Batch | undefined;
  #inFlight = 0;
  #lastBytes = 0;

  constructor(
    readonly partition: number,
    owner: LaneOwner,
  ) {
    this.#owner = owner;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Returns the bytes it takes up. The command has been checked against `maxEntryBytes`. */
  add(command: Uint8Array, receipt: Receipt): number {
    const bytes = framedBytes(command.length);
    this.#batchFor(bytes).add(command, receipt);
    return bytes;
  }

  /** Adds a command that an earlier batch held. */
  addAgain(batch: Batch, index: number, receipt: Receipt): number {
    const bytes = batch.frameBytes(index);
    this.#batchFor(bytes).addFrom(batch, index, receipt);
    return bytes;
  }

  /** Appends what there is, as far as slots are free. */
  flush(): void {
    while (this.#inFlight < this.#owner.limits.maxInFlight) {
      const batch = this.#sealed.shift() ?? this.#takeOpen();
      if (batch === undefined) return;
      this.#inFlight++;
      void this.#append(batch);
    }
  }

  #takeOpen(): Batch | undefined {
    const batch = this.#open;
    if (batch !== undefined) this.#lastBytes = batch.byteLength;
    this.#open = undefined;
    return batch;
  }

  #batchFor(bytes: number): Batch {
    const { limits } = this.#owner;
    const header = this.#owner.batchHeader();
    const open = this.#open;
    if (open !== undefined) {
      const fits = open.byteLength + bytes <= limits.maxBatchBytes && open.count < limits.maxBatchCommands;
      if (fits && open.header === header) return open;
      this.#sealed.push(open);
    }
    const batch = new Batch(header, Math.max(this.#lastBytes, header.length + bytes));
    this.#open = batch;
    return batch;
  }

  async #append(batch: Batch): Promise<void> {
    const { commandBytes, count, receipts } = batch;
    let seq: number | undefined;
    let error: PortError | undefined;
    try {
      seq = await appendUntilKnown(this.#owner, this.partition, batch.bytes, this.#owner.signal);
    } catch (thrown) {
      error = thrown instanceof PortError ? thrown : unexpected(this.partition, thrown);
    }
    this.#inFlight--;
    if (error?.code === "too-large" && count > 1) {
      this.#sealed.unshift(...this.#halves(batch));
    } else {
      this.#owner.onSettled(count, commandBytes);
      if (seq === undefined)
        for (const receipt of receipts) receipt.failed(error ?? unexpected(this.partition, undefined));
      else for (let index = 0; index < count; index++) receipts[index]?.stored(seq, batch, index);
    }
    this.flush();
  }

  #halves(batch: Batch): Batch[] {
    const middle = batch.count >> 1;
    const halves = [new Batch(batch.header), new Batch(batch.header)] as const;
    batch.receipts.forEach((receipt, index) => {
      halves[index < middle ? 0 : 1].addFrom(batch, index, receipt);
    });
    return [...halves];
  }
}

function unexpected(partition: number, cause: unknown): PortError {
  return new PortError(
    "io",
    `an append to the log of partition ${partition} ended in no way the port knows; see the cause`,
    { partition },
    { cause },
  );
}
