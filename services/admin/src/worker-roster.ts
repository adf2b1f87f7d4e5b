/**
 * Which workers there are, by their beats. Only for people to look at: nothing is decided by it.
 */
import { type Bus, type BusSubscription, type Clock, WORKER_BEAT } from "@holdfast/engine";
import { type WorkerBeat, WorkerBeatSchema } from "@holdfast/proto";
import { decode } from "@holdfast/proto/codec";

/** A worker that was not heard of for this long is not listed. */
export const SILENT_MS_MAX = 10_000;
/** Workers remembered; the one heard of longest ago makes room. */
export const WORKERS_MAX = 10_000;

interface Heard {
  readonly beat: WorkerBeat;
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
    return [...this.#heard.values()]
      .map(({ beat }) => ({
        worker: beat.worker,
        queues: beat.queues.map(({ queue }) => queue).toSorted(),
        capacity: beat.queues.reduce((sum, { capacity }) => sum + capacity, 0),
        running: beat.running,
        draining: beat.draining,
      }))
      .toSorted((a, b) => (a.worker < b.worker ? -1 : 1));
  }

  #hear(beat: WorkerBeat): void {
    this.#heard.delete(beat.worker);
    if (beat.gone || beat.worker === "") return;
    this.#heard.set(beat.worker, { beat, atMs: this.#clock.monotonicMs() });
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
