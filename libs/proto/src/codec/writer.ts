/**
 * Owns the output buffer and the primitive writers that compiled encoders call.
 *
 * 1. A message is written from its last byte to its first. A nested message's length is therefore
 *    known when its prefix is due: no second pass, no placeholder, no shifting of bytes.
 * 2. `p` is the index of the first byte written so far. Growing the buffer moves `p`, but never the
 *    distance from `p` to the end, so lengths are taken from distances to the end.
 * 3. Primitive writers of bounded size need at most SLACK bytes before `p`; the caller keeps them free.
 * 4. Bytes that were handed out are never written again.
 */
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { EncodeError } from "./errors.js";
import { BYTES, DOUBLES, FLOATS, SIGNED, UNSIGNED, WORDS } from "./scratch.js";
import { byteLengthOf, SHORT_WRITE_MAX, writeText } from "./text.js";

const INITIAL_BYTES = 4096;
/** A larger buffer is given back after use, so that one huge message does not pin memory. */
const KEPT_BYTES_MAX = 1 << 20;
/** V8 keeps typed arrays up to this size on its own heap: a copy is cheap and pins nothing else. */
const ON_HEAP_BYTES_MAX = 64;
/** Results up to this size are cut from a shared page, as Node's own Buffer pool does. */
const PAGED_BYTES_MAX = 1024;
const PAGE_BYTES = 8192;

let page = new Uint8Array(PAGE_BYTES);
let pageUsed = 0;

export class Writer {
  buf = new Uint8Array(INITIAL_BYTES);
  busy = false;

  /** Makes room so that the returned position (the moved `p`) is at least `need`. */
  grow(p: number, need: number): number {
    const old = this.buf;
    const used = old.length - p;
    let size = old.length * 2;
    while (size < used + need) size *= 2;
    this.buf = new Uint8Array(size);
    this.buf.set(old.subarray(p), size - used);
    return size - used;
  }

  /** The bytes from `p` to the end as an array of exactly that length, which the caller may keep. */
  finish(p: number): Uint8Array {
    const size = this.buf.length - p;
    if (size <= ON_HEAP_BYTES_MAX || size > PAGED_BYTES_MAX) return this.buf.slice(p);
    if (pageUsed + size > PAGE_BYTES) {
      page = new Uint8Array(PAGE_BYTES);
      pageUsed = 0;
    }
    const result = new Uint8Array(page.buffer, pageUsed, size);
    result.set(this.buf.subarray(p));
    pageUsed += size;
    return result;
  }

  /** Called after every use, successful or not. */
  release(): void {
    this.busy = false;
    if (this.buf.length > KEPT_BYTES_MAX) this.buf = new Uint8Array(INITIAL_BYTES);
  }
}

/** Bytes that a bounded write may take: a 64-bit varint, or a length prefix, with room for its tag. */
export const SLACK = 24;

export function writeU32(b: Uint8Array, p: number, v: number): number {
  if (v < 0x80) {
    b[--p] = v;
    return p;
  }
  if (v < 0x4000) {
    b[--p] = v >>> 7;
    b[--p] = v | 0x80;
    return p;
  }
  return writeLong32(b, p, v);
}

function writeLong32(b: Uint8Array, p: number, v: number): number {
  p -= v < 0x200000 ? 3 : v < 0x10000000 ? 4 : 5;
  let q = p;
  while (v > 0x7f) {
    b[q++] = v | 0x80;
    v >>>= 7;
  }
  b[q] = v;
  return p;
}

/** Writes the varint of the 64-bit value whose words are in the scratch. */
function writeScratch64(b: Uint8Array, p: number): number {
  let lo = WORDS[0] ?? 0;
  let hi = WORDS[1] ?? 0;
  if (hi === 0) return writeU32(b, p, lo);
  let bytes = 5;
  for (let rest = hi >>> 3; rest > 0; rest >>>= 7) bytes++;
  p -= bytes;
  let q = p;
  for (let i = 1; i < bytes; i++) {
    b[q++] = lo | 0x80;
    lo = (lo >>> 7) | (hi << 25);
    hi >>>= 7;
  }
  b[q] = lo;
  return p;
}

type Odd = (writer: BinaryWriter) => BinaryWriter;

/**
 * Values outside a field's plain type (numeric strings for integers, numbers for 64-bit integers) and
 * invalid ones: protobuf-es decides what they mean, so that both codecs accept and refuse the same.
 */
function writeOdd(b: Uint8Array, p: number, field: string, write: Odd): number {
  let bytes: Uint8Array;
  try {
    bytes = write(new BinaryWriter()).finish();
  } catch (cause) {
    throw new EncodeError(`cannot encode field ${field}`, { cause });
  }
  p -= bytes.length;
  b.set(bytes, p);
  return p;
}

export function writeI32(b: Uint8Array, p: number, v: number, field: string): number {
  if (typeof v !== "number" || (v | 0) !== v) return writeOdd(b, p, field, (w) => w.int32(v));
  if (v >= 0) return writeU32(b, p, v);
  SIGNED[0] = -1n;
  WORDS[0] = v;
  return writeScratch64(b, p);
}

export function writeUint32(b: Uint8Array, p: number, v: number, field: string): number {
  if (typeof v === "number" && v >>> 0 === v) return writeU32(b, p, v);
  return writeOdd(b, p, field, (w) => w.uint32(v));
}

