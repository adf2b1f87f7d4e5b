/** Turns log lines of JSON into lines for people: `12:30:01.123 warn  node  message  run=a action=b`. */
import type { LogDestination } from "./logger.js";

const LEVEL_WIDTH = 5;
/** Said elsewhere on the line, or the same on all of them. */
const LEFT_OUT = new Set(["time", "level", "name", "msg", "pid", "err"]);

interface Line {
  time: string;
  level: string;
  name: string;
  msg?: string;
  err?: unknown;
}

function showValue(value: unknown): string {
  if (typeof value === "string") return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value);
}

function showError(err: unknown): string {
  if (typeof err !== "object" || err === null) return `\n    ${showValue(err)}`;
  const { stack } = err as { stack?: unknown };
  const text = typeof stack === "string" ? stack : JSON.stringify(err);
  return `\n${text.replace(/^/gm, "    ")}`;
}

export class PrettyLines implements LogDestination {
  constructor(private readonly destination: LogDestination) {}

  write(line: string): void {
    const entry = JSON.parse(line) as Line;
    const time = entry.time.slice(11, 23);
    const level = entry.level.padEnd(LEVEL_WIDTH);
    const fields = Object.entries(entry)
      .filter(([name]) => !LEFT_OUT.has(name))
      .map(([name, value]) => `  ${name}=${showValue(value)}`)
      .join("");
    const error = entry.err === undefined ? "" : showError(entry.err);
    this.destination.write(`${time} ${level} ${entry.name}  ${entry.msg ?? ""}${fields}${error}\n`);
  }
}
