/**
 * The state store in memory, for tests and simulations. Passes the conformance suite that LevelDB's does.
 *
 * 1. What a partition holds outlives its `close`, as a folder would; it ends with the `MemoryStateStore`.
 * 2. A write is visible once its promise has resolved, not before: as on disk.
 */
import {
  type PartitionStore,
  PortError,
  type RangeOptions,
  type StateStore,
  type WriteBatch,
} from "../ports/index.js";
import { SortedKeys } from "./sorted-keys.js";

const CHAR_MAX = 0xff;

interface Contents {
  readonly values: Map<string, Uint8Array>;
  readonly keys: SortedKeys;
  open: boolean;
}

export class MemoryStateStore implements StateStore {
  private readonly partitions = new Map<number, Contents>();

  async open(partition: number): Promise<PartitionStore> {
    const contents = this.partitions.get(partition) ?? {
      values: new Map(),
      keys: new SortedKeys(),
      open: false,
    };
    if (contents.open) {
      throw new PortError("locked", `The state of partition ${partition} is already open: close it first.`, {
        partition,
      });
    }
    contents.open = true;
    this.partitions.set(partition, contents);
    return new MemoryPartitionStore(contents, partition);
  }
}

class MemoryPartitionStore implements PartitionStore {
  private closing: Promise<void> | undefined;
  private tail: Promise<void> = Promise.resolve();

  constructor(
    private readonly contents: Contents,
    private readonly partition: number,
  ) {}

  async getMany(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    return keys.map((key) => this.getSync(key));
  }

  getSync(key: string): Uint8Array | undefined {
    this.assertOpen();
    assertBinary(key);
    return this.contents.values.get(key)?.slice();
  }

  async range({ from, to, limit, reverse }: RangeOptions): Promise<[key: string, value: Uint8Array][]> {
    this.assertOpen();
    assertBinary(from);
    assertBinary(to);
    const found: [string, Uint8Array][] = [];
    const { keys, values } = this.contents;
    for (const key of reverse ? keys.downFrom(to) : keys.upFrom(from)) {
      if (found.length >= limit || (reverse ? key < from : key >= to)) break;
      found.push([key, (values.get(key) as Uint8Array).slice()]);
    }
    return found;
  }

  async count({ from, to }: { readonly from: string; readonly to: string }): Promise<number> {
    this.assertOpen();
    assertBinary(from);
    assertBinary(to);
    let count = 0;
    for (const key of this.contents.keys.upFrom(from)) {
      if (key >= to) break;
      count += 1;
    }
    return count;
  }

  async write({ puts, dels }: WriteBatch): Promise<void> {
    this.assertOpen();
    // Taken and checked before the first wait: the caller may reuse its bytes, and a bad key refuses the whole batch.
    const deleted = [...dels];
    const put = Array.from(puts, ([key, value]) => [key, Uint8Array.from(value)] as const);
    for (const key of deleted) assertBinary(key);
    for (const [key] of put) assertBinary(key);
    this.tail = this.apply(this.tail, deleted, put);
    await this.tail;
  }

  private async apply(
    previous: Promise<void>,
    deleted: readonly string[],
    put: readonly (readonly [string, Uint8Array])[],
  ): Promise<void> {
    await previous;
    const { keys, values } = this.contents;
    for (const key of deleted) if (values.delete(key)) keys.delete(key);
    for (const [key, value] of put) {
      if (!values.has(key)) keys.add(key);
      values.set(key, value);
    }
  }

  async sizeBytes(): Promise<number> {
    this.assertOpen();
    let bytes = 0;
    for (const [key, value] of this.contents.values) bytes += key.length + value.length;
    return bytes;
  }

  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    await this.tail;
    this.contents.open = false;
  }

  private assertOpen(): void {
    if (this.closing !== undefined) {
      throw new PortError("closed", `The state of partition ${this.partition} is closed: open it again.`, {
        partition: this.partition,
      });
    }
  }
}

/** The same refusal as where a char is a byte on disk. */
function assertBinary(key: string): void {
  for (let i = 0; i < key.length; i++) {
    if (key.charCodeAt(i) > CHAR_MAX) {
      throw new RangeError(`the key ${JSON.stringify(key)} is not a binary string: it has a char above 255`);
    }
  }
}
