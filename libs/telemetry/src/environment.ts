/** A process's settings from its environment, read before anything starts, so that a wrong one is named at once. */
import type { LogLevel } from "./logger.js";

const LOG_LEVELS: readonly LogLevel[] = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];
const PORT_MAX = 65_535;

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

  /** `HOLDFAST_LOG_LEVEL`, by default info. */
  logLevel(): LogLevel {
    const wanted = this.text("HOLDFAST_LOG_LEVEL") ?? "info";
    const level = LOG_LEVELS.find((each) => each === wanted);
    if (level !== undefined) return level;
    throw new Error(`HOLDFAST_LOG_LEVEL is ${JSON.stringify(wanted)}; use one of ${LOG_LEVELS.join(", ")}`);
  }
}
