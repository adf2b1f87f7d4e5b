/**
 * Lines out of bytes that come in pieces.
 *
 * 1. A line ends with LF or CRLF; the last one may do without. A line of white space alone is none, but is counted.
 * 2. No more than one line that is not complete is kept, of at most `lineBytesMax` bytes.
 */

const LF = 0x0a;
const CR = 0x0d;
const BOM = [0xef, 0xbb, 0xbf] as const;

export interface Line {
  /** As people count, from 1, lines without anything on them included. */
  readonly number: number;
  /** Without its end. Valid until the piece that it came in is given back. */
  readonly bytes: Uint8Array;
}

/** A line that can't be taken. */
export class LineProblem extends Error {
  override readonly name = "LineProblem";

  constructor(
    readonly line: number,
    /** Completes "line 3 …". */
    readonly why: string,
  ) {
    super(`line ${line} ${why}`);
  }
}

export class LineSplitter {
  #number = 0;
  /** The beginning of a line whose end has not come. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;

  constructor(private readonly lineBytesMax: number) {}

  /** The lines that end in this piece. Throws `LineProblem` for one that is too long, as soon as that is known. */
  push(piece: Uint8Array): Line[] {
    const lines: Line[] = [];
    let from = 0;
    for (let end = piece.indexOf(LF); end >= 0; end = piece.indexOf(LF, from)) {
      this.#hold(piece.subarray(from, end));
      this.#take(lines);
      from = end + 1;
    }
    // A copy (a Buffer's slice is none): the piece is its owner's again.
    if (from < piece.length) this.#hold(new Uint8Array(piece.subarray(from)));
    return lines;
  }

  /** The last line, where it has no end. */
  end(): Line[] {
    const lines: Line[] = [];
    if (this.#heldBytes > 0) this.#take(lines);
    return lines;
  }

  #hold(part: Uint8Array): void {
    this.#heldBytes += part.length;
    // One more byte may be the CR of its end.
    if (this.#heldBytes > this.lineBytesMax + 1) this.#tooLong();
    this.#held.push(part);
  }

  #take(lines: Line[]): void {
    let bytes = this.#held.length === 1 ? (this.#held[0] as Uint8Array) : Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    this.#number += 1;
    if (bytes.at(-1) === CR) bytes = bytes.subarray(0, -1);
    if (this.#number === 1 && BOM.every((byte, i) => bytes[i] === byte)) bytes = bytes.subarray(BOM.length);
    if (bytes.length > this.lineBytesMax) {
      this.#number -= 1;
      this.#tooLong();
    }
    if (!isBlank(bytes)) lines.push({ number: this.#number, bytes });
  }

  #tooLong(): never {
    throw new LineProblem(
      this.#number + 1,
      `is longer than the ${this.lineBytesMax} bytes that an item may have: put large data elsewhere and give its address`,
    );
  }
}

/** Nothing but blanks and tabs, or nothing. */
function isBlank(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte !== 0x20 && byte !== 0x09 && byte !== CR) return false;
  return true;
}
