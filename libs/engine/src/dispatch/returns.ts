/**
 * Attempts that workers give back: they go on at somebody else, with nothing spent.
 *
 * 1. A worker that had no function for a task is given no more of its like.
 * 2. What came back for another reason waits a while: whoever has it next may meet the same.
 */
import { type DueTask, type FoldEffect, taskKey } from "@holdfast/core";
import { TaskRefSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { Logger, MetricsRegistry } from "@holdfast/telemetry";
import { Needed, NO_FUNCTIONS } from "../partition/needed.js";
import type { Processor } from "../partition/processor.js";
import type { Clock } from "../ports/clock.js";
import type { Flights } from "./flights.js";
import type { InFlight, Workers } from "./workers.js";

const AGAIN_MS = 1_000;

export interface ReturnsDeps {
  readonly workers: Workers;
  readonly inFlight: Flights;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: MetricsRegistry;
  readonly land: (flight: InFlight) => void;
  readonly requeue: (partition: Processor, task: DueTask) => void;
}

export class Returns {
  private readonly counted: (reason: string) => { inc(by?: number): void };

  constructor(private readonly deps: ReturnsDeps) {
    const counter = deps.registry.counter({
      name: "holdfast_returned_tasks_total",
      help: "Attempts that workers gave back, unspent, by reason; where it grows, workers stop often, or lack the function",
      labels: ["reason"],
    });
    this.counted = (reason) => counter.labels(reason);
  }

  take(partition: Processor, effect: Extract<FoldEffect, { kind: "returned" }>): void {
    const { workers, inFlight, clock, logger, land, requeue } = this.deps;
    const { runId, action, item, attempt, worker: by, reason, noFunction } = effect;
    const flight = inFlight.get(taskKey(runId, action, item, attempt));
    const worker = workers.find(by) ?? flight?.worker;
    // Another has it by now.
    if (flight !== undefined && flight.worker !== worker) return;
    this.counted(noFunction ? "no_function" : "other").inc();
    logger.warn("a worker gave an attempt back; nothing of it is spent", {
      run: runId,
      action: String(action),
      item: item < 0 ? undefined : item,
      attempt,
      worker: by,
      why: reason,
    });
    const ref = init(TaskRefSchema, { runId, action, item: item < 0 ? undefined : item, attempt });
    const task = flight?.task ?? partition.taskOf(ref);
    if (flight !== undefined) land(flight);
    if (task === undefined) return;
    const needed = noFunction ? partition.compose(task, NO_FUNCTIONS) : undefined;
    if (worker !== undefined && needed instanceof Needed && workers.lacks(worker, needed))
      requeue(partition, task);
    else clock.after(AGAIN_MS, () => requeue(partition, task));
  }
}
