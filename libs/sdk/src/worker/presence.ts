/**
 * Says that a worker is there: what it can take, what has arrived, and when it goes. One beat for all its tasks.
 * It never runs a task and never decides what a node sends.
 */
import { hostname } from "node:os";
import { type Bus, type BusSubscription, type Clock, ROLL_CALL, WORKER_BEAT } from "@holdfast/engine";
import { type TaskRef, WorkerBeatSchema } from "@holdfast/proto";
import { encode } from "@holdfast/proto/codec";
import type { BatchMarks } from "./batch-marks.js";
import type { TellableFunctions } from "./functions.js";
import type { Capacity } from "./capacity.js";
import type { WorkerLimits } from "./limits.js";

/** With the longest names, so many fit into a message. */
const REFS_A_BEAT = 2_000;
/** Whoever asks more often than this is answered once. */
const ASKED_PAUSE_MS = 20;
/** A batch that does not come after so many early beats never will: whoever named a later one may have been anybody. */
const GAP_BEATS_MAX = 50;

export interface PresenceDeps {
  readonly worker: string;
  readonly inbox: string;
  readonly queues: readonly string[];
  /** Those it has handlers for. */
  readonly workflows: readonly string[];
  readonly functions: TellableFunctions;
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
  readonly #host = hostname();
  #draining = false;
  #ended = false;
  /** Something changed since the last beat that nodes should know early. */
  #unsaid = false;
  #asked = false;
  #lastBeatMs = Number.NEGATIVE_INFINITY;
  #askedMs = Number.NEGATIVE_INFINITY;
  /** Early beats since a batch was missed, while it has not come. */
  #gapBeats = 0;
  #cancelTick: (() => void) | undefined;

  constructor(deps: PresenceDeps) {
    this.#deps = deps;
  }

  start(): void {
    const { bus } = this.#deps;
    this.#subscriptions.push(
      bus.subscribe(ROLL_CALL, () => this.#answer()),
      // Nodes may have missed beats meanwhile, and it batches.
      bus.onReconnect(() => this.#beat()),
    );
    this.#beat({ functions: true });
    this.#tick();
  }

  /** A node asks for its functions. Many nodes may: they share an answer. */
  tellFunctions(): void {
    this.#asked = true;
    this.#unsaid = true;
    this.soon();
  }

  /** An empty batch asks whether it is there: it is said at once, or in a moment where it was just said. */
  isAsked(): void {
    const nowMs = this.#deps.clock.monotonicMs();
    this.#unsaid = true;
    if (nowMs - this.#askedMs < ASKED_PAUSE_MS) return;
    this.#askedMs = nowMs;
    this.#beat();
  }

  /** All that it holds, in as many beats as that takes. */
  #answer(): void {
    const refs = this.#deps.refs();
    const partial = refs.length > REFS_A_BEAT;
    for (let at = 0; at === 0 || at < refs.length; at += REFS_A_BEAT)
      this.#beat({
        tasks: refs.slice(at, at + REFS_A_BEAT),
        rollCallAnswer: true,
        functions: at === 0,
        partial,
      });
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
    if (!marks.gap) this.#gapBeats = 0;
    else if (this.#gapBeats++ < GAP_BEATS_MAX) this.soon();
    if (this.#unsaid) this.soon();
    if (nowMs - this.#lastBeatMs >= limits.beatMs) this.#beat();
    this.#cancelTick = clock.after(limits.earlyBeatMs, () => this.#tick());
  }

  #beat(
    more: {
      tasks?: TaskRef[];
      rollCallAnswer?: boolean;
      partial?: boolean;
      gone?: boolean;
      functions?: boolean;
    } = {},
  ): void {
    if (this.#ended) return;
    const tells = more.functions === true || this.#asked;
    this.#asked = false;
    const { worker, inbox, queues, workflows, functions, bus, clock, marks, capacity, counts } = this.#deps;
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
      partial: more.partial ?? false,
      gone: more.gone ?? false,
      workflows: [...workflows],
      host: this.#host,
      pid: process.pid,
      functionsDigest: functions.digest,
      functions: tells ? [...functions.told] : [],
    });
    bus.publish(WORKER_BEAT, data);
  }
}
