/**
 * Whether bytes are a JSON text (RFC 8259) that everybody reads alike, and where they are not. Never makes a value of them.
 *
 * 1. What it lets through, `JSON.parse` reads, is UTF-8, has no name twice in one object and is nested `JSON_DEPTH_MAX` deep at most.
 * 2. One pass, in time that grows with the text alone. What a fault is called is found out only once there is one.
 */
import { JSON_DEPTH_MAX } from "./limits.js";
import { cutText, fromUtf8, utf8 } from "./text.js";

export interface JsonFault {
  readonly kind: "syntax" | "utf-8" | "duplicate" | "depth";
  /** Both from 1; the column counts UTF-16 units. */
  readonly line: number;
  readonly column: number;
  /** What is wrong and where, for people; completes "it is not usable JSON: …". */
  readonly message: string;
}

/** Names of one object that are compared with each other; with more of them, a set is asked. */
const COMPARED_NAMES_MAX = 16;
const POINTER_CHARS_MAX = 200;
const NAME_CHARS_MAX = 60;

const UTF_8_MARK = [0xef, 0xbb, 0xbf] as const;

/** The text behind a UTF-8 byte-order mark, which JSON does not allow and senders may not know of. */
export const withoutMark = (bytes: Uint8Array): Uint8Array =>
  UTF_8_MARK.every((byte, i) => bytes[i] === byte) ? bytes.subarray(UTF_8_MARK.length) : bytes;

/** What is wrong with a text; undefined: nothing. An empty one is no JSON. */
export function jsonFault(bytes: Uint8Array): JsonFault | undefined {
  const walk = new Walk(bytes);
  return walk.whole() ? undefined : faultOf(bytes, walk);
}

class Walk {
  at = 0;
  kind: JsonFault["kind"] = "syntax";
  /** Of a fault: names and indices from the innermost out. */
  readonly path: (string | number)[] = [];
  /** Begin and end of the names of each object that is open, without their quotes. */
  readonly #names: number[] = [];
  /** The string that was read last has an escape in it. */
  #escaped = false;

  constructor(readonly bytes: Uint8Array) {}

  whole(): boolean {
    this.#space();
    if (!this.#value(0)) return false;
    this.#space();
    return this.at >= this.bytes.length;
  }

  /** Each of these stops at what is wrong, and is false then. */
  #value(depth: number): boolean {
    switch (this.bytes[this.at]) {
      case 0x22:
        return this.#string();
      case 0x7b:
        return this.#object(depth + 1);
      case 0x5b:
        return this.#array(depth + 1);
      case 0x74:
        return this.#word(TRUE);
      case 0x66:
        return this.#word(FALSE);
      case 0x6e:
        return this.#word(NULL);
      default:
        return this.#number();
    }
  }

  #object(depth: number): boolean {
    if (depth > JSON_DEPTH_MAX) return this.#fail("depth");
    const { bytes } = this;
    const first = this.#names.length;
    let many: Set<string> | undefined;
    this.at += 1;
    this.#space();
    if (bytes[this.at] === 0x7d) return this.#pass();
    for (;;) {
      if (bytes[this.at] !== 0x22) return false;
      const from = this.at + 1;
      if (!this.#string()) return false;
      const to = this.at - 1;
      if (many === undefined && (this.#escaped || this.#names.length - first >= 2 * COMPARED_NAMES_MAX))
        many = this.#namesSince(first);
      if (many === undefined ? this.#hasName(first, from, to) : many.has(nameAt(bytes, from, to))) {
        this.at = from - 1;
        this.path.push(nameAt(bytes, from, to));
        return this.#fail("duplicate");
      }
      if (many === undefined) this.#names.push(from, to);
      else many.add(nameAt(bytes, from, to));
      this.#space();
      if (bytes[this.at] !== 0x3a) return false;
      this.at += 1;
      this.#space();
      if (!this.#value(depth)) {
        this.path.push(nameAt(bytes, from, to));
        return false;
      }
      this.#space();
      const next = bytes[this.at];
      if (next === 0x7d) {
        this.#names.length = first;
        return this.#pass();
      }
      if (next !== 0x2c) return false;
      this.at += 1;
      this.#space();
    }
  }

  #array(depth: number): boolean {
    if (depth > JSON_DEPTH_MAX) return this.#fail("depth");
    const { bytes } = this;
    this.at += 1;
    this.#space();
    if (bytes[this.at] === 0x5d) return this.#pass();
    for (let index = 0; ; index++) {
      if (!this.#value(depth)) {
        this.path.push(index);
        return false;
      }
      this.#space();
      const next = bytes[this.at];
      if (next === 0x5d) return this.#pass();
      if (next !== 0x2c) return false;
      this.at += 1;
      this.#space();
    }
  }

  #string(): boolean {
    const { bytes } = this;
    const { length } = bytes;
    this.#escaped = false;
    let at = this.at + 1;
    for (; at < length; at++) {
      const byte = bytes[at] as number;
      if (byte === 0x22) {
        this.at = at + 1;
        return true;
      }
      if (byte === 0x5c) {
        this.#escaped = true;
        const size = escapeSize(bytes, at);
        if (size === 0) break;
        at += size - 1;
      } else if (byte < 0x20) break;
      else if (byte >= 0x80) {
        const size = characterSize(bytes, at);
        if (size === 0) {
          this.at = at;
          return this.#fail("utf-8");
        }
        at += size - 1;
      }
    }
    this.at = at;
    return false;
  }

