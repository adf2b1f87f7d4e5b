/**
 * Waits for news of operations on many runs: nobody tells of them, so they are asked for, now and then.
 *
 * 1. While nobody answers, a wait goes on: the operation does, too.
 * 2. `askNow` has all that wait ask at once, so that time may leap when there is nothing new.
 */
import { type Clock, type QueryClient, QueryFailedError } from "@holdfast/engine";
import type { GetBulkAnswer } from "@holdfast/proto";

const PAUSE_MS = 5;
const PAUSE_MS_MAX = 300;
/** Pages of results that one question brings. */
const PAGES = 20;

interface Waiting {
  readonly ask: () => Promise<void>;
  readonly reject: (error: unknown) => void;
}

export class BulkWaits {
  readonly #queries: QueryClient;
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();
  #begun = 0;
  #closed: Error | undefined;

  constructor(queries: QueryClient, clock: Clock) {
    this.#queries = queries;
    this.#clock = clock;
  }

  /** How many ever began to wait. */
  get begun(): number {
    return this.#begun;
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Resolves once all that wait have asked again. */
  async askNow(): Promise<void> {
    await Promise.all([...this.#waiting].map(({ ask }) => ask()));
  }

  /** Whoever waits, or would, gets `error`. */
  close(error: Error): void {
    this.#closed = error;
    for (const { reject } of this.#waiting) reject(error);
  }

  /** The operation with the pages of results from that on, once `isNews` says that this is what was waited for. */
  until(
    operationId: string,
    fromPage: number | undefined,
    isNews: (found: GetBulkAnswer) => boolean,
  ): Promise<GetBulkAnswer> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      let over = false;
      let pauseMs = PAUSE_MS;
      let cancel: (() => void) | undefined;
      const end = (settle: () => void): void => {
        over = true;
        this.#waiting.delete(waiting);
        cancel?.();
        settle();
      };
      const ask = async (): Promise<void> => {
        try {
          const page = fromPage === undefined ? { fromPage: 0, pages: 0 } : { fromPage, pages: PAGES };
          const found = await this.#queries.bulk(operationId, page);
          if (!over && isNews(found)) end(() => resolve(found));
        } catch (error) {
          const comesBack = error instanceof QueryFailedError && error.code === "UNAVAILABLE";
          if (!over && !comesBack) end(() => reject(error));
        }
      };
      const waiting: Waiting = { ask, reject: (error) => end(() => reject(error)) };
      const goOn = async (): Promise<void> => {
        await ask();
        if (over) return;
        cancel = this.#clock.after(pauseMs, () => void goOn());
        pauseMs = Math.min(pauseMs * 1.5, PAUSE_MS_MAX);
      };
      this.#waiting.add(waiting);
      this.#begun++;
      void goOn();
    });
  }
}
