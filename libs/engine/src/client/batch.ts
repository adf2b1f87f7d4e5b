/**
 * The bytes of one CommandBatch while it is being filled.
 *
 * 1. What it holds is always a valid CommandBatch: the header fields, then each command as one framed field.
 * 2. A batch never changes after it was first appended: every later try sends the same bytes.
 * It never encodes a command and never talks to the log.
 */
import { CommandBatchSchema } from "@holdfast/proto";
import type { PortError } from "../ports/errors.js";
import { encode } from "./codec.js";

/** Who is told what became of one command's append. Called exactly once, with one of the two. */
export interface Receipt {
  /** The command is durable, in the log entry `seq`; `batch` holds its bytes under `index`. */
  stored(seq: number, batch: Batch, index: number): void;
  /** Gave up. `error.retry` says whether it may have been stored all the same. */
  failed(error: PortError): void;
}

/** Field 4, length-delimited: `CommandBatch.commands`. */
const COMMANDS_TAG = (4 << 3) | 2;
const INITIAL_BYTES = 1_024;

/** The fields of a batch that come before its commands. */
export function encodeBatchHeader(producer: string, replyInbox: string): Uint8Array {
  return encode(CommandBatchSchema, {
    $typeName: "holdfast.v1.CommandBatch",
    producer,
    replyInbox,
    commands: [],
  });
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value >>> 7; rest !== 0; rest >>>= 7) bytes++;
  return bytes;
}

/** How many bytes a command of `commandBytes` takes up in a batch. */
export function framedBytes(commandBytes: number): number {
  return 1 + varintBytes(commandBytes) + commandBytes;
}

export class Batch {
  readonly receipts: Receipt[] = [];
  /** End of each command's frame within `buffer`. */
  readonly #ends: number[] = [];
  #buffer: Uint8Array;
  #length: number;

  constructor(
    readonly header: Uint8Array,
    capacityBytes = INITIAL_BYTES,
  ) {
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(capacityBytes, header.length * 2, INITIAL_BYTES));
    this.#buffer.set(header);
    this.#length = header.length;
  }

  get count(): number {
    return this.receipts.length;
  }

  get byteLength(): number {
    return this.#length;
  }

  /** Bytes of the commands alone. */
  get commandBytes(): number {
    return this.#length - this.header.length;
  }

  /** Valid until the next command is added. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  add(command: Uint8Array, receipt: Receipt): void {
    this.#reserve(framedBytes(command.length));
    const buffer = this.#buffer;
    let at = this.#length;
    buffer[at++] = COMMANDS_TAG;
    let rest = command.length;
    while (rest > 0x7f) {
      buffer[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[at++] = rest;
    buffer.set(command, at);
    this.#close(at + command.length, receipt);
  }

  /** Adds a command that another batch holds, as it is there. */
  addFrom(batch: Batch, index: number, receipt: Receipt): void {
    const frame = batch.#frame(index);
    this.#reserve(frame.length);
    this.#buffer.set(frame, this.#length);
    this.#close(this.#length + frame.length, receipt);
  }

  /** The bytes that one command's frame takes up. */
  frameBytes(index: number): number {
    return this.#end(index) - this.#start(index);
  }

  #frame(index: number): Uint8Array {
    return this.#buffer.subarray(this.#start(index), this.#end(index));
  }

  #start(index: number): number {
    return index === 0 ? this.header.length : this.#end(index - 1);
  }

  #end(index: number): number {
    const end = this.#ends[index];
    if (end === undefined)
      throw new RangeError(`a batch of ${this.#ends.length} commands has none at ${index}`);
    return end;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    larger.set(this.bytes);
    this.#buffer = larger;
  }

  #close(end: number, receipt: Receipt): void {
    this.#length = end;
    this.#ends.push(end);
    this.receipts.push(receipt);
  }
}
