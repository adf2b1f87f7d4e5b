/**
 * How records stand in LevelDB: physical keys, and values with their checksum. Bytes written here are read for ever.
 *
 * 1. Physical key: one byte of space (`state` or `own`), then the key's chars as bytes. Order is the keys' order.
 * 2. Physical value: the value, then CRC-32 (4 bytes, little-endian) of physical key + value. The key is part of it, so
 *    that an intact value under another's key is told too.
 */
import { crc32 } from "node:zlib";

/** What callers put. */
export const STATE_SPACE = 1;
/** What the store keeps about itself. */
export const OWN_SPACE = 0;

const TRAILER_BYTES = 4;
/** Records up to this size are laid out in one reused buffer: LevelDB copies them at once. */
const SCRATCH_BYTES = 64 * 1024;
const CHAR_MAX = 0xff;

/** The physical key. Throws `RangeError` for a char above 255: cut to a byte it would be another key. */
export function physicalKey(space: number, key: string): Buffer {
  const bytes = Buffer.allocUnsafe(key.length + 1);
  writeKey(bytes, space, key);
  return bytes;
}

/** The key of a physical key. */
export function logicalKey(physical: Buffer): string {
  return physical.toString("latin1", 1);
}

/** A loop, not `Buffer.write`: for keys of a few dozen chars it is as fast, and it sees chars that are no bytes. */
function writeKey(bytes: Buffer, space: number, key: string): void {
  bytes[0] = space;
  let seen = 0;
  for (let i = 0; i < key.length; i++) {
    const char = key.charCodeAt(i);
    seen |= char;
    bytes[i + 1] = char;
  }
  if (seen > CHAR_MAX)
    throw new RangeError(`the key ${JSON.stringify(key)} is not a binary string: it has a char above 255`);
}

/** Lays a record out; the views it returns hold until the next call. */
export class RecordEncoder {
  private readonly scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  key: Buffer = this.scratch;
  value: Buffer = this.scratch;

  encode(space: number, key: string, value: Uint8Array): void {
    const keyBytes = key.length + 1;
    const end = keyBytes + value.length;
    const bytes =
      end + TRAILER_BYTES <= SCRATCH_BYTES ? this.scratch : Buffer.allocUnsafe(end + TRAILER_BYTES);
    writeKey(bytes, space, key);
    bytes.set(value, keyBytes);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, end)), end);
    this.key = bytes.subarray(0, keyBytes);
    this.value = bytes.subarray(keyBytes, end + TRAILER_BYTES);
  }
}

/** The value of a record, a view of `stored`; undefined when the checksum says that it is not what was written. */
export function decodeValue(physical: Buffer, stored: Buffer): Buffer | undefined {
  const length = stored.length - TRAILER_BYTES;
  if (length < 0) return undefined;
  const value = stored.subarray(0, length);
  return crc32(value, crc32(physical)) === stored.readUInt32LE(length) ? value : undefined;
}