export function writeS32(b: Uint8Array, p: number, v: number, field: string): number {
  if (typeof v === "number" && (v | 0) === v) return writeU32(b, p, ((v << 1) ^ (v >> 31)) >>> 0);
  return writeOdd(b, p, field, (w) => w.sint32(v));
}

export function writeI64(b: Uint8Array, p: number, v: bigint, field: string): number {
  if (typeof v === "bigint") {
    SIGNED[0] = v;
    if (SIGNED[0] === v) return writeScratch64(b, p);
  }
  return writeOdd(b, p, field, (w) => w.int64(v));
}

export function writeU64(b: Uint8Array, p: number, v: bigint, field: string): number {
  if (typeof v === "bigint") {
    UNSIGNED[0] = v;
    if (UNSIGNED[0] === v) return writeScratch64(b, p);
  }
  return writeOdd(b, p, field, (w) => w.uint64(v));
}

export function writeS64(b: Uint8Array, p: number, v: bigint, field: string): number {
  if (typeof v === "bigint") {
    SIGNED[0] = v;
    if (SIGNED[0] === v) {
      const lo = WORDS[0] ?? 0;
      const hi = WORDS[1] ?? 0;
      const sign = (hi | 0) >> 31;
      WORDS[0] = (lo << 1) ^ sign;
      WORDS[1] = ((hi << 1) | (lo >>> 31)) ^ sign;
      return writeScratch64(b, p);
    }
  }
  return writeOdd(b, p, field, (w) => w.sint64(v));
}

export function writeBool(b: Uint8Array, p: number, v: boolean): number {
  b[--p] = v ? 1 : 0;
  return p;
}

function writeScratchBytes(b: Uint8Array, p: number, count: number): number {
  p -= count;
  for (let i = 0; i < count; i++) b[p + i] = BYTES[i] ?? 0;
  return p;
}

export function writeFixed32(b: Uint8Array, p: number, v: number, field: string): number {
  if (typeof v !== "number" || v >>> 0 !== v) return writeOdd(b, p, field, (w) => w.fixed32(v));
  WORDS[0] = v;
  return writeScratchBytes(b, p, 4);
}

export function writeSfixed32(b: Uint8Array, p: number, v: number, field: string): number {
  if (typeof v !== "number" || (v | 0) !== v) return writeOdd(b, p, field, (w) => w.sfixed32(v));
  WORDS[0] = v;
  return writeScratchBytes(b, p, 4);
}

export function writeFixed64(b: Uint8Array, p: number, v: bigint, field: string): number {
  if (typeof v === "bigint") {
    UNSIGNED[0] = v;
    if (UNSIGNED[0] === v) return writeScratchBytes(b, p, 8);
  }
  return writeOdd(b, p, field, (w) => w.fixed64(v));
}

export function writeSfixed64(b: Uint8Array, p: number, v: bigint, field: string): number {
  if (typeof v === "bigint") {
    SIGNED[0] = v;
    if (SIGNED[0] === v) return writeScratchBytes(b, p, 8);
  }
  return writeOdd(b, p, field, (w) => w.sfixed64(v));
}

export function writeFloat(b: Uint8Array, p: number, v: number, field: string): number {
  if (typeof v === "number") {
    FLOATS[0] = v;
    // A finite value that rounds to infinity is out of range; NaN and infinities are not.
    if (Math.abs(FLOATS[0]) !== Infinity || Math.abs(v) === Infinity) return writeScratchBytes(b, p, 4);
  }
  return writeOdd(b, p, field, (w) => w.float(v));
}

export function writeDouble(b: Uint8Array, p: number, v: number, field: string): number {
  if (typeof v !== "number") return writeOdd(b, p, field, (w) => w.double(v));
  DOUBLES[0] = v;
  return writeScratchBytes(b, p, 8);
}

/** Writes a length-prefixed string and leaves at least `room` bytes before it. */
export function writeString(w: Writer, p: number, v: string, room: number, field: string): number {
  if (typeof v !== "string") throw new EncodeError(`cannot encode field ${field}: not a string`);
  const length = v.length;
  let b = w.buf;
  if (length <= SHORT_WRITE_MAX) {
    if (p < length + room) {
      p = w.grow(p, length + room);
      b = w.buf;
    }
    const start = p - length;
    let i = 0;
    for (; i < length; i++) {
      const code = v.charCodeAt(i);
      if (code > 0x7f) break;
      b[start + i] = code;
    }
    if (i === length) {
      b[start - 1] = length;
      return start - 1;
    }
  }
  const bytes = byteLengthOf(v);
  if (p < bytes + room) {
    p = w.grow(p, bytes + room);
    b = w.buf;
  }
  p -= bytes;
  writeText(b, v, p, bytes);
  return writeU32(b, p, bytes);
}

/** Writes bytes without a prefix and leaves at least `room` bytes before them. */
export function writeRaw(w: Writer, p: number, v: Uint8Array, room: number): number {
  const length = v.length;
  if (p < length + room) p = w.grow(p, length + room);
  p -= length;
  const b = w.buf;
  if (length > 32) b.set(v, p);
  else for (let i = 0; i < length; i++) b[p + i] = v[i] ?? 0;
  return p;
}

export function writeBytes(w: Writer, p: number, v: Uint8Array, room: number, field: string): number {
  if (!(v instanceof Uint8Array)) throw new EncodeError(`cannot encode field ${field}: not a Uint8Array`);
  p = writeRaw(w, p, v, room);
  return writeU32(w.buf, p, v.length);
}
