/** Spans of time as people write them. */
import { HoldfastError } from "./errors.js";

/** Milliseconds, or a number with a unit: `"250ms"`, `"30s"`, `"5m"`, `"2h"`, `"7d"`. */
export type Duration = number | `${number}${"ms" | "s" | "m" | "h" | "d"}`;

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const WRITTEN = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
/** The contract counts milliseconds in 32 bits: about 49 days. */
const DURATION_MS_MAX = 2 ** 32 - 1;

/** Ten years: the longest that an action waits. */
const WAIT_MS_MAX = 315_360_000_000;

/** Whole milliseconds. Throws `INVALID_ARGUMENT`, naming `what`, for anything but a span of 0 to 49 days. */
export const durationMs = (duration: Duration, what: string): number =>
  spanMs(duration, what, DURATION_MS_MAX, "49 days");

/** The same up to ten years, for what waits or is kept. */
export const waitMs = (duration: Duration, what: string): bigint =>
  BigInt(spanMs(duration, what, WAIT_MS_MAX, "ten years"));

/** Milliseconds, at most ten years; undefined for whatever is no pause. Never throws. */
export function askedMs(given: unknown): number | undefined {
  const ms = toMs(given);
  return ms !== undefined && ms > 0 && ms < Number.POSITIVE_INFINITY
    ? Math.min(Math.round(ms), WAIT_MS_MAX)
    : undefined;
}

function spanMs(duration: Duration, what: string, mostMs: number, most: string): number {
  const ms = toMs(duration);
  if (ms === undefined || !(ms >= 0 && ms <= mostMs)) {
    throw new HoldfastError(
      "INVALID_ARGUMENT",
      `${what} is ${JSON.stringify(duration)}: give milliseconds, or a number with ms, s, m, h or d such as "5m", up to ${most}`,
    );
  }
  return Math.round(ms);
}

function toMs(duration: unknown): number | undefined {
  if (typeof duration === "number") return duration;
  const match = typeof duration === "string" ? WRITTEN.exec(duration) : null;
  return match === null ? undefined : Number(match[1]) * (UNIT_MS[match[2] ?? ""] ?? Number.NaN);
}
