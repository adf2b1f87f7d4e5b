/** A moment that people are shown, as it is counted: Unix nanoseconds; 0 where there is none. */
interface Stamp {
  readonly seconds: bigint;
  readonly nanos: number;
}

const NS_PER_S = 1_000_000_000n;

export const stampNs = (at: Stamp | undefined): bigint =>
  at === undefined ? 0n : at.seconds * NS_PER_S + BigInt(at.nanos);
