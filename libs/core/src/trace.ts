/** The trace that a run belongs to: the one it came with, else one of its own. The same through every attempt and recovery. */
import { fnv1a, mix32 } from "./names.js";

/** W3C Trace Context, version 00. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const SAMPLED = "01";

const SECOND_SEED = 0x9747b28c;
const GOLDEN = 0x9e3779b1;

/** What was given, where it is a traceparent; else one derived from the run and where its start stands in the log. */
export function traceparentOf(given: string, runId: string, seq: number): string {
  if (given !== "" && TRACEPARENT.test(given)) return given;
  const name = `${runId}#${seq}`;
  const first = fnv1a(name);
  const second = fnv1a(name, SECOND_SEED);
  const traceId =
    hex(word(first, 0)) + hex(word(second, 1)) + hex(word(first, 2)) + hex(mix32(first ^ second) | 1);
  return `00-${traceId}-${hex(word(first, 4))}${hex(mix32(second + 5) | 1)}-${SAMPLED}`;
}

const word = (half: number, n: number): number => mix32(half + Math.imul(n, GOLDEN));

const BYTES_IN_HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Eight digits. Odd words keep an id from being all zero. */
const hex = (bits: number): string =>
  `${BYTES_IN_HEX[bits >>> 24]}${BYTES_IN_HEX[(bits >>> 16) & 0xff]}${BYTES_IN_HEX[(bits >>> 8) & 0xff]}${BYTES_IN_HEX[bits & 0xff]}`;
