/** The reply subject of a delivered message says where in its stream it stands. */

export interface Delivery {
  readonly streamSeq: number;
  readonly atNs: bigint;
  /** 1 for the first time. */
  readonly delivered: number;
}

/**
 * Reads `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>[.<token>]`.
 * Undefined where it is none.
 */
export function ackSubject(subject: string): Delivery | undefined {
  const tokens = subject.split(".");
  if (tokens[0] !== "$JS" || tokens[1] !== "ACK" || tokens.length < 9) return undefined;
  const at = tokens.length === 9 ? 4 : 6;
  const streamSeq = Number(tokens[at + 1]);
  const time = tokens[at + 3] ?? "";
  if (!Number.isSafeInteger(streamSeq) || !/^\d+$/.test(time)) return undefined;
  return { streamSeq, atNs: BigInt(time), delivered: Number(tokens[at]) };
}
