/**
 * The bench's side of one of its processes: starts it, calls it, and sees it end.
 *
 * 1. Every call has a time limit; one that is over, and a process that ends by itself, is an error of the scenario.
 * 2. The process ends when its channel to the bench closes, so also when the bench is killed.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface Call {
  readonly id: number;
  readonly name: string;
  readonly args: unknown;
}

export interface Answer {
  /** 0: the process is ready. */
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

const START_MS_MAX = 30_000;
const EXIT_MS_MAX = 15_000;

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export interface ChildOptions {
  /** A module of this folder, without its ending. */
  readonly module: string;
  readonly settings: unknown;
  readonly nodeFlags: readonly string[];
}

export class Child {
  readonly #process: ChildProcess;
  readonly #name: string;
  readonly #pending = new Map<number, Pending>();
  readonly #exited: Promise<void>;
  #lastId = 0;
  #ending = false;

  private constructor({ module, settings, nodeFlags }: ChildOptions) {
    this.#name = module;
    // Started as the bench itself was, so that TypeScript is read the same way.
    this.#process = fork(
      fileURLToPath(new URL(`./${module}.ts`, import.meta.url)),
      [JSON.stringify(settings)],
      {
        execArgv: [...process.execArgv, ...nodeFlags],
        stdio: ["ignore", "inherit", "inherit", "ipc"],
      },
    );
    this.#exited = new Promise((resolve) => this.#process.once("exit", () => resolve()));
    this.#process.on("message", (answer: Answer) => this.#answered(answer));
    this.#process.once("exit", (code, signal) => {
      const how = signal === null ? `with code ${code}` : `by ${signal}`;
      for (const id of this.#pending.keys()) this.#fail(id, `the ${module} process ended ${how}`);
    });
  }

  /** Resolves once the process is ready. */
  static async start(options: ChildOptions): Promise<Child> {
    const child = new Child(options);
    await child.#answerTo(0, "start", START_MS_MAX);
    return child;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async call<T>(name: string, args: unknown, timeoutMs: number): Promise<T> {
    const id = ++this.#lastId;
    const answer = this.#answerTo(id, name, timeoutMs);
    this.#process.send({ id, name, args } satisfies Call);
    return (await answer) as T;
  }

  /** Asks it to end, and makes it end where it does not. */
  async end(): Promise<void> {
    if (this.#ending || this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#ending = true;
    if (!this.#process.connected) {
      await this.#exited;
      return;
    }
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), EXIT_MS_MAX);
    this.#process.send({ id: ++this.#lastId, name: "exit", args: undefined } satisfies Call);
    await this.#exited;
    clearTimeout(timer);
  }

  #answerTo(id: number, name: string, timeoutMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#fail(id, `the ${this.#name} process did not answer "${name}" within ${timeoutMs / 1_000} s`);
      }, timeoutMs);
      this.#pending.set(id, { resolve, reject, timer });
    });
  }

  #answered({ id, value, error }: Answer): void {
    if (error !== undefined) {
      this.#fail(id, `${this.#name}: ${error}`);
      return;
    }
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    pending.resolve(value);
  }

  #fail(id: number, message: string): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    pending.reject(new Error(message));
  }
}
