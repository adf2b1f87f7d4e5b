/** What a delivered message is beside its subject: its place in the stream (in its reply subject) and its bytes. */

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

/** The client hands out Buffers, whose `slice` does not copy: a trap for whoever keeps a part. */
export function plainBytes(data: Uint8Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.length);
}
