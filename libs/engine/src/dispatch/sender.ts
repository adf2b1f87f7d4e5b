/**
 * Sends due tasks to workers, and again what did not reach them.
 *
 * 1. A flight stands for a task that a worker has, or will have: what is not sent after all lands at once, and is found in state again.
 */
import type { DueTask } from "@holdfast/core";
import type { Task } from "@holdfast/proto";
import type { Logger } from "@holdfast/telemetry";
import type { EngineLimits } from "../partition/limits.js";
import { type Functions, Needed } from "../partition/needed.js";
import type { Processor } from "../partition/processor.js";
import type { Clock } from "../ports/clock.js";
import { PortError } from "../ports/errors.js";
import type { Batches } from "./batches.js";
import type { Flights } from "./flights.js";
import type { Hearing } from "./hearing.js";
import type { Reaper } from "./reaper.js";
import type { ReadyTask } from "./ready-tasks.js";
import type { InFlight, Worker } from "./workers.js";

const COMPOSE_RETRY_MS = 200;

export interface SenderDeps {
  readonly clock: Clock;
  readonly hearing: Hearing;
  readonly logger: Logger;
  readonly limits: Pick<EngineLimits, "timeoutGraceMs">;
  readonly batches: Batches;
  readonly inFlight: Flights;
  readonly reaper: Reaper;
  /** Frees a task's place at its worker. */
  readonly land: (flight: InFlight) => void;
  /** Makes a task ready again; where there is no room, it is found in state later. */
  readonly requeue: (partition: Processor, task: DueTask) => void;
}

export class Sender {
  constructor(private readonly deps: SenderDeps) {}

  /** What the worker lacks for it, if anything: then it is not sent. */
  send(worker: Worker, ready: ReadyTask): Needed | undefined {
    const { hearing, limits, inFlight, batches } = this.deps;
    const made = this.compose(ready.partition, ready, worker.functions);
    if (made === undefined) return undefined;
    if (made instanceof Needed) return made;
    const nowMs = hearing.nowMs;
    const flight: InFlight = {
      key: ready.key,
      partition: ready.partition,
      task: ready,
      worker,
      batch: 0,
      actionName: "",
      sentAtMs: nowMs,
      deadlineMs: nowMs + ready.startToCloseMs + limits.timeoutGraceMs,
    };
    inFlight.takeOff(flight);
    if (!(made instanceof Promise)) {
      batches.add(worker, made, flight, nowMs);
      return undefined;
    }
    void this.sendMade(worker, made, flight);
    return undefined;
  }

  /** Sends a batch again that got lost. What of it is not to be sent now, be it paused or held or others' by now, does not stay in flight. */
  sendAgain(worker: Worker, batch: number, nowMs: number): void {
    const { batches, land, logger, requeue } = this.deps;
    const tasks: Task[] = [];
    for (const flight of worker.inFlight.values()) {
      if (flight.batch !== batch) continue;
      const made = this.compose(flight.partition, flight.task);
      if (made !== undefined && !(made instanceof Promise) && !(made instanceof Needed)) {
        tasks.push(made);
        continue;
      }
      land(flight);
      if (made === undefined || made instanceof Needed) continue;
      // Too costly to gather on a doubt: the attempt starts over at whoever has room.
      made.catch(() => undefined);
      requeue(flight.partition, flight.task);
    }
    logger.warn("a batch of tasks did not reach its worker and is sent again", {
      worker: worker.id,
      batch,
      tasks: tasks.length,
    });
    batches.sendAgain(worker, batch, tasks, nowMs);
  }

  /** One that can't be made touches no other: it is tried again later. */
  private compose(
    partition: Processor,
    task: DueTask,
    functions?: Functions,
  ): Task | Needed | undefined | Promise<Task> {
    try {
      return partition.compose(task, functions);
    } catch (error) {
      this.tryLater(partition, task, error);
      return undefined;
    }
  }

  /** Sends a task that takes a while to make, unless its attempt is over by then. */
  private async sendMade(worker: Worker, made: Promise<Task>, flight: InFlight): Promise<void> {
    const { batches, hearing, inFlight, land, reaper } = this.deps;
    try {
      const task = await made;
      if (inFlight.get(flight.key) !== flight) return;
      const nowMs = hearing.nowMs;
      batches.add(worker, task, flight, nowMs);
      batches.send(worker, nowMs);
    } catch (error) {
      if (inFlight.get(flight.key) !== flight) return;
      if (error instanceof PortError && error.retry === "never" && error.code !== "closed") {
        reaper.neverMade(flight, error);
        return;
      }
      land(flight);
      this.tryLater(flight.partition, flight.task, error);
    }
  }

  private tryLater(partition: Processor, task: DueTask, err: unknown): void {
    const { clock, logger, requeue } = this.deps;
    const { runId: run, action } = task;
    logger.warn("a task could not be made; it is tried again", { run, action: String(action), err });
    clock.after(COMPOSE_RETRY_MS, () => requeue(partition, task));
  }
}
