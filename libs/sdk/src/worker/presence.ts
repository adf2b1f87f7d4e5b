/**
 * Says that a worker is there: what it can take, what has arrived, and when it goes. One beat for all its tasks.
 * It never runs a task and never decides what a node sends.
 */
import { type Bus, type BusSubscription, type Clock, ROLL_CALL, WORKER_BEAT } from "@holdfast/engine";
import { type TaskRef, WorkerBeatSchema } from "@holdfast/proto";
import { encode } from "@holdfast/proto/codec";
import type { BatchMarks } from "./batch-marks.js";
import type { Capacity } from "./capacity.js";
import type { WorkerLimits } from "./limits.js";

export interface PresenceDeps {
  readonly worker: string;
  readonly inbox: string;
  readonly queues: readonly string[];
  /** Those it has handlers for. */
  readonly workflows: readonly string[];
  readonly bus: Bus;
  readonly clock: Clock;
  readonly limits: WorkerLimits;
  readonly marks: BatchMarks;
  readonly capacity: Capacity;
  /** Tasks held, and reports made so far. */
  readonly counts: () => { readonly held: number; readonly reported: number };
  readonly refs: () => TaskRef[];
}

export class Presence {
  readonly #deps: PresenceDeps;
  readonly #subscriptions: BusSubscription[] = [];
  #draining = false;
  #ended = false;
  /** Something changed since the last beat that nodes should know early. */
  #unsaid = false;
  #lastBeatMs = Number.NEGATIVE_INFINITY;
  #cancelTick: (() => void) | undefined;

  constructor(deps: PresenceDeps) {
    this.#deps = deps;
  }

  start(): void {
    const { bus } = this.#deps;
    this.#subscriptions.push(
      bus.subscribe(ROLL_CALL, () => this.#beat({ tasks: this.#deps.refs(), rollCallAnswer: true })),
      // Nodes may have missed beats meanwhile, and it batches.
      bus.onReconnect(() => this.#beat()),
    );
    this.#beat();
    this.#tick();
  }

  /** Beats ahead of time, but not too often: something changed that nodes should know. */
  soon(): void {
    if (this.#deps.clock.monotonicMs() - this.#lastBeatMs >= this.#deps.limits.earlyBeatMs) this.#beat();
  }

  drain(): void {
    this.#draining = true;
    this.#beat();
  }

  /** The last word: what it still holds, if anything, will not be reported. */
  async gone(): Promise<void> {
    this.#beat({ gone: true });
    this.#ended = true;
    await this.#deps.bus.flush();
  }

  close(): void {
    this.#ended = true;
    this.#cancelTick?.();
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
  }

  #tick(): void {
    const { clock, limits, capacity, counts, marks } = this.#deps;
    const nowMs = clock.monotonicMs();
    if (capacity.update(counts().reported, nowMs)) this.#unsaid = true;
    if (this.#unsaid || marks.gap) this.soon();
    if (nowMs - this.#lastBeatMs >= limits.beatMs) this.#beat();
    this.#cancelTick = clock.after(limits.earlyBeatMs, () => this.#tick());
  }

  #beat(more: { tasks?: TaskRef[]; rollCallAnswer?: boolean; gone?: boolean } = {}): void {
    if (this.#ended) return;
    const { worker, inbox, queues, workflows, bus, clock, marks, capacity, counts } = this.#deps;
    this.#lastBeatMs = clock.monotonicMs();
    this.#unsaid = false;
    const data = encode(WorkerBeatSchema, {
      $typeName: "holdfast.v1.WorkerBeat",
      worker,
      inbox,
      queues: queues.map((queue) => ({
        $typeName: "holdfast.v1.QueueCapacity" as const,
        queue,
        capacity: this.#draining ? 0 : capacity.value,
      })),
      draining: this.#draining,
      received: marks.toProto(),
      running: counts().held,
      tasks: more.tasks ?? [],
      rollCallAnswer: more.rollCallAnswer ?? false,
      gone: more.gone ?? false,
      workflows: [...workflows],
    });
    bus.publish(WORKER_BEAT, data);
  }
}
