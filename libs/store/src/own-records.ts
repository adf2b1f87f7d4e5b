/**
 * What a store keeps about itself, in a key space that callers can't reach: what it is, and a ring of marks that
 * shows that its last batches are all there.
 */
import { decodeValue, OWN_SPACE, physicalKey } from "./record-format.js";

/** Raised with every change to how records stand on disk, together with a migration from the one before. */
export const SCHEMA_VERSION = 1;
export const FORMAT_NAME = "holdfast-partition-state";
/** Batch n is marked in slot n % 64: enough to catch what the check of LevelDB's logs could miss, and one small put a batch. */
export const MARKS = 64;

export const FORMAT_KEY = "format";
const MARK_PREFIX = "mark";

/** The physical keys of the ring, made once. */
const MARK_KEYS = Array.from({ length: MARKS }, (_, slot) => MARK_PREFIX + String.fromCharCode(slot));

/** Reads one record of the own space, physically. */
export type ReadOwn = (physical: Buffer) => Buffer | undefined;

export function markKey(batch: number): string {
  return MARK_KEYS[batch % MARKS] as string;
}

export function markValue(batch: number): Buffer {
  const value = Buffer.allocUnsafe(8);
  value.writeBigUInt64BE(BigInt(batch));
  return value;
}

/** What the own space says; `doubt` is a sentence where it can't be believed. */
export type OwnRecord<T> =
  | { readonly value: T; readonly doubt?: undefined }
  | { readonly value?: undefined; readonly doubt: string };

/** The number of the last batch (0: none was ever written), when the ring has it and those before it without a gap. */
export function lastBatch(read: ReadOwn): OwnRecord<number> {
  const slots: (number | undefined)[] = [];
  for (const key of MARK_KEYS) {
    const record = readOwn(read, key);
    if (record.doubt !== undefined) return record;
    slots.push(record.value === undefined ? undefined : Number(record.value.readBigUInt64BE()));
  }
  const last = slots.reduce<number>((max, batch) => Math.max(max, batch ?? 0), 0);
  for (let batch = Math.max(1, last - MARKS + 1); batch <= last; batch++) {
    const found = slots[batch % MARKS];
    if (found !== batch)
      return {
        doubt: `batch ${batch} is missing though batch ${last} is there (its mark holds ${found ?? "nothing"})`,
      };
  }
  return { value: last };
}

/** What a store says that it is. Its own encoding is fixed for ever, so that any version can read any other's. */
export interface StoreFormat {
  readonly format: string;
  readonly schema: number;
  readonly partition: number;
}

export function formatOf(partition: number): StoreFormat {
  return { format: FORMAT_NAME, schema: SCHEMA_VERSION, partition };
}

export function formatValue(partition: number): Buffer {
  return Buffer.from(JSON.stringify(formatOf(partition)));
}

/** What was read as JSON, where it says all three. */
export function asFormat(found: unknown): StoreFormat | undefined {
  if (typeof found !== "object" || found === null) return undefined;
  const { format, schema, partition } = found as Partial<StoreFormat>;
  if (typeof format !== "string" || typeof schema !== "number" || typeof partition !== "number")
    return undefined;
  return { format, schema, partition };
}

export function storeFormat(read: ReadOwn): OwnRecord<StoreFormat | undefined> {
  const record = readOwn(read, FORMAT_KEY);
  if (record.doubt !== undefined) return record;
  if (record.value === undefined) return { value: undefined };
  // Its checksum is right, so it is what some version wrote: JSON, always.
  const value = asFormat(JSON.parse(record.value.toString()));
  return value === undefined ? { doubt: "its format record lacks its name, schema or partition" } : { value };
}

function readOwn(read: ReadOwn, key: string): OwnRecord<Buffer | undefined> {
  const physical = physicalKey(OWN_SPACE, key);
  const stored = read(physical);
  if (stored === undefined) return { value: undefined };
  const value = decodeValue(physical, stored);
  return value === undefined ? { doubt: `its own record "${key}" has a wrong checksum` } : { value };
}
