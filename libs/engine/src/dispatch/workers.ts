/**
 * What this node knows of workers: their capacity, what they were sent, and when they were last heard.
 *
 * 1. A worker never has more tasks of a queue from this node than it said it takes, and none of a workflow it has no handlers for.
 * 2. Batches to a worker are numbered densely; what it did not receive is sent again under the same number.
 */
import type { DueTask } from "@holdfast/core";
import type { WorkerBeat } from "@holdfast/proto";
import type { Processor } from "../partition/processor.js";

export const WORKERS_MAX = 10_000;
export const QUEUES_A_WORKER_MAX = 256;
export const WORKFLOWS_A_WORKER_MAX = 10_000;

export interface InFlight {
  readonly key: string;
  readonly partition: Processor;
  readonly task: DueTask;
  readonly worker: Worker;
  /** 0: not sent yet, or learnt from a roll call. */
  batch: number;
  readonly sentAtMs: number;
  readonly deadlineMs: number;
}

export interface Worker {
  readonly id: string;
  inbox: string;
  draining: boolean;
  /** It said that it is gone. */
  ended: boolean;
  lastHeardMs: number;
  lastBatch: number;
  running: number;
  /** Workflows it has handlers for; undefined: any. */
  workflows: ReadonlySet<string> | undefined;
  readonly capacity: Map<string, number>;
  /** Tasks in flight of each queue. */
  readonly used: Map<string, number>;
  readonly inFlight: Map<string, InFlight>;
  /** Batches that no beat has confirmed, with when they were sent. */
  readonly unconfirmed: Map<number, number>;
}

export class Workers {
  private readonly byId = new Map<string, Worker>();
  private byQueue = new Map<string, Worker[]>();

  get all(): Iterable<Worker> {
    return this.byId.values();
  }

  get count(): number {
    return this.byId.size;
  }

  find(id: string): Worker | undefined {
    return this.byId.get(id);
  }

  /** Takes a beat in, with the last batch it has from this node; undefined where there are too many workers already. */
  heard(beat: WorkerBeat, received: number, nowMs: number): Worker | undefined {
    let worker = this.byId.get(beat.worker);
    if (worker === undefined) {
      if (this.byId.size >= WORKERS_MAX) return undefined;
      worker = {
        id: beat.worker,
        inbox: beat.inbox,
        draining: false,
        ended: false,
        lastHeardMs: nowMs,
        // One that was taken for lost goes on where it was: a number is never used twice.
        lastBatch: received,
        running: 0,
        workflows: undefined,
        capacity: new Map(),
        used: new Map(),
        inFlight: new Map(),
        unconfirmed: new Map(),
      };
      this.byId.set(worker.id, worker);
      this.index();
    }
    worker.inbox = beat.inbox;
    worker.draining = beat.draining;
    worker.lastHeardMs = nowMs;
    worker.running = beat.running;
    worker.workflows =
      beat.workflows.length === 0 ? undefined : new Set(beat.workflows.slice(0, WORKFLOWS_A_WORKER_MAX));
    const queues = beat.queues.slice(0, QUEUES_A_WORKER_MAX);
    const same =
      queues.length === worker.capacity.size && queues.every(({ queue }) => worker.capacity.has(queue));
    if (!same) worker.capacity.clear();
    for (const { queue, capacity } of queues) worker.capacity.set(queue, capacity);
    if (!same) this.index();
    return worker;
  }

  remove(worker: Worker): void {
    this.byId.delete(worker.id);
    this.index();
  }

  serving(queue: string): readonly Worker[] {
    return this.byQueue.get(queue) ?? [];
  }

  /** How many more tasks of a queue the worker takes. */
  room(worker: Worker, queue: string): number {
    if (worker.draining) return 0;
    return (worker.capacity.get(queue) ?? 0) - (worker.used.get(queue) ?? 0);
  }

  private index(): void {
    this.byQueue = new Map();
    for (const worker of this.byId.values()) {
      for (const queue of worker.capacity.keys()) {
        const list = this.byQueue.get(queue);
        if (list === undefined) this.byQueue.set(queue, [worker]);
        else list.push(worker);
      }
    }
  }
}
