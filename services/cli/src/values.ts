/** Values as they stand on a command line, checked: each parser says what it would have taken. */
import type { GenEnum } from "@bufbuild/protobuf/codegenv2";
import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { dayProblem, fromUtf8, jsonFault, withoutMark } from "@holdfast/core/shown";
import { InvalidArgumentError } from "commander";

/** An enum's value by its word, whatever the case, `-` for `_`. */
export function enumValue<Value extends number>(
  desc: GenEnum<Value>,
  what: string,
  without: readonly Value[] = [],
): (text: string) => Value {
  const prefix = desc.sharedPrefix ?? "";
  const values = new Map(
    desc.values
      .filter(({ number }) => number !== 0 && !without.some((one) => one === number))
      .map(({ name, number }) => [name.slice(prefix.length), number]),
  );
  const words = new Map([...values].map(([name, number]) => [name.toUpperCase().replace(/^_/, ""), number]));
  return (text) => {
    const found = words.get(text.trim().toUpperCase().replaceAll("-", "_"));
    if (found === undefined) {
      throw new InvalidArgumentError(`"${text}" is no ${what}; one of ${[...words.keys()].join(", ")}.`);
    }
    return found as Value;
  };
}

/** Comma-separated, and the option may stand several times. */
export function listOf<Value>(
  parse: (text: string) => Value,
): (text: string, before: Value[] | undefined) => Value[] {
  return (text, before = []) => [...before, ...text.split(",").map(parse)];
}

export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isInteger(value) || value < min || value > max) {
      throw new InvalidArgumentError(`"${text}" is no whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30s`, `15m`, `2h`, `7d`: that long before `nowMs`; else a date and time as ISO 8601 has it. */
export function moment(text: string, nowMs: number, direction: "before" | "after" = "before"): Timestamp {
  const [, amount, unit = ""] = /^(\d{1,9})([smhd])$/.exec(text.trim()) ?? [];
  if (amount !== undefined) {
    const span = Number(amount) * (UNITS_MS[unit] ?? 0);
    return timestampFromMs(direction === "before" ? nowMs - span : nowMs + span);
  }
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  const wrongDay = dayProblem(text);
  if (Number.isNaN(at) || wrongDay !== undefined) {
    const why = wrongDay === undefined ? "" : `: ${wrongDay}`;
    throw new InvalidArgumentError(
      `"${text}" is no time${why}; write such as 30s, 15m, 2h, 7d or 2026-11-21T03:40:00Z.`,
    );
  }
  return timestampFromMs(at);
}

/** Text that has to be JSON; passed on as written, so that no number changes on the way. */
export function jsonText(given: string | Uint8Array, from: string): string {
  const bytes = withoutMark(typeof given === "string" ? Buffer.from(given, "utf8") : given);
  const fault = jsonFault(bytes);
  if (fault === undefined) return fromUtf8(bytes);
  throw new InvalidArgumentError(`${from} is not usable JSON: ${fault.message}.`);
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A span up to a maximum, `most` in words, in milliseconds: 0, 500ms, 30s, 5m or 2h. */
export function spanMs(maxMs: number, most: string): (text: string) => number {
  return (text) => {
    const match = /^(\d+)(ms|s|m|h)?$/.exec(text.trim());
    const ms = match === null ? Number.NaN : Number(match[1]) * (UNIT_MS[match[2] ?? "ms"] ?? 1);
    if (ms >= 0 && ms <= maxMs) return ms;
    throw new InvalidArgumentError(`"${text}" is no span up to ${most}: write it like 0, 500ms, 30s or 5m`);
  };
}
