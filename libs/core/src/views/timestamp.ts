/** The state's nanoseconds as views show them. */
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { init } from "@holdfast/proto/codec";

const BILLION = 1_000_000_000n;

/** Undefined for 0: it has not happened. */
export function timestamp(ns: bigint): Timestamp | undefined {
  if (ns === 0n) return undefined;
  return init(TimestampSchema, { seconds: ns / BILLION, nanos: Number(ns % BILLION) });
}
