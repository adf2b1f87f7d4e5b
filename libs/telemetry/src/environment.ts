/** A process's settings from its environment, read before anything starts, so that a wrong one is named at once. */
import type { LogLevel } from "./logger.js";

const LOG_LEVELS: readonly LogLevel[] = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];
const PORT_MAX = 65_535;

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** NaN where it is no span. */
function msOf(text: string): number {
  const [, count, unit] = /^(\d+)([smhd])$/.exec(text) ?? [];
  return Number(count) * (UNIT_MS[unit ?? ""] ?? Number.NaN);
}

export type Variables = Readonly<Record<string, string | undefined>>;

/** Every reader throws an error that names the variable, what it is and what it may be. */
export class Environment {
  constructor(private readonly variables: Variables) {}

  /** Undefined where it is not set, or blank. */
  text(name: string): string | undefined {
    return this.variables[name]?.trim() || undefined;
  }

  /** Comma-separated. */
  list(name: string, fallback: string): string[] {
    return (this.text(name) ?? fallback).split(",").map((entry) => entry.trim());
  }

  /** 0: a free one. */
  port(name: string, fallback: number): number {
    return this.count(name, fallback, PORT_MAX, "0 for a free one");
  }

  /** A whole number from 0 to `max`. */
  count(name: string, fallback: number, max: number, note = ""): number {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (/^\d+$/.test(text) && value <= max) return value;
    throw new Error(`${name} is ${JSON.stringify(text)}; use 0 to ${max}${note === "" ? "" : `, ${note}`}`);
  }

  /** Milliseconds, from a whole number with its unit: `30s`, `10m`, `2h`, `1d`. Bounds as such spans, too. */
  spanMs(name: string, fallback: string, least: string, most: string): number {
    const text = this.text(name) ?? fallback;
    const ms = msOf(text);
    if (ms >= msOf(least) && ms <= msOf(most)) return ms;
    throw new Error(
      `${name} is ${JSON.stringify(text)}; use ${least} to ${most}: a whole number with s, m, h or d, such as ${fallback}`,
    );
  }

  /** `HOLDFAST_LOG_LEVEL`, by default info. */
  logLevel(): LogLevel {
    const wanted = this.text("HOLDFAST_LOG_LEVEL") ?? "info";
    const level = LOG_LEVELS.find((each) => each === wanted);
    if (level !== undefined) return level;
    throw new Error(`HOLDFAST_LOG_LEVEL is ${JSON.stringify(wanted)}; use one of ${LOG_LEVELS.join(", ")}`);
  }
}
