/** Moments and spans as people read them. Absolute times are UTC, so that two operators see the same. */
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";

/** `2026-11-21 03:40:12Z`; empty where there is none. */
export function formatMoment(at: Timestamp | undefined): string {
  if (at === undefined) return "";
  return new Date(timestampMs(at))
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, "Z");
}

const UNITS: readonly (readonly [ms: number, name: string])[] = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1_000, "s"],
];

/** `12 ms`, `3.2 s`, `2 min 5 s`, `6 d 23 h`: never more than two units. */
export function formatSpan(ms: number): string {
  const span = Math.max(0, ms);
  if (span < 1_000) return `${Math.round(span)} ms`;
  if (span < 60_000) return `${(Math.floor(span / 100) / 10).toFixed(1)} s`;
  const first = UNITS.findIndex(([unit]) => span >= unit);
  const [unit, name] = UNITS[first] ?? [1_000, "s"];
  const whole = Math.floor(span / unit);
  const next = UNITS[first + 1];
  const rest = next === undefined ? 0 : Math.floor((span - whole * unit) / next[0]);
  return rest === 0 || next === undefined ? `${whole} ${name}` : `${whole} ${name} ${rest} ${next[1]}`;
}

/** `in 7 d`, `2 min ago`, `now`. */
export function formatRelative(at: Timestamp, nowMs: number): string {
  const distance = timestampMs(at) - nowMs;
  if (Math.abs(distance) < 1_000) return "now";
  // To the minute where there are minutes: seconds of a date days away tell nobody anything.
  const rounded =
    Math.abs(distance) >= 60_000 ? Math.round(Math.abs(distance) / 60_000) * 60_000 : Math.abs(distance);
  return distance > 0 ? `in ${formatSpan(rounded)}` : `${formatSpan(rounded)} ago`;
}

/** How long it took, or has been taking until `nowMs`; empty where it has not begun. */
export function formatTook(
  started: Timestamp | undefined,
  ended: Timestamp | undefined,
  nowMs: number,
): string {
  if (started === undefined) return "";
  return formatSpan((ended === undefined ? nowMs : timestampMs(ended)) - timestampMs(started));
}
