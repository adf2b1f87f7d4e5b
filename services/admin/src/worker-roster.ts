/**
 * Which workers there are, by their beats. Only for people to look at: nothing is decided by it.
 */
import { isName, isWorkerId } from "@holdfast/core";
import { type Bus, type BusSubscription, type Clock, WORKER_BEAT } from "@holdfast/engine";
import { type WorkerBeat, WorkerBeatSchema } from "@holdfast/proto";
import { decode } from "@holdfast/proto/codec";

/** A worker that was not heard of for this long is not listed. */
export const SILENT_MS_MAX = 10_000;
/** Workers remembered; the one heard of longest ago makes room. */
export const WORKERS_MAX = 10_000;

/** Of one worker: anybody may publish a beat, and what is kept of each is bounded. */
const QUEUES_SHOWN = 64;
const UINT32_MAX = 0xffff_ffff;

interface Heard {
  readonly queues: readonly string[];
  readonly capacity: number;
  readonly running: number;
  readonly draining: boolean;
  readonly atMs: number;
}

export class WorkerRoster {
  readonly #clock: Clock;
  readonly #subscription: BusSubscription;
  /** In the order in which they were last heard of. */
  readonly #heard = new Map<string, Heard>();

  constructor(bus: Bus, clock: Clock) {
    this.#clock = clock;
    this.#subscription = bus.subscribe(WORKER_BEAT, ({ data }) =>
      this.#hear(decode(WorkerBeatSchema, data.slice())),
    );
  }

  close(): void {
    this.#subscription.unsubscribe();
  }

  /** By name. Capacity is the sum over the worker's queues. */
  workers() {
    this.#forgetSilent();
    return [...this.#heard]
      .map(([worker, { queues, capacity, running, draining }]) => ({
        worker,
        queues: [...queues],
        capacity,
        running,
        draining,
      }))
      .toSorted((a, b) => (a.worker < b.worker ? -1 : 1));
  }

  #hear(beat: WorkerBeat): void {
    if (!isWorkerId(beat.worker)) return;
    this.#heard.delete(beat.worker);
    if (beat.gone) return;
    const queues = beat.queues.filter(({ queue }) => isName(queue));
    this.#heard.set(beat.worker, {
      queues: queues
        .slice(0, QUEUES_SHOWN)
        .map(({ queue }) => queue)
        .toSorted(),
      capacity: Math.min(
        queues.reduce((sum, { capacity }) => sum + capacity, 0),
        UINT32_MAX,
      ),
      running: beat.running,
      draining: beat.draining,
      atMs: this.#clock.monotonicMs(),
    });
    if (this.#heard.size > WORKERS_MAX) {
      const [longestAgo] = this.#heard.keys();
      if (longestAgo !== undefined) this.#heard.delete(longestAgo);
    }
  }

  #forgetSilent(): void {
    const since = this.#clock.monotonicMs() - SILENT_MS_MAX;
    for (const [worker, { atMs }] of this.#heard) {
      if (atMs >= since) return;
      this.#heard.delete(worker);
    }
  }
}
