/**
 * A process of the system under test: started as a user would start it, heard, killed, and never left behind.
 *
 * 1. It ends with the test's process (end-with-parent.ts), and at the latest when the test ends it.
 * 2. What it logs is kept, bounded, so that tests can look for it and failures can show it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { inject } from "vitest";

const READY_MS_MAX = 120_000;
const STOP_MS_MAX = 60_000;
const LINES_MAX = 20_000;
const PRELOAD = "test/support/end-with-parent.ts";
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** A module of the repository as `test/setup/bundle.ts` made it; any other argument stays as it is. */
const bundled = (argument: string): string =>
  argument.endsWith(".ts") ? join(inject("bundle"), argument.replace(/\.ts$/, ".js")) : argument;

export interface ChildOptions {
  /** For messages: "node", "worker". */
  readonly name: string;
  /** Of the repository. */
  readonly module: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A line of standard output that says that it is ready; its groups are `child.ready`. */
  readonly readyLine: RegExp;
}

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
export type Level = (typeof LEVELS)[number];

export interface LogLine {
  readonly level: Level;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Child {
  readonly exited: Promise<ChildExit>;
  /** All lines, of both streams. */
  readonly lines: string[] = [];
  ready: readonly string[] = [];
  readonly #process: ChildProcess;
  readonly #name: string;

  private constructor({ name, module, args = [], env = {} }: ChildOptions, onLine: (line: string) => void) {
    this.#name = name;
    this.#process = spawn(process.execPath, ["--import", ...[PRELOAD, module, ...args].map(bundled)], {
      cwd: ROOT,
      env: { ...process.env, NODE_ENV: "production", ...env },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.exited = new Promise((resolve) => {
      this.#process.once("exit", (code, signal) => resolve({ code, signal }));
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => {
        this.lines.push(line);
        if (this.lines.length > LINES_MAX) this.lines.shift();
        onLine(line);
      });
    }
  }

  /** Resolves once it has said that it is ready; rejects, with what it said, where it ends or stays silent instead. */
  static async start(options: ChildOptions): Promise<Child> {
    let saidReady: (match: RegExpExecArray) => void = () => undefined;
    const ready = new Promise<RegExpExecArray>((resolve) => {
      saidReady = resolve;
    });
    const child = new Child(options, (line) => {
      const match = options.readyLine.exec(line);
      if (match !== null) saidReady(match);
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`was not ready within ${READY_MS_MAX} ms`), READY_MS_MAX);
    });
    const ended = child.exited.then(({ code, signal }) => `ended with ${signal ?? code} before it was ready`);
    const first = await Promise.race([ready, late, ended]);
    clearTimeout(timer);
    if (typeof first !== "string") {
      child.ready = first;
      return child;
    }
    await child.kill();
    throw new Error(`the ${options.name} process ${first}; it said:\n${child.tail(40)}`);
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** SIGKILL: no goodbye. */
  async kill(): Promise<void> {
    if (this.running) this.#process.kill("SIGKILL");
    await this.exited;
  }

  /** SIGSTOP: it stands still, and does not know it. */
  pause(): void {
    this.#process.kill("SIGSTOP");
  }

  /** SIGCONT. */
  goOn(): void {
    this.#process.kill("SIGCONT");
  }

  /** SIGTERM, and its end; a process that does not end is killed and is an error. */
  async stop(): Promise<ChildExit> {
    let overdue = false;
    const timer = setTimeout(() => {
      overdue = true;
      this.#process.kill("SIGKILL");
    }, STOP_MS_MAX);
    if (this.running) this.#process.kill("SIGTERM");
    const exit = await this.exited;
    clearTimeout(timer);
    if (overdue)
      throw new Error(
        `the ${this.#name} process did not end within ${STOP_MS_MAX} ms of SIGTERM:\n${this.tail(40)}`,
      );
    return exit;
  }

  tail(count: number): string {
    return this.lines.slice(-count).join("\n");
  }

  /** Its log lines of at least this level. */
  logged(least: Level): LogLine[] {
    return this.lines.flatMap((line) => {
      if (!line.startsWith("{")) return [];
      const parsed = JSON.parse(line) as LogLine;
      return LEVELS.indexOf(parsed.level) >= LEVELS.indexOf(least) ? [parsed] : [];
    });
  }
}
