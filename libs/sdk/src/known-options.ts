/**
 * Options are refused where they are written, if they are misspelt: a `retires` that nobody reads would only be missed in the night when it is needed.
 *
 * 1. What is undefined is not given. What is no plain set of options is refused, too.
 * 2. The message names what is meant, where that can be guessed.
 */
import { lettersApart } from "@holdfast/core";
import { HoldfastError, type HoldfastErrorCode } from "./errors.js";

/** The names that options may have. */
export type Names = ReadonlyMap<string, unknown>;

/** All of `T`: the compiler sees that none is missing and none is too many. */
export const namesOf = <T>(names: Readonly<Record<keyof T & string, 1>>): Names =>
  new Map(Object.entries(names));

/** Throws, with that code, where `given` holds a name that is not known. `what` tells whose options they are: "retry of action load". */
export function checkNames(
  given: unknown,
  names: Names,
  what: string,
  code: HoldfastErrorCode = "INVALID_ARGUMENT",
): void {
  if (given === undefined) return;
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw new HoldfastError(code, `${what}: give an object with options, not ${shown(given)}`);
  for (const name of Object.keys(given)) {
    if (names.has(name) || (given as Record<string, unknown>)[name] === undefined) continue;
    throw new HoldfastError(
      code,
      `${what}: there is no option ${JSON.stringify(name.slice(0, NAME_CHARS_MAX))}${meant(name, names)}`,
    );
  }
}

/** What a table has under a name, where one of a few has to be given. Throws where there is none of that name. */
export function oneOf<T>(
  given: string,
  table: Readonly<Record<string, T>>,
  what: string,
  code: HoldfastErrorCode = "INVALID_ARGUMENT",
): T {
  if (typeof given === "string" && Object.hasOwn(table, given)) return table[given] as T;
  const names = new Map(Object.entries(table));
  const named = typeof given === "string" ? JSON.stringify(given.slice(0, NAME_CHARS_MAX)) : shown(given);
  throw new HoldfastError(code, `${what} is ${named}${typeof given === "string" ? meant(given, names) : ""}`);
}

const NAME_CHARS_MAX = 64;

function shown(given: unknown): string {
  if (given === null) return "null";
  return Array.isArray(given) ? "an array" : `a ${typeof given}`;
}

function meant(name: string, names: Names): string {
  const nearest = nearestOf(name.slice(0, NAME_CHARS_MAX), names);
  return nearest === undefined
    ? `: use ${[...names.keys()].toSorted().join(", ")}`
    : `: did you mean ${JSON.stringify(nearest)}?`;
}

/** What other tools call it. */
const OTHER_WORDS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    attempts: ["maxAttempts"],
    limit: ["maxAttempts", "first"],
    delay: ["initialBackoff", "for"],
    backoff: ["initialBackoff"],
    interval: ["initialBackoff", "pollInterval"],
    timeout: ["startToClose"],
    depends: ["after"],
    needs: ["after"],
    id: ["runId", "requestId", "operationId"],
    threshold: ["failureRate"],
    timezone: ["timeZone"],
    tz: ["timeZone"],
  }),
);

/** The name that is most likely meant; undefined: none is near. */
export function nearestOf(name: string, names: Names): string | undefined {
  const other = OTHER_WORDS.get(name.toLowerCase())?.find((word) => names.has(word));
  if (other !== undefined) return other;
  const lower = name.toLowerCase();
  let best: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 2)) + 1;
  for (const known of names.keys()) {
    const word = known.toLowerCase();
    const isPart = lower.length > 2 && word.length > 2 && (word.includes(lower) || lower.includes(word));
    const apart = isPart && lower !== word ? 1 : lettersApart(lower, word);
    if (apart < least) [best, least] = [known, apart];
  }
  return best;
}
