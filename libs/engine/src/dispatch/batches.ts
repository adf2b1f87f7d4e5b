/**
 * Batches of tasks on their way to workers: put together, numbered, and sent again when a beat does not confirm them.
 *
 * 1. Numbers are dense for each (node, worker), so that a gap is a loss.
 * 2. A batch is bounded in tasks and, about, in bytes.
 */
import { type Task, TaskBatchSchema, WorkerInboxSchema } from "@holdfast/proto";
import { encode, init } from "@holdfast/proto/codec";
import type { EngineLimits } from "../partition/limits.js";
import type { Bus } from "../ports/bus.js";
import type { InFlight, Worker } from "./workers.js";

/** A batch that a beat sent this much later does not confirm is taken for lost. */
const CONFIRM_AFTER_MS = 1_000;

interface Outgoing {
  readonly tasks: Task[];
  readonly flights: InFlight[];
  bytes: number;
}

export class Batches {
  private readonly outgoing = new Map<Worker, Outgoing>();

  constructor(
    private readonly node: string,
    private readonly bus: Bus,
    private readonly limits: EngineLimits,
  ) {}

  add(worker: Worker, task: Task, flight: InFlight, nowMs: number): void {
    const bytes = sizeOf(task);
    let batch = this.outgoing.get(worker);
    const { tasksABatch, taskBatchBytes } = this.limits;
    if (batch !== undefined && (batch.tasks.length >= tasksABatch || batch.bytes + bytes > taskBatchBytes)) {
      this.send(worker, nowMs);
      batch = undefined;
    }
    if (batch === undefined) {
      batch = { tasks: [], flights: [], bytes: 0 };
      this.outgoing.set(worker, batch);
    }
    batch.tasks.push(task);
    batch.flights.push(flight);
    batch.bytes += bytes;
  }

  /** Sends what there is for a worker, if anything. */
  send(worker: Worker, nowMs: number): void {
    const batch = this.outgoing.get(worker);
    if (batch === undefined) return;
    this.outgoing.delete(worker);
    worker.lastBatch += 1;
    worker.unconfirmed.set(worker.lastBatch, nowMs);
    for (const flight of batch.flights) flight.batch = worker.lastBatch;
    this.publish(worker, worker.lastBatch, batch.tasks);
  }

  sendAll(nowMs: number): void {
    for (const worker of this.outgoing.keys()) this.send(worker, nowMs);
  }

  /** Takes in that batches up to `received` have arrived; the numbers of later ones that had time to arrive. */
  lost(worker: Worker, received: number, nowMs: number): number[] {
    const lost: number[] = [];
    for (const [batch, sentAtMs] of worker.unconfirmed) {
      if (batch <= received) worker.unconfirmed.delete(batch);
      else if (sentAtMs + CONFIRM_AFTER_MS < nowMs) lost.push(batch);
    }
    return lost;
  }

  /** Sends a batch again under its number, with those of its tasks that are still wanted, none included. */
  sendAgain(worker: Worker, batch: number, tasks: Task[], nowMs: number): void {
    worker.unconfirmed.set(batch, nowMs);
    this.publish(worker, batch, tasks);
  }

  private publish(worker: Worker, batch: number, tasks: Task[]): void {
    const value = init(TaskBatchSchema, { node: this.node, batch: BigInt(batch), tasks });
    const message = init(WorkerInboxSchema, { kind: { case: "tasks", value } });
    this.bus.publish(worker.inbox, encode(WorkerInboxSchema, message));
  }
}

/** About how many bytes a task is on the wire. */
function sizeOf(task: Task): number {
  let bytes = 200;
  for (const payload of [task.input, task.itemInput]) {
    if (payload?.body.case === "inline") bytes += payload.body.value.length;
  }
  for (const { payload } of task.upstream) {
    if (payload?.body.case === "inline") bytes += payload.body.value.length;
  }
  return bytes;
}