  #number(): boolean {
    const { bytes } = this;
    if (bytes[this.at] === 0x2d) this.at += 1;
    if (bytes[this.at] === 0x30) this.at += 1;
    else if (!this.#digits()) return false;
    if (bytes[this.at] === 0x2e) {
      this.at += 1;
      if (!this.#digits()) return false;
    }
    if (bytes[this.at] === 0x65 || bytes[this.at] === 0x45) {
      this.at += 1;
      if (bytes[this.at] === 0x2b || bytes[this.at] === 0x2d) this.at += 1;
      return this.#digits();
    }
    return true;
  }

  #digits(): boolean {
    const from = this.at;
    while (isDigit(this.bytes[this.at])) this.at += 1;
    return this.at > from;
  }

  #word(word: Uint8Array): boolean {
    for (const byte of word) {
      if (this.bytes[this.at] !== byte) return false;
      this.at += 1;
    }
    return true;
  }

  #space(): void {
    const { bytes } = this;
    while (isSpace(bytes[this.at])) this.at += 1;
  }

  #pass(): true {
    this.at += 1;
    return true;
  }

  #fail(kind: JsonFault["kind"]): false {
    this.kind = kind;
    return false;
  }

  #hasName(first: number, from: number, to: number): boolean {
    const { bytes } = this;
    for (let i = first; i < this.#names.length; i += 2) {
      const other = this.#names[i] as number;
      if ((this.#names[i + 1] as number) - other !== to - from) continue;
      let at = 0;
      while (at < to - from && bytes[from + at] === bytes[other + at]) at += 1;
      if (at === to - from) return true;
    }
    return false;
  }

  #namesSince(first: number): Set<string> {
    const names = new Set<string>();
    for (let i = first; i < this.#names.length; i += 2)
      names.add(nameAt(this.bytes, this.#names[i] as number, this.#names[i + 1] as number));
    this.#names.length = first;
    return names;
  }
}

const TRUE = utf8("true");
const FALSE = utf8("false");
const NULL = utf8("null");

export const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;

const isHex = (byte: number | undefined): boolean =>
  isDigit(byte) || (byte !== undefined && (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);

/** The bytes of an escape; 0: it is none. */
function escapeSize(bytes: Uint8Array, at: number): number {
  const byte = bytes[at + 1];
  if (byte === 0x75) {
    for (let i = 2; i < 6; i++) if (!isHex(bytes[at + i])) return 0;
    return 6;
  }
  // " \ / b f n r t
  return byte === 0x22 ||
    byte === 0x5c ||
    byte === 0x2f ||
    byte === 0x62 ||
    byte === 0x66 ||
    byte === 0x6e ||
    byte === 0x72 ||
    byte === 0x74
    ? 2
    : 0;
}

/** The bytes of a character that is not ASCII, by table 3-7 of the Unicode Standard; 0: they are no UTF-8. */
function characterSize(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] as number;
  const second = bytes[at + 1] ?? 0;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < least || second > most) return 0;
  if (lead < 0xe0) return 2;
  if (!isContinuation(bytes[at + 2])) return 0;
  if (lead < 0xf0) return 3;
  return isContinuation(bytes[at + 3]) ? 4 : 0;
}

const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80;

/** A name by what stands between its quotes, of a text that is right up to there. */
export function nameAt(bytes: Uint8Array, from: number, to: number): string {
  const text = fromUtf8(bytes.subarray(from, to));
  return text.includes("\\") ? (JSON.parse(`"${text}"`) as string) : text;
}

function faultOf(bytes: Uint8Array, { at, kind: stopped, path }: Walk): JsonFault {
  const isBroken = stopped === "syntax" && (bytes[at] ?? 0) >= 0x80 && characterSize(bytes, at) === 0;
  const kind = isBroken ? "utf-8" : stopped;
  let line = 1;
  let column = 1;
  for (let i = 0; i < at && i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte === 0x0a) {
      line += 1;
      column = 1;
    } else if (!isContinuation(byte)) column += byte >= 0xf0 ? 2 : 1;
  }
  const place = `line ${line}, column ${column}`;
  return { kind, line, column, message: sentence(bytes, { at, kind, path }, place) };
}

function sentence(
  bytes: Uint8Array,
  { at, kind, path }: Pick<Walk, "at" | "kind" | "path">,
  place: string,
): string {
  switch (kind) {
    case "depth":
      return `it is nested more than ${JSON_DEPTH_MAX} levels deep (${place})`;
    case "utf-8":
      if (at === 0 && isOtherMark(bytes)) return "it begins with the byte-order mark of UTF-16: send UTF-8";
      return `it is not UTF-8 (byte ${at + 1}; ${place})`;
    case "duplicate": {
      const name = JSON.stringify(cutText(String(path[0]), NAME_CHARS_MAX));
      return `the name ${name} stands twice in one object, the second time at ${place} (${pointerOf(path)}): each reader would take another one`;
    }
    case "syntax":
      return at >= bytes.length
        ? `it ends in the middle (${place})`
        : `${found(bytes, at)} can't stand at ${place}`;
  }
}

const isOtherMark = ([first, second]: Uint8Array): boolean =>
  (first === 0xfe && second === 0xff) || (first === 0xff && second === 0xfe);

function pointerOf(path: readonly (string | number)[]): string {
  const pointer = path.reduceRight<string>(
    (before, step) => `${before}/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`,
    "",
  );
  // Half a character can't be sent as text.
  return cutText(pointer, POINTER_CHARS_MAX).replace(/\p{Surrogate}/gu, "\ufffd");
}

function found(bytes: Uint8Array, at: number): string {
  const byte = bytes[at] as number;
  if (byte >= 0x20 && byte < 0x7f) return JSON.stringify(String.fromCharCode(byte));
  if (byte < 0x80) return `the byte 0x${byte.toString(16).padStart(2, "0")}`;
  const text = fromUtf8(bytes.subarray(at, at + characterSize(bytes, at)));
  return `${JSON.stringify(text)} (U+${(text.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")})`;
}
