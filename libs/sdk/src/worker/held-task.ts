/**
 * One task that a worker holds, from its arrival until its report is in the log.
 *
 * 1. It ends once: the first of value, failure, time-out and cancellation counts, whatever the handler does later.
 */
import { cutText } from "@holdfast/core";
import type { Task, TaskReport } from "@holdfast/proto";
import type { Patience } from "./patience.js";
import type { Steps } from "./steps.js";
import { isOf } from "./stray-rejections.js";
import type { UsageMeter } from "./usage-meter.js";

export type Phase =
  /** Waits for a free place. */
  | "waiting"
  | "running"
  /** Ended; its report is on its way. */
  | "reporting";

export class HeldTask {
  phase: Phase = "waiting";
  startedMs = 0;
  /** By the monotonic clock, as all that follow. */
  beganMs = 0;
  /** When the attempt has had its time. */
  closeByMs = Number.POSITIVE_INFINITY;
  /** By when its handler must say that it goes on. */
  silentByMs = Number.POSITIVE_INFINITY;
  /** What its handler said last of how far it is, as JSON; empty: nothing. */
  progress = "";
  /** That the process's thread was blocked while its handler ran, for how long and by whom, the last time; empty: it was not. */
  blocked = "";
  /** Why it is to stop, once it is. */
  stopping: "timeout" | "cancelled" | "shutdown" | "stuck" | undefined;
  /** What the handler said that it spent so far. */
  usage: UsageMeter | undefined;
  stopReason = "";
  report: TaskReport | undefined;
  /** Made with the first step. */
  steps: Steps | undefined;
  /** The step that failed, with what it threw. */
  failedStep: { readonly name: string; readonly error: unknown; readonly failureMessage: string } | undefined;
  /** What people are shown when it fails, with placeholders; empty: the error itself. */
  failureMessage = "";
  /** What its handler was given: placeholders are filled from it. */
  args: Readonly<Record<string, unknown>> = {};
  /** What Holdfast could not do for its handler so far, with why: it is waited for. */
  readonly owed = new Map<Patience, string>();
  /** It is given back, unspent: it may come again. */
  givenBack = false;
  /** It came again before its report was in the log. */
  cameAgain: Task | undefined;
  #controller: AbortController | undefined;

  constructor(
    readonly key: string,
    readonly task: Task,
  ) {}

  /** Made when first asked for: most handlers never do. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.stopping !== undefined && !this.#controller.signal.aborted)
      this.#controller.abort(this.stopError());
    return this.#controller.signal;
  }

  /** When the attempt is given up. */
  get deadlineMs(): number {
    return Math.min(this.closeByMs, this.silentByMs);
  }

  /** Its handler says that it lives, and how far it is, which never fails an attempt. */
  goesOn(progress: unknown, nowMs: number): void {
    if (progress !== undefined) this.progress = progressText(progress);
    if (this.silentByMs < Number.POSITIVE_INFINITY && this.stopping === undefined)
      this.silentByMs = nowMs + this.task.heartbeatMs;
  }

  stop(why: NonNullable<HeldTask["stopping"]>, reason: string): void {
    if (this.stopping !== undefined) return;
    this.stopping = why;
    this.stopReason = reason;
    this.#controller?.abort(this.stopError());
  }

  stopError(): DOMException {
    const error = new DOMException(
      this.stopReason,
      this.stopping === "timeout" ? "TimeoutError" : "AbortError",
    );
    isOf(error, this);
    return error;
  }
}

/** Names an attempt of an action or item. */
export function taskKey(runId: string, action: number, item: number | undefined, attempt: number): string {
  return item === undefined ? `${runId}/${action}/${attempt}` : `${runId}/${action}.${item}/${attempt}`;
}

const PROGRESS_CHARS_MAX = 256;

function progressText(progress: unknown): string {
  try {
    return cutText(typeof progress === "string" ? progress : JSON.stringify(progress), PROGRESS_CHARS_MAX);
  } catch {
    return "something that is no JSON";
  }
}
