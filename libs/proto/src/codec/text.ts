/**
 * Owns strings as UTF-8: Node's native Buffer routines for long or non-ASCII text, loops for short
 * ASCII, where the call into native code would cost more than the work. Must never import a Node
 * module (the folding core imports this package): where `Buffer` is missing, NATIVE_TEXT is false and
 * the reflective codec does the work.
 *
 * 1. A decoded string re-encodes to the same bytes; anything else was invalid UTF-8 and is refused.
 * 2. A leading U+FEFF is text and is kept.
 * 3. A lone surrogate is written as U+FFFD, like TextEncoder does.
 */
import { DecodeError } from "./errors.js";
import { generate } from "./generate.js";

interface BufferPrototype {
  readonly utf8Slice: (this: Uint8Array, start: number, end: number) => string;
  readonly utf8Write: (this: Uint8Array, text: string, start: number, length: number) => number;
  readonly latin1Write: (this: Uint8Array, text: string, start: number, length: number) => number;
}
interface BufferClass {
  readonly prototype: BufferPrototype;
  readonly byteLength: (text: string) => number;
}

const host = globalThis as unknown as { readonly Buffer?: BufferClass };
export const NATIVE_TEXT = typeof host.Buffer?.prototype.utf8Slice === "function";

const native = host.Buffer?.prototype;
/** Number of UTF-8 bytes of a text. */
export const byteLengthOf = host.Buffer?.byteLength ?? ((text: string) => text.length * 3);

/** Up to this many characters are written by a loop, so that no traceparent (55) costs two native calls. Measured within whole runs. */
export const SHORT_WRITE_MAX = 64;
/** Up to this many bytes are read by one `String.fromCharCode`. Measured: native wins above about 24. */
const SHORT_READ_MAX = 24;

/** Writes `text`, known to take `bytes` bytes, at `start`. */
export function writeText(buffer: Uint8Array, text: string, start: number, bytes: number): void {
  if (native === undefined) throw new Error("text codec used without Buffer");
  if (bytes === text.length) native.latin1Write.call(buffer, text, start, bytes);
  else native.utf8Write.call(buffer, text, start, bytes);
}

/** Reads `[start, end)`, which the caller has checked to lie inside the buffer. */
export function readText(buffer: Uint8Array, start: number, end: number): string {
  const length = end - start;
  if (length === 0) return "";
  if (length <= SHORT_READ_MAX) {
    const short = readShort(buffer, start, length);
    if (short !== undefined) return short;
  }
  if (native === undefined) throw new Error("text codec used without Buffer");
  const text = native.utf8Slice.call(buffer, start, end);
  // Invalid input always decodes to some U+FFFD; a one-byte string answers this without a scan.
  if (text.includes("\ufffd") && !roundTrips(text, buffer, start, end)) {
    throw new DecodeError("invalid UTF-8 in a string field");
  }
  return text;
}

function roundTrips(text: string, buffer: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (byteLengthOf(text) !== length) return false;
  const again = new Uint8Array(length);
  writeText(again, text, 0, length);
  for (let i = 0; i < length; i++) if (again[i] !== buffer[start + i]) return false;
  return true;
}

type ShortReader = (buffer: Uint8Array, start: number, length: number) => string | undefined;

/**
 * `String.fromCharCode` with a fixed number of arguments is one machine-code routine that allocates
 * nothing but the string; a loop or `apply` costs three to six times as much. The unrolled cases are
 * generated because written out they would be 24 near-identical lines.
 */
function compileShortReader(): ShortReader {
  let cases = "";
  for (let length = 1; length <= SHORT_READ_MAX; length++) {
    const names = Array.from({ length }, (_, i) => `c${i}`);
    const reads = names.map((name, i) => `${name}=b[p+${i}]`).join(",");
    cases += `case ${length}:{const ${reads};return (${names.join("|")})>127?undefined:fromCharCode(${names.join(",")});}\n`;
  }
  const source = `return function readShort(b,p,n){switch(n){${cases}}return undefined;}`;
  return generate({ fromCharCode: String.fromCharCode }, source) as ShortReader;
}

const readShort = compileShortReader();
