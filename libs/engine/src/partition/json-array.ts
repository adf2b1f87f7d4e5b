/**
 * The elements of an array within a JSON value that comes in pieces: found by pointer, given one by one, never held together.
 *
 * 1. What stands around the array is passed over: that it is closed as it was opened is checked, no more. Each element is for its taker
 *    to look at, and so to find wrong.
 * 2. No more than one element that is not complete is kept, of at most `elementBytesMax` bytes.
 * 3. A name on the way that stands twice in its object is a problem, wherever the second one stands: another reader would take that.
 */
import { fromUtf8 } from "@holdfast/core";

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a] as const;
const [BRACKET_OPEN, BRACKET_CLOSE, BRACE_OPEN, BRACE_CLOSE] = [0x5b, 0x5d, 0x7b, 0x7d] as const;

/** Why there are no (more) elements. */
export class ArrayProblem extends Error {
  override readonly name = "ArrayProblem";

  constructor(
    /** `kind`: what stands at the pointer is no array, but `what`. `syntax`: what was read is not JSON. `size`: a part is too large. */
    readonly problem: "kind" | "syntax" | "size",
    readonly what: string,
  ) {
    super(what);
  }
}

/** Where the scanner stands: before a value, in an object's or array's frame on the way, in the array, or behind it. */
type Phase = "value" | "name" | "colon" | "skip" | "next" | "elements" | "behind";

interface Frame {
  readonly object: boolean;
  /** Of an array: the index of the value that comes next or is being passed over. */
  index: number;
}

export class ArrayScanner {
  readonly #path: readonly string[];
  #phase: Phase = "value";
  /** Containers on the way to the array, all of them open. */
  readonly #frames: Frame[] = [];
  #inString = false;
  #escaped = false;
  /** Within what is passed over, or within an element. */
  #depth = 0;
  #elements = 0;
  #begun = false;
  /** The array has been read: what is left must close what was opened on the way. */
  #found = false;
  /** Of the object's value that comes next. */
  #name = "";
  #kept: Uint8Array[] = [];
  #keptBytes = 0;

  /** `pointer`: RFC 6901, valid. */
  constructor(
    pointer: string,
    private readonly elementBytesMax: number,
  ) {
    this.#path =
      pointer === ""
        ? []
        : pointer
            .slice(1)
            .split("/")
            .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
  }

