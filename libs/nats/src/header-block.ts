/** A message's headers, read from their bytes: anybody may publish, so they may be anything and must cost little. */
import type { Msg } from "nats";

export const HEADERS_MAX = 64;
export const HEADER_BLOCK_BYTES_MAX = 16 * 1024;
const FIRST_LINE = "NATS/1.0";
/** Printable ASCII without the colon, as in RFC 822. */
const HEADER_NAME = /^[\x21-\x39\x3b-\x7e]+$/;

export interface ParsedHeaders {
  /** In the order sent. */
  readonly all: readonly (readonly [name: string, value: string])[];
  /** Why the headers could not be read; then `all` holds none. */
  readonly problem?: string;
}

const NONE: ParsedHeaders = { all: [] };

export function parseHeaderBlock(block: Uint8Array): ParsedHeaders {
  if (block.length === 0) return NONE;
  if (block.length > HEADER_BLOCK_BYTES_MAX) {
    return {
      all: [],
      problem: `its headers are ${block.length} bytes; at most ${HEADER_BLOCK_BYTES_MAX} are read`,
    };
  }
  const [first = "", ...lines] = Buffer.from(block.buffer, block.byteOffset, block.length)
    .toString("utf8")
    .split("\r\n");
  if (!first.startsWith(FIRST_LINE))
    return { all: [], problem: "its header block does not begin with NATS/1.0" };
  const all: (readonly [string, string])[] = [];
  for (const line of lines) {
    if (line === "") continue;
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon));
    const value = line.slice(colon + 1).trim();
    if (colon < 0 || !HEADER_NAME.test(name) || /[\r\n]/.test(value)) {
      return { all: [], problem: `header line ${all.length + 1} is not \`name: value\`` };
    }
    if (all.length === HEADERS_MAX) return { all: [], problem: `it has more than ${HEADERS_MAX} headers` };
    all.push([name, value]);
  }
  return { all };
}

/** The first value under a name, whatever its case. */
export function headerIn({ all }: ParsedHeaders, name: string): string | undefined {
  const wanted = name.toLowerCase();
  return all.find(([one]) => one.toLowerCase() === wanted)?.[1];
}

/**
 * The header bytes of a delivered message. They stand right before its data; the client's own parser throws on odd ones
 * and takes time in the square of their number.
 */
export function headerBlockOf(message: Msg): Uint8Array {
  if (!isSized(message)) throw new Error("this version of the nats package does not tell a message's size");
  const { data } = message;
  const length =
    message.size() -
    Buffer.byteLength(message.subject) -
    Buffer.byteLength(message.reply ?? "") -
    data.length;
  // Negative where the subject is not UTF-8 and so has another length as text: then there is no telling.
  if (length <= 0 || length > data.byteOffset) return new Uint8Array(0);
  return new Uint8Array(data.buffer, data.byteOffset - length, length);
}

function isSized(message: Msg): message is Msg & { size(): number } {
  return "size" in message && typeof message.size === "function";
}
