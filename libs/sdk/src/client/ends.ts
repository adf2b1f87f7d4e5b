/**
 * Waits for runs to end. The owner tells it, by a message that may be lost: so each run is also asked after now and then, ever less
 * often, and never too many at once.
 */
import { isRunTerminal } from "@holdfast/core";
import { type Clock, type QueryClient, QueryFailedError, type StartTicket } from "@holdfast/engine";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { type RunEnded, RunEndedSchema, type RunView } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";

export interface EndsLimits {
  /** Questions under way at once. */
  readonly maxAsking: number;
  /** How often it looks whom to ask after. */
  readonly sweepMs: number;
  /** First question after a run of which a message is expected. */
  readonly toldAskMs: number;
  /** First question after a run that nobody promised to tell of. */
  readonly untoldAskMs: number;
  /** A run that is not there is waited for so long: what was published is begun once a node takes it from the work queue. */
  readonly unknownMs: number;
  /** Pauses double up to here. */
  readonly askMsMax: number;
  /** A run that nobody is told of is asked after at least this often. */
  readonly untoldAskMsMax: number;
}

export const DEFAULT_ENDS_LIMITS: EndsLimits = {
  maxAsking: 32,
  sweepMs: 50,
  toldAskMs: 2_000,
  untoldAskMs: 50,
  unknownMs: 5_000,
  askMsMax: 30_000,
  untoldAskMsMax: 1_000,
};

interface Waiting {
  readonly runId: string;
  readonly resolve: (ended: RunEnded) => void;
  readonly reject: (error: unknown) => void;
  told: boolean;
  pauseMs: number;
  askAtMs: number;
  asking: Promise<void> | undefined;
  /** Until then it need not be there. */
  readonly knownByMs: number;
}

export class Ends {
  readonly #queries: QueryClient;
  readonly #clock: Clock;
  readonly #limits: EndsLimits;
  readonly #waiting = new Set<Waiting>();
  #asking = 0;
  #begun = 0;
  /** Nobody is to be asked after before this. */
  #earliestMs = Number.POSITIVE_INFINITY;
  #cancelSweep: (() => void) | undefined;

  constructor(queries: QueryClient, clock: Clock, limits: EndsLimits = DEFAULT_ENDS_LIMITS) {
    this.#queries = queries;
    this.#clock = clock;
    this.#limits = limits;
  }

  /**
   * Resolves when the run has ended, however. Rejects with a `QueryFailedError` where there is no such run, also a while later; a partition that
   * is unavailable is waited for. `ticket`: the start's, whose message is listened for.
   */
  wait(runId: string, ticket?: StartTicket): Promise<RunEnded> {
    const now = ticket?.endedNow;
    if (now !== undefined) return Promise.resolve(now);
    return new Promise((resolve, reject) => {
      const { toldAskMs, untoldAskMs } = this.#limits;
      const pauseMs = ticket === undefined ? untoldAskMs : toldAskMs;
      const waiting: Waiting = {
        runId,
        resolve,
        reject,
        told: ticket !== undefined,
        pauseMs,
        askAtMs: this.#clock.monotonicMs() + (ticket === undefined ? 0 : pauseMs),
        asking: undefined,
        knownByMs: ticket === undefined ? this.#clock.monotonicMs() + this.#limits.unknownMs : 0,
      };
      this.#waiting.add(waiting);
      this.#begun++;
      this.#earliestMs = Math.min(this.#earliestMs, waiting.askAtMs);
      ticket?.ended.then(
        (ended) => this.#settle(waiting, ended),
        // Nobody listens for it any more: only asking is left.
        () => this.#untold(waiting),
      );
      this.#cancelSweep ??= this.#clock.after(ticket === undefined ? 0 : this.#limits.sweepMs, () =>
        this.#sweep(),
      );
    });
  }

  /** How many waits ever began. */
  get begun(): number {
    return this.#begun;
  }

  /** How many are waited for. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Asks at once after each run that nobody promised to tell of. Resolves when all of that is answered. */
  async askNow(): Promise<void> {
    const untold = [...this.#waiting].filter(({ told }) => !told);
    await Promise.all(untold.map((waiting) => this.#ask(waiting)));
  }

  /** Whoever still waits gets `error`. */
  close(error: unknown): void {
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
    for (const waiting of this.#waiting) waiting.reject(error);
    this.#waiting.clear();
  }

  #settle(waiting: Waiting, ended: RunEnded): void {
    if (this.#waiting.delete(waiting)) waiting.resolve(ended);
  }

  #untold(waiting: Waiting): void {
    waiting.told = false;
    waiting.pauseMs = this.#limits.untoldAskMs;
    waiting.askAtMs = this.#clock.monotonicMs();
    this.#earliestMs = waiting.askAtMs;
  }

  #sweep(): void {
    this.#cancelSweep = undefined;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#earliestMs) this.#askAll(nowMs);
    if (this.#waiting.size > 0)
      this.#cancelSweep = this.#clock.after(this.#limits.sweepMs, () => this.#sweep());
  }

  #askAll(nowMs: number): void {
    this.#earliestMs = Number.POSITIVE_INFINITY;
    for (const waiting of this.#waiting) {
      if (waiting.asking !== undefined) continue;
      if (waiting.askAtMs > nowMs || this.#asking >= this.#limits.maxAsking) {
        this.#earliestMs = Math.min(this.#earliestMs, waiting.askAtMs);
      } else void this.#ask(waiting);
    }
  }

  #ask(waiting: Waiting): Promise<void> {
    waiting.asking ??= this.#askOnce(waiting);
    return waiting.asking;
  }

  /** Nobody answers, or the run may have been published and not begun yet. */
  #mayCome({ knownByMs }: Waiting, { code, pruned }: QueryFailedError): boolean {
    if (code === "UNAVAILABLE") return true;
    return code === "NOT_FOUND" && !pruned && this.#clock.monotonicMs() < knownByMs;
  }

  async #askOnce(waiting: Waiting): Promise<void> {
    this.#asking++;
    try {
      const view = await this.#queries.getRun(waiting.runId);
      const ended = endedOf(view);
      if (ended !== undefined) this.#settle(waiting, ended);
    } catch (error) {
      const comesBack = error instanceof QueryFailedError && this.#mayCome(waiting, error);
      if (!comesBack && this.#waiting.delete(waiting)) waiting.reject(error);
    }
    this.#asking--;
    waiting.asking = undefined;
    const { askMsMax, untoldAskMsMax } = this.#limits;
    waiting.pauseMs = Math.min(waiting.pauseMs * 2, waiting.told ? askMsMax : untoldAskMsMax);
    waiting.askAtMs = this.#clock.monotonicMs() + waiting.pauseMs;
    this.#earliestMs = Math.min(this.#earliestMs, waiting.askAtMs);
  }
}

/** How a run ended, from what its owner shows; undefined while it has not. */
export function endedOf(view: RunView): RunEnded | undefined {
  const { summary } = view;
  if (summary === undefined || !isRunTerminal(summary.status)) return undefined;
  // It goes on by itself, as its workflow's recovery policy has it.
  if (summary.recoverAt !== undefined) return undefined;
  return init(RunEndedSchema, {
    runId: summary.runId,
    status: summary.status,
    output: view.output,
    detail: summary.detail,
    failure: view.failure,
    tally: summary.tally,
    effect: summary.effect,
    usage: view.usage,
    retryableUntilNs: timestampNs(summary.retryableUntil),
  });
}

const timestampNs = (at: Timestamp | undefined): bigint =>
  at === undefined ? 0n : at.seconds * 1_000_000_000n + BigInt(at.nanos);