  /** The elements that end in this piece, each as it stands there. Throws `ArrayProblem`. */
  push(piece: Uint8Array): Uint8Array[] {
    const found: Uint8Array[] = [];
    for (let at = 0; at < piece.length; ) {
      if (this.#phase === "elements") at = this.#scanElements(piece, at, found);
      else at = this.#step(piece, at);
    }
    return found;
  }

  /** To be called once, at the end of the value. Throws `ArrayProblem` where it is not the end. */
  end(): void {
    if (this.#phase !== "behind" || this.#frames.length > 0)
      throw new ArrayProblem("syntax", "it ends in the middle");
  }

  /** One byte outside the array, or a run of them; where to go on. */
  #step(piece: Uint8Array, at: number): number {
    if (this.#phase === "skip") return this.#skip(piece, at);
    if (this.#phase === "name" && (this.#inString || piece[at] === QUOTE)) return this.#readName(piece, at);
    const byte = piece[at] as number;
    if (isSpace(byte)) return at + 1;
    switch (this.#phase) {
      case "value":
        return this.#enter(byte, at);
      case "name":
        if (byte !== BRACE_CLOSE || this.#found) throw unexpected(byte);
        throw this.#nothing();
      case "colon":
        if (byte !== COLON) throw unexpected(byte);
        this.#begun = false;
        if (this.#isOnPath() && this.#found) throw twice(this.#name);
        this.#phase = this.#isOnPath() ? "value" : "skip";
        return at + 1;
      case "behind":
        throw unexpected(byte);
      default:
        return this.#goOn(byte, at);
    }
  }

  /** At the first byte of a value on the path. */
  #enter(byte: number, at: number): number {
    const holder = this.#frames.at(-1);
    if (byte === BRACKET_CLOSE && holder?.object === false && holder.index === 0) throw this.#nothing();
    if (this.#frames.length === this.#path.length) {
      if (byte !== BRACKET_OPEN) throw new ArrayProblem("kind", kindOf(byte));
      this.#phase = "elements";
      return at + 1;
    }
    if (byte === BRACE_OPEN) {
      this.#frames.push({ object: true, index: 0 });
      this.#phase = "name";
      return at + 1;
    }
    if (byte !== BRACKET_OPEN) {
      kindOf(byte);
      throw this.#nothing();
    }
    this.#frames.push({ object: false, index: 0 });
    this.#begun = false;
    this.#phase = this.#isOnPath() ? "value" : "skip";
    return at + 1;
  }

  /** Reads an object's name up to its end; it may come in several pieces. */
  #readName(piece: Uint8Array, from: number): number {
    let at = from;
    if (!this.#inString) {
      this.#inString = true;
      at += 1;
    }
    const end = this.#stringEnd(piece, at);
    const part = piece.subarray(from, end);
    // A copy of what has no end yet: the piece is its owner's again.
    this.#keep(this.#inString ? new Uint8Array(part) : part, "a name in it");
    if (!this.#inString) {
      this.#name = this.#takeName();
      this.#phase = "colon";
    }
    return end;
  }

  /** Whether what comes next is on the way to the array. */
  #isOnPath(): boolean {
    const frame = this.#frames.at(-1) as Frame;
    const wanted = this.#path[this.#frames.length - 1];
    return frame.object ? this.#name === wanted : String(frame.index) === wanted;
  }

  #takeName(): string {
    try {
      return JSON.parse(fromUtf8(this.#take())) as string;
    } catch {
      throw new ArrayProblem("syntax", "a name in it is no JSON string");
    }
  }

  /** Passes over a value that is not on the way; stops before what ends it. */
  #skip(piece: Uint8Array, from: number): number {
    for (let at = from; at < piece.length; at++) {
      if (this.#inString) {
        at = this.#stringEnd(piece, at) - 1;
        continue;
      }
      const byte = piece[at] as number;
      if (byte === QUOTE) this.#inString = true;
      else if (byte === BRACE_OPEN || byte === BRACKET_OPEN) this.#depth += 1;
      else if (this.#depth === 0 && (byte === COMMA || byte === BRACE_CLOSE || byte === BRACKET_CLOSE)) {
        const { object, index } = this.#frames.at(-1) as Frame;
        if (!this.#begun && (object || index > 0 || byte !== BRACKET_CLOSE)) throw unexpected(byte);
        this.#phase = "next";
        return at;
      } else if (byte === BRACE_CLOSE || byte === BRACKET_CLOSE) this.#depth -= 1;
      else if (isSpace(byte)) continue;
      this.#begun = true;
    }
    return piece.length;
  }

  /** Behind a value that was passed over: the next one, or the end of what holds it. */
  #goOn(byte: number, at: number): number {
    const frame = this.#frames.at(-1) as Frame;
    if (byte !== COMMA) {
      if (byte !== (frame.object ? BRACE_CLOSE : BRACKET_CLOSE)) throw unexpected(byte);
      if (!this.#found) throw this.#nothing();
      this.#frames.pop();
      this.#endContainer();
      return at + 1;
    }
    frame.index += 1;
    this.#begun = false;
    if (frame.object) this.#phase = "name";
    else this.#phase = this.#isOnPath() ? "value" : "skip";
    return at + 1;
  }

  #scanElements(piece: Uint8Array, from: number, found: Uint8Array[]): number {
    let begin = from;
    for (let at = from; at < piece.length; at++) {
      if (this.#inString) {
        at = this.#stringEnd(piece, at) - 1;
        continue;
      }
      const byte = piece[at] as number;
      if (byte === QUOTE) this.#inString = true;
      else if (byte === BRACE_OPEN || byte === BRACKET_OPEN) this.#depth += 1;
      else if (this.#depth === 0 && (byte === COMMA || byte === BRACKET_CLOSE)) {
        this.#keep(piece.subarray(begin, at), `item ${this.#elements}`);
        this.#endElement(byte, found);
        if (byte === BRACKET_CLOSE) {
          this.#found = true;
          this.#endContainer();
          return at + 1;
        }
        begin = at + 1;
      } else if (byte === BRACE_CLOSE || byte === BRACKET_CLOSE) {
        this.#depth -= 1;
        if (this.#depth < 0) throw unexpected(byte);
      }
    }
    // A copy: the piece is its owner's again.
    this.#keep(new Uint8Array(piece.subarray(begin)), `item ${this.#elements}`);
    return piece.length;
  }

  /** The array, or what it stands in, has ended. */
  #endContainer(): void {
    this.#phase = this.#frames.length === 0 ? "behind" : "next";
  }

  #endElement(byte: number, found: Uint8Array[]): void {
    const element = this.#take();
    const isBlank = element.every(isSpace);
    // An array without elements has one blank between its brackets.
    if (isBlank && byte === BRACKET_CLOSE && this.#elements === 0) return;
    if (isBlank) throw unexpected(byte);
    this.#elements += 1;
    found.push(element);
  }

  /** Behind the end of the string that the scanner is in, or the end of the piece. */
  #stringEnd(piece: Uint8Array, from: number): number {
    for (let at = from; at < piece.length; at++) {
      if (this.#escaped) this.#escaped = false;
      else if (piece[at] === BACKSLASH) this.#escaped = true;
      else if (piece[at] === QUOTE) {
        this.#inString = false;
        return at + 1;
      }
    }
    return piece.length;
  }

  #keep(part: Uint8Array, what: string): void {
    if (part.length === 0) return;
    this.#keptBytes += part.length;
    if (this.#keptBytes > this.elementBytesMax)
      throw new ArrayProblem("size", `${what} is more than ${this.elementBytesMax} bytes`);
    this.#kept.push(part);
  }

  #take(): Uint8Array {
    const bytes = this.#kept.length === 1 ? (this.#kept[0] as Uint8Array) : Buffer.concat(this.#kept);
    this.#kept = [];
    this.#keptBytes = 0;
    return bytes;
  }

  #nothing(): ArrayProblem {
    return new ArrayProblem("kind", "nothing");
  }
}

const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

const unexpected = (byte: number): ArrayProblem =>
  new ArrayProblem("syntax", `${JSON.stringify(String.fromCharCode(byte))} stands where it may not`);

const twice = (name: string): ArrayProblem =>
  new ArrayProblem(
    "syntax",
    `the name ${JSON.stringify(name)} stands twice in one object: each reader would take another one`,
  );

/** By its first byte, in words. Throws where no value begins so. */
function kindOf(byte: number): string {
  const first = String.fromCharCode(byte);
  if (first === "{") return "an object";
  if (first === '"') return "a string";
  if (first === "n") return "null";
  if (first === "t" || first === "f") return "a boolean";
  if (/[-0-9]/.test(first)) return "a number";
  throw unexpected(byte);
}
