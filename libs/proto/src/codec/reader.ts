/**
 * Owns the primitive readers that compiled decoders call. A reader takes the buffer and a position
 * and returns the value; the position after it is left in `cursor.p`. Decoding never calls foreign
 * code, so one cursor serves every decode.
 *
 * 1. Every read is inside the buffer, or DecodeError is thrown: never a zero made up from missing bytes.
 * 2. Every loop consumes input, and nesting is bounded by DEPTH_MAX: no input can hang or overflow the stack.
 * 3. What is accepted is what protobuf-es accepts, with its reading of over-long varints.
 */
import { DecodeError } from "./errors.js";
import { BYTES, DOUBLES, FLOATS, SIGNED, UNSIGNED, WORDS } from "./scratch.js";

/** Messages, and groups among unknown fields, may nest this deep. */
export const DEPTH_MAX = 100;
const EMPTY = new Uint8Array(0);

/** `copy` decides whether bytes fields and unknown fields are copies or views of the input. */
export const cursor = { p: 0, copy: true };

/** Throws; typed as a value so that generated code can use it in an expression. */
export function malformed(reason: string): never {
  throw new DecodeError(reason);
}

export function readU32(b: Uint8Array, p: number): number {
  const length = b.length;
  let value = 0;
  for (let i = 0; i < 10; i++) {
    if (p >= length) malformed("truncated varint");
    const byte = b[p++] ?? 0;
    // Bits above the 32nd are dropped: a negative int32 is sent as ten bytes.
    if (i < 5) value |= (byte & 0x7f) << (i * 7);
    if (byte < 0x80) {
      cursor.p = p;
      return value >>> 0;
    }
  }
  return malformed("varint of more than ten bytes");
}

/** Reads a tag of one or more bytes and checks field number and wire type. */
export function readTag(b: Uint8Array, p: number): number {
  const tag = readU32(b, p);
  const bytes = cursor.p - p;
  if (bytes > 5 || (bytes === 5 && (b[p + 4] ?? 0) > 0x0f)) malformed("tag overflows 32 bits");
  if (tag >>> 3 === 0 || (tag & 7) > 5) malformed("invalid tag");
  return tag;
}

/** Reads a varint into the scratch words. */
function read64(b: Uint8Array, p: number): void {
  const length = b.length;
  let lo = 0;
  let hi = 0;
  for (let i = 0; i < 10; i++) {
    if (p >= length) malformed("truncated varint");
    const byte = b[p++] ?? 0;
    const bits = byte & 0x7f;
    if (i < 5) lo |= bits << (i * 7);
    if (i === 4) hi = bits >> 4;
    else if (i > 4) hi |= bits << (i * 7 - 32);
    if (byte < 0x80) {
      cursor.p = p;
      WORDS[0] = lo;
      WORDS[1] = hi;
      return;
    }
  }
  malformed("varint of more than ten bytes");
}

export function readI64(b: Uint8Array, p: number): bigint {
  read64(b, p);
  return SIGNED[0] ?? 0n;
}

export function readU64(b: Uint8Array, p: number): bigint {
  read64(b, p);
  return UNSIGNED[0] ?? 0n;
}

export function readS64(b: Uint8Array, p: number): bigint {
  read64(b, p);
  const lo = WORDS[0] ?? 0;
  const hi = WORDS[1] ?? 0;
  const sign = -(lo & 1);
  WORDS[0] = ((lo >>> 1) | ((hi & 1) << 31)) ^ sign;
  WORDS[1] = (hi >>> 1) ^ sign;
  return SIGNED[0] ?? 0n;
}

export function readBool(b: Uint8Array, p: number): boolean {
  read64(b, p);
  return WORDS[0] !== 0 || WORDS[1] !== 0;
}

function readScratchBytes(b: Uint8Array, p: number, count: number): void {
  if (p + count > b.length) malformed("truncated fixed-size value");
  for (let i = 0; i < count; i++) BYTES[i] = b[p + i] ?? 0;
  cursor.p = p + count;
}

export function readFixed32(b: Uint8Array, p: number): number {
  readScratchBytes(b, p, 4);
  return WORDS[0] ?? 0;
}

export function readFloat(b: Uint8Array, p: number): number {
  readScratchBytes(b, p, 4);
  return FLOATS[0] ?? 0;
}

export function readDouble(b: Uint8Array, p: number): number {
  readScratchBytes(b, p, 8);
  return DOUBLES[0] ?? 0;
}

export function readFixed64(b: Uint8Array, p: number): bigint {
  readScratchBytes(b, p, 8);
  return UNSIGNED[0] ?? 0n;
}

export function readSfixed64(b: Uint8Array, p: number): bigint {
  readScratchBytes(b, p, 8);
  return SIGNED[0] ?? 0n;
}

/** The bytes `[start, end)`, which the caller has checked to lie inside the buffer. */
export function readBytes(b: Uint8Array, start: number, end: number): Uint8Array {
  const length = end - start;
  // Not `subarray`, which on a Buffer makes a Buffer and asks for its species: ten times the cost.
  if (!cursor.copy) return new Uint8Array(b.buffer, b.byteOffset + start, length);
  if (length === 0) return EMPTY;
  // Not `slice`: on a Buffer that is a view, and its result should be a plain Uint8Array anyway.
  const bytes = new Uint8Array(length);
  if (length > 32) bytes.set(b.subarray(start, end));
  else for (let i = 0; i < length; i++) bytes[i] = b[start + i] ?? 0;
  return bytes;
}

/** Returns the position after the value of a field that nobody wants. */
export function skip(b: Uint8Array, p: number, tag: number, depth: number): number {
  const length = b.length;
  switch (tag & 7) {
    case 0:
      while (p < length && (b[p] ?? 0) >= 0x80) p++;
      p++;
      break;
    case 1:
      p += 8;
      break;
    case 2: {
      const size = readU32(b, p);
      p = cursor.p + size;
      break;
    }
    case 3:
      p = skipGroup(b, p, tag >>> 3, depth);
      break;
    case 5:
      p += 4;
      break;
    default:
      malformed("end of a group that was not begun");
  }
  if (p > length) malformed("truncated field");
  return p;
}

function skipGroup(b: Uint8Array, p: number, field: number, depth: number): number {
  if (depth >= DEPTH_MAX) malformed("nested too deeply");
  for (;;) {
    const tag = readTag(b, p);
    p = cursor.p;
    if ((tag & 7) === 4) {
      if (tag >>> 3 !== field) malformed("end of another group");
      return p;
    }
    p = skip(b, p, tag, depth + 1);
  }
}

interface HasUnknown {
  $unknown?: { no: number; wireType: number; data: Uint8Array }[];
}

/** Keeps the field at `p` in `$unknown`, as protobuf-es does, and returns the position after it. */
export function keepUnknown(m: HasUnknown, b: Uint8Array, p: number, tag: number, depth: number): number {
  if (tag >>> 3 === 0) malformed("invalid tag");
  const end = skip(b, p, tag, depth);
  const field = { no: tag >>> 3, wireType: tag & 7, data: readBytes(b, p, end) };
  if (m.$unknown === undefined) m.$unknown = [field];
  else m.$unknown.push(field);
  return end;
}

/** Sets an own property even for a key named `__proto__`. */
export function setOwn(record: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__") {
    Object.defineProperty(record, key, { value, writable: true, enumerable: true, configurable: true });
  } else record[key] = value;
}
