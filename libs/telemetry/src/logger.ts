/**
 * Logs: lines of JSON on one synchronous destination, so that what was logged before a crash is there after it.
 *
 * Messages are constant sentences; what varies goes into fields, so that logs can be searched and counted.
 */
import pino from "pino";
import { PrettyLines } from "./pretty-lines.js";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";

/** `run`, `action` and `trace` are spelled the same everywhere; `err` may be anything that was thrown. */
export interface LogFields {
  run?: string;
  action?: string;
  trace?: string;
  err?: unknown;
  [field: string]: unknown;
}

type Write = (message: string, fields?: LogFields) => void;

export interface Logger {
  readonly trace: Write;
  readonly debug: Write;
  readonly info: Write;
  readonly warn: Write;
  readonly error: Write;
  readonly fatal: Write;
  /** False: lines of that level go nowhere, so their fields need not be made. */
  isEnabled(level: Exclude<LogLevel, "silent">): boolean;
  /** A logger that adds these fields to each of its lines. */
  child(bindings: LogFields): Logger;
}

/** Where whole lines, each with its line end, are written at once. */
export interface LogDestination {
  write(line: string): unknown;
}

export interface LoggerOptions {
  /** Default: info. */
  level?: LogLevel;
  /** The process or part that speaks, in every line. */
  name: string;
  /** Lines for people instead of JSON. */
  pretty?: boolean;
  /** Default: standard error, since standard output is for what a command answers. */
  destination?: LogDestination;
}

function wrap(inner: pino.Logger): Logger {
  const writer =
    (level: Exclude<LogLevel, "silent">): Write =>
    (message, fields) => {
      if (fields === undefined) inner[level](message);
      else inner[level](fields, message);
    };
  return {
    trace: writer("trace"),
    debug: writer("debug"),
    info: writer("info"),
    warn: writer("warn"),
    error: writer("error"),
    fatal: writer("fatal"),
    isEnabled: (level) => inner.isLevelEnabled(level),
    child: (bindings) => wrap(inner.child(bindings)),
  };
}

export function createLogger(options: LoggerOptions): Logger {
  const destination = options.destination ?? pino.destination({ dest: 2, sync: true });
  const stream = options.pretty ? new PrettyLines(destination) : destination;
  const inner = pino(
    {
      name: options.name,
      level: options.level ?? "info",
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  return wrap(inner);
}

const ignore: Write = () => undefined;

/** For tests, and for callers that were given no logger. */
export const silentLogger: Logger = {
  trace: ignore,
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: ignore,
  fatal: ignore,
  isEnabled: () => false,
  child: () => silentLogger,
};
