/**
 * How many tasks a worker asks for, for each queue: enough that it never waits for the next one, and no more.
 *
 * With handlers that take long, its concurrency: a task that waited here would use up its time. With quick ones also what it gets done
 * while a batch is on its way, else the way there and back would bound its speed.
 */
import type { WorkerLimits } from "./limits.js";

/** A change of less than this part is not worth a beat. */
const WORTH_SAYING = 0.25;
const MS_PER_S = 1_000;

export class Capacity {
  readonly #least: number;
  readonly #limits: WorkerLimits;
  readonly #fixed: number | undefined;
  #now: number;
  #lastReported = 0;
  #lastMs: number;

  constructor(options: {
    concurrency: number;
    fixed: number | undefined;
    limits: WorkerLimits;
    nowMs: number;
  }) {
    this.#limits = options.limits;
    this.#fixed = options.fixed;
    this.#least = Math.min(options.concurrency, options.limits.maxCapacity);
    this.#now = options.fixed ?? this.#least;
    this.#lastMs = options.nowMs;
  }

  get value(): number {
    return this.#now;
  }

  /** True where it changed by so much that nodes should know at once. `reported`: all reports since the start. */
  update(reported: number, nowMs: number): boolean {
    const elapsedMs = nowMs - this.#lastMs;
    const perSecond = elapsedMs <= 0 ? 0 : ((reported - this.#lastReported) * MS_PER_S) / elapsedMs;
    this.#lastReported = reported;
    this.#lastMs = nowMs;
    if (this.#fixed !== undefined) return false;
    const lookAhead = Math.ceil((perSecond * this.#limits.lookAheadMs) / MS_PER_S);
    const wanted = Math.min(this.#limits.maxCapacity, this.#least + lookAhead);
    if (Math.abs(wanted - this.#now) < this.#now * WORTH_SAYING) return false;
    this.#now = wanted;
    return true;
  }
}
