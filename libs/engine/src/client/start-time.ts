/**
 * Times that a start may be put off to, and what is most likely meant by those that can't be right.
 * Pure: the same time gives the same answer.
 */

/** The year 2200. */
export const START_AT_MS_MAX = 7_258_118_400_000;
/** March 1973: less is seconds that were taken for milliseconds. 0 is at once. */
const START_AT_MS_MIN = 100_000_000_000;
/** Timestamps as others count them, in milliseconds each. */
const UNITS = [
  ["seconds", 1_000],
  ["microseconds", 1 / 1_000],
  ["nanoseconds", 1 / 1_000_000],
] as const;

/** What is wrong with a start time, and what it would be in another unit; undefined: nothing. */
export function startTimeProblem(ms: number): string | undefined {
  if (ms === 0 || isLikely(ms)) return undefined;
  if (Number.isNaN(ms)) return "it is no time";
  const is = ms < 0 ? "are before 1970" : ms > START_AT_MS_MAX ? "are after the year 2200" : `are ${iso(ms)}`;
  const [unit, factor] = UNITS.find(([, each]) => isLikely(ms * each)) ?? [];
  if (unit === undefined || factor === undefined) return `${ms} Unix milliseconds ${is}`;
  return `${ms} Unix milliseconds ${is}; as ${unit} they would be ${iso(ms * factor)}`;
}

const isLikely = (ms: number): boolean => ms >= START_AT_MS_MIN && ms <= START_AT_MS_MAX;
const iso = (ms: number): string => new Date(Math.floor(ms)).toISOString().replace(".000Z", "Z");
