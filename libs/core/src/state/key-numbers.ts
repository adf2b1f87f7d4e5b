/** Numbers in keys: big-endian and of fixed width, so that byte order is their order. */

export function u16(value: number): string {
  return String.fromCharCode((value >>> 8) & 0xff, value & 0xff);
}

export function u32(value: number): string {
  return String.fromCharCode(
    (value >>> 24) & 0xff,
    (value >>> 16) & 0xff,
    (value >>> 8) & 0xff,
    value & 0xff,
  );
}

const words = new DataView(new ArrayBuffer(8));

/** Without arithmetic on bigints, each of which would make a new one. */
export function u64(value: bigint): string {
  words.setBigUint64(0, value);
  return u32(words.getUint32(0)) + u32(words.getUint32(4));
}

export function readU32(key: string, at: number): number {
  return (
    ((key.charCodeAt(at) << 24) |
      (key.charCodeAt(at + 1) << 16) |
      (key.charCodeAt(at + 2) << 8) |
      key.charCodeAt(at + 3)) >>>
    0
  );
}

export function readU64(key: string, at: number): bigint {
  return (BigInt(readU32(key, at)) << 32n) | BigInt(readU32(key, at + 4));
}
