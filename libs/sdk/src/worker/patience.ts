/**
 * What a handler waits for that is Holdfast's own to do: a checkpoint, a payload, an artifact, results of a job. What fails of it because a node, the log or
 * the object store is away is tried again, for as long as the attempt lives.
 *
 * 1. Such a failure is never the handler's: an attempt whose time is over while it waits for one is given back, and nothing of it is spent.
 * 2. What can't be tried again (a stream that was read) fails with an error that says the same where it comes out of the handler.
 */
import { type Clock, PayloadError, PortError, QueryFailedError } from "@holdfast/engine";
import type { Logger } from "@holdfast/telemetry";
import { ActionError } from "../action-error.js";
import type { HeldTask } from "./held-task.js";

const PAUSE_MS = 200;
const PAUSE_MS_MAX = 5_000;

export interface PatienceHost {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Thrown out of what a handler called, for what is Holdfast's own failure and can't be tried again by itself. */
const givenUp = new WeakSet<object>();

/** Whether doing the same again may help, and it is Holdfast that failed. */
export function isOurs(error: unknown): boolean {
  if (error instanceof PortError) return error.retry !== "never";
  if (error instanceof QueryFailedError) return error.retry === "safe";
  if (error instanceof PayloadError) return error.code === "unavailable" && isOurs(error.cause);
  return typeof error === "object" && error !== null && givenUp.has(error);
}

const CAUSES_MAX = 8;

/** Whether what came out of a handler is a failure of ours, or was only wrapped. One that the handler has given a mode is its own. */
export function isFailureOfOurs(thrown: unknown): boolean {
  try {
    for (let error = thrown, depth = 0; depth < CAUSES_MAX; depth++) {
      if (isOurs(error)) return true;
      if (!(error instanceof Error) || error instanceof ActionError) return false;
      error = error.cause;
    }
  } catch {
    // What was thrown can't even be looked at.
  }
  return false;
}

/** As `UNAVAILABLE`, for a handler that catches it. */
export function oursForGood(error: Error): ActionError {
  const failure = new ActionError("UNAVAILABLE", error.message, { cause: error });
  givenUp.add(failure);
  return failure;
}

/** One thing that is waited for. */
export class Patience {
  readonly #held: HeldTask;
  readonly #host: PatienceHost;
  readonly #what: string;
  #pauseMs = PAUSE_MS;

  constructor(held: HeldTask, host: PatienceHost, what: string) {
    this.#held = held;
    this.#host = host;
    this.#what = what;
  }

  /** Resolves when it may be tried again. Rejects with the error where that would not help, and as the attempt ends. */
  async afterFailure(error: unknown): Promise<void> {
    if (!isOurs(error)) throw error;
    const held = this.#held;
    const why = error instanceof Error ? error.message : String(error);
    if (held.phase === "reporting") throw error;
    held.signal.throwIfAborted();
    if (!held.owed.has(this)) {
      const { runId, actionName, item, attempt } = held.task;
      this.#host.logger.warn(
        "Holdfast could not do what a handler waits for; it is tried again while the attempt lives",
        {
          run: runId,
          action: actionName,
          item,
          attempt,
          what: this.#what,
          err: error,
        },
      );
    }
    held.owed.set(this, `${this.#what}: ${why}`);
    await this.#pause();
    this.#pauseMs = Math.min(this.#pauseMs * 2, PAUSE_MS_MAX);
    held.signal.throwIfAborted();
  }

  /** It was done, or will not be. */
  settled(): void {
    if (this.#held.owed.size > 0 && this.#held.owed.delete(this))
      this.#held.goesOn(undefined, this.#host.clock.monotonicMs());
  }

  #pause(): Promise<void> {
    const { signal } = this.#held;
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        signal.removeEventListener("abort", done);
        resolve();
      };
      const cancel = this.#host.clock.after(this.#pauseMs, done);
      signal.addEventListener("abort", done, { once: true });
    });
  }
}

/** Does something of ours until it is done. Rejects with what is not ours, and when the attempt ends. `what`: as in "step \"a\"". */
export async function patiently<T>(
  held: HeldTask,
  host: PatienceHost,
  what: string,
  work: () => T | Promise<T>,
): Promise<T> {
  let patience: Patience | undefined;
  try {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        patience ??= new Patience(held, host, what);
        await patience.afterFailure(error);
      }
    }
  } finally {
    patience?.settled();
  }
}
