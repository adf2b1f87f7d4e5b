/**
 * Port: one ordered key-value store for each partition.
 *
 * 1. Keys are binary strings: each char is one byte (0-255); order is byte order.
 * 2. `write` is atomic: all of a batch or nothing, and batches become durable in the order written.
 * 3. What is read was written: a damaged record is an error (`corrupt`), never wrong bytes.
 */

export interface RangeOptions {
  /** First key, inclusive. */
  readonly from: string;
  /** Last key, exclusive. */
  readonly to: string;
  readonly limit: number;
  readonly reverse?: boolean;
}

export interface WriteBatch {
  readonly puts: Iterable<readonly [key: string, value: Uint8Array]>;
  readonly dels: Iterable<string>;
}

export interface PartitionStore {
  /** Values in the order of the keys; undefined where there is none. Returned bytes belong to the caller. */
  getMany(keys: readonly string[]): Promise<(Uint8Array | undefined)[]>;
  /** One value at once, for what a fold meets unforeseen. Blocks the event loop for one read. */
  getSync(key: string): Uint8Array | undefined;
  range(options: RangeOptions): Promise<[key: string, value: Uint8Array][]>;
  /** How many keys there are from `from` to before `to`, as things stand at the call. Costs what it counts, but no memory. */
  count(range: { readonly from: string; readonly to: string }): Promise<number>;
  /**
   * Atomic. A key that stands in both is put. Reads may only count on it once it has resolved. Takes effect in the order of
   * the calls. Rejects with a `PortError`: `io` (nothing of it is stored, and nothing is until the store is opened again) or
   * `full` (too many writes wait). `RangeError` for a key with a char above 255.
   */
  write(batch: WriteBatch): Promise<void>;
  /** Bytes on disk, about. */
  sizeBytes(): Promise<number>;
  close(): Promise<void>;
}

export interface StateStore {
  /**
   * Opens a partition's store, making it where there is none.
   * `PortError`: `locked` (another process has it), `corrupt` (it was damaged; the folder was put aside under the name
   * in the error's details, and the next `open` starts empty), `schema` (written by a newer Holdfast), `config-mismatch` (it is
   * another partition's), `io`.
   */
  open(partition: number): Promise<PartitionStore>;
}
