/**
 * Parts of a JSON text as they stand there: what stands at a pointer, the elements of an array. A part is handed on by its bytes, so that
 * a number that JavaScript can't hold is what it was.
 *
 * 1. Only for texts that `jsonFault` finds nothing wrong with: of others any part may come out.
 * 2. A slice has no white space around it, and shares the text's memory.
 */
import { isSpace, nameAt } from "./json-text.js";

/** The bytes of what stands at a JSON pointer (RFC 6901); undefined: nothing does. "" is the whole value. */
export function sliceAt(bytes: Uint8Array, pointer: string): Uint8Array | undefined {
  let at = skipSpace(bytes, 0);
  for (const token of pointer.split("/").slice(1)) {
    const name = token.replaceAll("~1", "/").replaceAll("~0", "~");
    const found = bytes[at] === 0x7b ? memberAt(bytes, at, name) : elementAt(bytes, at, name);
    if (found === undefined) return undefined;
    at = found;
  }
  return at < bytes.length ? bytes.subarray(at, endOf(bytes, at)) : undefined;
}

/** The elements of the array that a slice is. */
export function* elementsOf(array: Uint8Array): Generator<Uint8Array> {
  let at = skipSpace(array, 1);
  while (array[at] !== 0x5d && at < array.length) {
    const end = endOf(array, at);
    yield array.subarray(at, end);
    at = next(array, end);
  }
}

/** Where the value of a member begins. */
function memberAt(bytes: Uint8Array, object: number, name: string): number | undefined {
  let at = skipSpace(bytes, object + 1);
  while (bytes[at] === 0x22) {
    const end = endOf(bytes, at);
    const value = skipSpace(bytes, skipSpace(bytes, end) + 1);
    if (nameAt(bytes, at + 1, end - 1) === name) return value;
    at = next(bytes, endOf(bytes, value));
  }
  return undefined;
}

function elementAt(bytes: Uint8Array, array: number, name: string): number | undefined {
  if (bytes[array] !== 0x5b || !/^(0|[1-9][0-9]*)$/.test(name)) return undefined;
  let at = skipSpace(bytes, array + 1);
  for (let left = Number(name); bytes[at] !== 0x5d && at < bytes.length; left--) {
    if (left === 0) return at;
    at = next(bytes, endOf(bytes, at));
  }
  return undefined;
}

/** Where what stands behind a part, or the bracket behind the last one, begins. */
function next(bytes: Uint8Array, end: number): number {
  const at = skipSpace(bytes, end);
  return bytes[at] === 0x2c ? skipSpace(bytes, at + 1) : at;
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (isSpace(bytes[at])) at += 1;
  return at;
}

/** Behind the value that begins there. */
function endOf(bytes: Uint8Array, from: number): number {
  const first = bytes[from];
  if (first === 0x22) return stringEnd(bytes, from);
  let at = from;
  if (first !== 0x7b && first !== 0x5b) {
    while (at < bytes.length && !isDelimiter(bytes[at])) at += 1;
    return at;
  }
  for (let depth = 0; at < bytes.length; ) {
    const byte = bytes[at];
    if (byte === 0x22) {
      at = stringEnd(bytes, at);
      continue;
    }
    at += 1;
    if (byte === 0x7b || byte === 0x5b) depth += 1;
    else if ((byte === 0x7d || byte === 0x5d) && --depth === 0) return at;
  }
  return at;
}

function stringEnd(bytes: Uint8Array, from: number): number {
  let at = from + 1;
  while (at < bytes.length && bytes[at] !== 0x22) at += bytes[at] === 0x5c ? 2 : 1;
  return at + 1;
}

const isDelimiter = (byte: number | undefined): boolean =>
  byte === 0x2c || byte === 0x7d || byte === 0x5d || isSpace(byte);

/** What kind of JSON a slice is, with its article, for messages. */
export function kindOfSlice(slice: Uint8Array | undefined): string {
  switch (slice?.[0]) {
    case undefined:
      return "nothing";
    case 0x7b:
      return "an object";
    case 0x5b:
      return "an array";
    case 0x22:
      return "a string";
    case 0x6e:
      return "null";
    case 0x74:
    case 0x66:
      return "a boolean";
    default:
      return "a number";
  }
}
