/**
 * Says of a run that is not there whether its work stands in the work queue, accepted and not begun.
 *
 * 1. Only a run that its partition does not know is looked for, and one that was begun meanwhile is found there.
 * 2. A look reads the newest `PLACES_MAX` places of the queue for `LOOK_MS_MAX` at most; `LOOKS_MAX` are under way at once. What none of them sees
 *    counts as not there, and the sentence says what may be so.
 * 3. Whatever goes wrong with a look changes nothing of the answer.
 */
import { timeText } from "@holdfast/core";
import { QueryFailedError } from "../client/query-errors.js";
import type { Clock, WaitingWork, WorkQueue } from "../ports/index.js";
import { parseWork } from "./work-request.js";

export const PLACES_MAX = 1_000;
export const LOOK_MS_MAX = 500;
export const LOOKS_MAX = 4;

export class PendingRuns {
  readonly #work: Pick<WorkQueue, "peek"> | undefined;
  readonly #clock: Clock;
  #looking = 0;

  /** Without a queue, such as where none can be reached, nothing is looked for. */
  constructor(work: Pick<WorkQueue, "peek"> | undefined, clock: Clock) {
    this.#work = work;
    this.#clock = clock;
  }

  /** What `ask` gives. Where it says that there is no such run: a `QueryFailedError` NOT_BEGUN if its work waits, else why it may be missing. */
  async orPending<T>(runId: string, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      if (!isAbsent(error)) throw error;
      const waiting = await this.#find(runId);
      if (waiting !== undefined) throw notBegun(runId, waiting, error);
    }
    try {
      // It may have left the queue between the question and the look.
      return await ask();
    } catch (error) {
      throw isAbsent(error) ? absent(error) : error;
    }
  }

  /** What `wait` gives, which says after a while of its own that there is no such run: again and again, as long as its work waits or `probe` finds it. */
  async whilePending<T>(runId: string, wait: () => Promise<T>, probe: () => Promise<unknown>): Promise<T> {
    for (;;) {
      try {
        return await wait();
      } catch (error) {
        if (!isAbsent(error)) throw error;
        if ((await this.#find(runId)) !== undefined) continue;
        await probe().catch((again: unknown) => {
          throw isAbsent(again) ? absent(again) : again;
        });
      }
    }
  }

  async #find(runId: string): Promise<WaitingWork | undefined> {
    if (this.#work === undefined || this.#looking >= LOOKS_MAX) return undefined;
    this.#looking++;
    const stop = new AbortController();
    let cancel = (): void => undefined;
    const timeUp = new Promise<undefined>((resolve) => {
      cancel = this.#clock.after(LOOK_MS_MAX, () => {
        stop.abort();
        resolve(undefined);
      });
    });
    try {
      return await Promise.race([look(this.#work, runId, stop.signal), timeUp]);
    } finally {
      cancel();
      this.#looking--;
    }
  }
}

/** Never rejects. */
async function look(
  work: Pick<WorkQueue, "peek">,
  runId: string,
  stop: AbortSignal,
): Promise<WaitingWork | undefined> {
  try {
    for await (const waiting of work.peek(PLACES_MAX)) {
      if (stop.aborted) return undefined;
      if (runIdOf(waiting) === runId) return waiting;
    }
  } catch {
    // The queue can't be reached, or this connection may not look into it.
  }
  return undefined;
}

const isAbsent = (error: unknown): error is QueryFailedError =>
  error instanceof QueryFailedError && error.code === "NOT_FOUND" && !error.pruned;

/** Undefined where the message can't become a run: it will be among the rejected. */
function runIdOf({ message }: WaitingWork): string | undefined {
  const parsed = parseWork(message);
  return parsed.ok ? parsed.request.runId : undefined;
}

function notBegun(runId: string, { message, taken }: WaitingWork, cause: QueryFailedError): QueryFailedError {
  const where = taken
    ? "a node has taken it and has not begun it yet"
    : "no node has taken it yet, since other work stands before it or no node is free";
  return new QueryFailedError(
    "NOT_BEGUN",
    `run ${runId} is accepted and not begun: its work was published on ${message.subject} at ${timeText(message.atNs)}, and ${where}. Ask again in a moment; where that goes on, look at \`holdfast cluster\``,
    cause.partition,
    { cause },
  );
}

const absent = (cause: QueryFailedError): QueryFailedError =>
  new QueryFailedError(
    "NOT_FOUND",
    `${cause.message}. Published work that no node has begun may stand deep in the queue: ask again; what could not become a run is listed by \`holdfast rejected\``,
    cause.partition,
    { cause },
  );
