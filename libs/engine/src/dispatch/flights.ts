/** Tasks that workers have, of this node's partitions: each at one worker, counted where room is counted. */
import { type DueTask, taskKey } from "@holdfast/core";
import type { TaskRef } from "@holdfast/proto";
import type { Processor } from "../partition/processor.js";
import type { ReadyTasks } from "./ready-tasks.js";
import type { InFlight, Worker } from "./workers.js";

export class Flights {
  private readonly byKey = new Map<string, InFlight>();

  constructor(private readonly ready: ReadyTasks) {}

  get size(): number {
    return this.byKey.size;
  }

  has(key: string): boolean {
    return this.byKey.has(key);
  }

  get(key: string): InFlight | undefined {
    return this.byKey.get(key);
  }

  values(): Iterable<InFlight> {
    return this.byKey.values();
  }

  takeOff(flight: InFlight): void {
    const { worker, task } = flight;
    this.byKey.set(flight.key, flight);
    worker.inFlight.set(flight.key, flight);
    worker.used.set(task.queue, (worker.used.get(task.queue) ?? 0) + 1);
    this.ready.load(flight.partition).inFlight += 1;
  }

  /** Its place at the worker is free. */
  land(flight: InFlight): void {
    const { worker, task } = flight;
    this.byKey.delete(flight.key);
    worker.inFlight.delete(flight.key);
    worker.used.set(task.queue, (worker.used.get(task.queue) ?? 1) - 1);
    this.ready.load(flight.partition).inFlight -= 1;
  }
}

export interface Adoption {
  readonly ref: TaskRef;
  readonly info: NonNullable<ReturnType<Processor["taskInfo"]>>;
  readonly partition: Processor;
  readonly worker: Worker;
  readonly nowMs: number;
  readonly deadlineMs: number;
}

/** A task that a worker has from before this node was the owner. */
export function adopted({ ref, info, partition, worker, nowMs, deadlineMs }: Adoption): InFlight {
  const { runId, action, attempt } = ref;
  const item = ref.item ?? -1;
  const { queue, startToCloseMs, workflow } = info;
  const of = { runId, action, item, attempt, workflow, queue };
  const task: DueTask = { ...of, priority: 0, startToCloseMs, sinceNs: 0n };
  const key = taskKey(runId, action, item, attempt);
  return { key, partition, task, worker, batch: 0, sentAtMs: nowMs, deadlineMs };
}
