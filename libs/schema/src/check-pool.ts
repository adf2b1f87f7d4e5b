/**
 * Checks that may take long, on a thread of their own: one for the process, begun when it is first needed.
 *
 * 1. Jobs are answered in their order. One that takes longer than its time ends the thread: it is answered with that, the others go to a
 *    new thread. So is one on which the thread dies.
 * 2. What waits is bounded: beyond it an input is refused for now.
 * 3. The thread keeps no process alive.
 */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { messageOf } from "./schema-check.js";

/** The time that one input has: a busy machine takes seconds for a large one that is right. */
export const CHECK_MS_MAX = 5_000;
/** The time in which a thread must have begun. */
const BEGIN_MS_MAX = 30_000;
export const WAITING_MAX = 4_096;
/** Jobs that are at the thread at once; the others wait here, so that they need not be sent again when it is ended. */
const AHEAD = 8;
const THREAD_HEAP_MIB = 256;

/** `require` finds the other half of it, which stands beside. */
const loader = (): string =>
  pathToFileURL(
    createRequire(import.meta.url)
      .resolve("tsx/esm/api")
      .replace(/\.cjs$/, ".mjs"),
  ).href;
const entry = (): string => new URL("./check-thread.ts", import.meta.url).href;
/** A thread has no loader of TypeScript of its own, whatever its process has. */
const BOOT = `
const { workerData } = require("node:worker_threads");
import(workerData.tsx).then(({ register }) => {
  register();
  return import(workerData.entry);
});
`;

export interface CheckJob {
  readonly id: number;
  readonly schema: string;
  readonly input: unknown;
}

export interface CheckAnswer {
  /** 0: the thread has begun. */
  readonly id: number;
  readonly problems: readonly string[];
}

interface Waiting extends CheckJob {
  readonly answer: (problems: readonly string[]) => void;
}

export class CheckPool {
  private thread: Worker | undefined;
  private begun = false;
  private readonly waiting: Waiting[] = [];
  private readonly sent: Waiting[] = [];
  private timer: NodeJS.Timeout | undefined;
  private lastId = 0;

  constructor(private readonly limitMs = CHECK_MS_MAX) {}

  /** Never rejects. */
  problems(schema: string, input: unknown): Promise<readonly string[]> {
    if (this.waiting.length >= WAITING_MAX)
      return Promise.resolve([`${WAITING_MAX} inputs wait for being checked already; send it again later`]);
    return new Promise((answer) => {
      this.waiting.push({ id: ++this.lastId, schema, input, answer });
      this.pump();
    });
  }

  /** Ends the thread, if there is one; what waits is answered by a new one. */
  close(): void {
    this.end();
    if (this.sent.length > 0 || this.waiting.length > 0) this.pump();
  }

  private pump(): void {
    const thread = (this.thread ??= this.begin());
    while (this.sent.length < AHEAD) {
      const job = this.waiting.shift();
      if (job === undefined) break;
      const { id, schema, input, answer } = job;
      try {
        thread.postMessage({ id, schema, input } satisfies CheckJob);
      } catch (error) {
        answer([`the input can't be checked: ${messageOf(error)}`]);
        continue;
      }
      this.sent.push(job);
    }
    this.watch();
  }

  private begin(): Worker {
    const thread = new Worker(BOOT, {
      eval: true,
      execArgv: [],
      workerData: { tsx: loader(), entry: entry() },
      resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP_MIB },
    });
    this.begun = false;
    thread.on("message", (answer: CheckAnswer) => {
      if (thread === this.thread) this.onAnswer(answer);
    });
    thread.on("error", (error) => {
      if (thread === this.thread) this.giveUp(`checking it failed: ${error.message}`);
    });
    // Last: whoever listens to a thread has it keep the process.
    thread.unref();
    return thread;
  }

  private onAnswer({ id, problems }: CheckAnswer): void {
    if (id === 0) this.begun = true;
    else if (this.sent[0]?.id === id) this.sent.shift()?.answer(problems);
    this.stopWatch();
    if (this.sent.length > 0 || this.waiting.length > 0) this.pump();
  }

  /** Of the first job alone: its time begins when the one before is answered. */
  private watch(): void {
    if (this.timer !== undefined || this.sent.length === 0) return;
    const ms = this.begun ? this.limitMs : BEGIN_MS_MAX;
    const why = this.begun
      ? `checking it takes longer than ${this.limitMs} ms: the schema of its workflow is too costly for it; simplify the schema, or send less`
      : `nothing could check it within ${BEGIN_MS_MAX} ms; send it again later`;
    this.timer = setTimeout(() => this.giveUp(why), ms);
  }

  private stopWatch(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private giveUp(why: string): void {
    this.end();
    this.sent.shift()?.answer([why]);
    this.waiting.unshift(...this.sent.splice(0));
    if (this.waiting.length > 0) this.pump();
  }

  private end(): void {
    this.stopWatch();
    const { thread } = this;
    this.thread = undefined;
    void thread?.terminate();
  }
}
