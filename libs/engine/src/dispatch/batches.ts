/**
 * Batches of tasks on their way to workers: put together, numbered, and sent again when a beat does not confirm them.
 *
 * 1. Numbers are dense for each (node, worker), so that a gap is a loss.
 * 2. A batch is bounded in tasks and, about, in bytes.
 */
import type { FoldEffect } from "@holdfast/core";
import {
  type Task,
  TaskBatchSchema,
  TaskCancelSchema,
  TellFunctionsSchema,
  WorkerInboxSchema,
} from "@holdfast/proto";
import { encode, init } from "@holdfast/proto/codec";
import type { EngineLimits } from "../partition/limits.js";
import type { Bus } from "../ports/bus.js";
import type { InFlight, Worker } from "./workers.js";

/** A batch that a beat sent this much later does not confirm is taken for lost. */
const CONFIRM_AFTER_MS = 1_000;
/** Attempts that one message cancels: with the longest names they stay well below a message's limit. */
const CANCELLED_A_MESSAGE = 2_000;

/** It is sent again ever later, up to this. */
const CONFIRM_AFTER_MS_MAX = 8_000;

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
    flight.actionName = task.actionName;
    batch.bytes += bytes;
  }

  /** Sends what there is for a worker, if anything. */
  send(worker: Worker, nowMs: number): void {
    const batch = this.outgoing.get(worker);
    if (batch === undefined) return;
    this.outgoing.delete(worker);
    const number = this.number(worker, nowMs);
    for (const flight of batch.flights) flight.batch = number;
    this.publish(worker, number, batch.tasks);
  }

  private number(worker: Worker, nowMs: number): number {
    worker.lastBatch += 1;
    worker.unconfirmed.set(worker.lastBatch, { sinceMs: nowMs, lastMs: nowMs, times: 0 });
    return worker.lastBatch;
  }

  sendAll(nowMs: number): void {
    for (const worker of this.outgoing.keys()) this.send(worker, nowMs);
  }

  /**
   * Whether the worker proves itself just now, by confirming a batch that it was sent here. One that has not been sent any gets an empty one, which
   * is sent again as others are.
   */
  hasAnswered(worker: Worker, received: number, nowMs: number): boolean {
    if (worker.proven) return false;
    if (received > worker.firstBatch && received <= worker.lastBatch) return true;
    if (worker.lastBatch === worker.firstBatch) this.publish(worker, this.number(worker, nowMs), []);
    return false;
  }

  /**
   * Takes in that batches up to `received` have arrived; the numbers of later ones that had time to arrive. Of a worker that is deaf the first
   * alone: it is how it shows that it hears again.
   */
  lost(worker: Worker, received: number, nowMs: number): number[] {
    // It has seen numbers that were never used here: they are left out.
    if (received > worker.lastBatch) worker.lastBatch = received;
    const lost: number[] = [];
    for (const [batch, { lastMs, times }] of worker.unconfirmed) {
      if (batch <= received) {
        worker.unconfirmed.delete(batch);
        if (worker.deaf) hearsAgain(worker, nowMs);
        continue;
      }
      if (nowMs - lastMs > Math.min(CONFIRM_AFTER_MS * 2 ** times, CONFIRM_AFTER_MS_MAX)) lost.push(batch);
      if (worker.deaf) break;
    }
    const next = worker.unconfirmed.keys().next().value ?? worker.lastBatch + 1;
    return next > received + 1 ? this.renumber(worker, received, nowMs) : lost;
  }

  /** The worker waits for numbers that will never come: what is not confirmed goes on from what it has. All of it is sent again. */
  private renumber(worker: Worker, received: number, nowMs: number): number[] {
    const renamed = new Map<number, number>();
    worker.lastBatch = received;
    for (const before of worker.unconfirmed.keys()) renamed.set(before, ++worker.lastBatch);
    worker.unconfirmed.clear();
    for (const number of renamed.values())
      worker.unconfirmed.set(number, { sinceMs: nowMs, lastMs: nowMs, times: 0 });
    for (const flight of worker.inFlight.values()) flight.batch = renamed.get(flight.batch) ?? 0;
    return [...renamed.values()];
  }

  /** Tells workers of attempts that are over; they ignore those that they do not have. */
  cancel(
    workers: Iterable<Worker>,
    { tasks, reason, graceMs }: Extract<FoldEffect, { kind: "cancel-tasks" }>,
  ): void {
    const told = [...workers].filter(({ proven, inFlight }) => proven || inFlight.size > 0);
    for (let at = 0; at < tasks.length; at += CANCELLED_A_MESSAGE) {
      const some = tasks.slice(at, at + CANCELLED_A_MESSAGE);
      const value = init(TaskCancelSchema, { tasks: some, reason, graceMs });
      const message = encode(WorkerInboxSchema, init(WorkerInboxSchema, { kind: { case: "cancel", value } }));
      for (const { inbox } of told) this.bus.publish(inbox, message);
    }
  }

  /** Has a worker tell its functions. */
  askFunctions(worker: Worker): void {
    const value = init(TellFunctionsSchema, { node: this.node });
    const message = init(WorkerInboxSchema, { kind: { case: "tellFunctions", value } });
    this.bus.publish(worker.inbox, encode(WorkerInboxSchema, message));
  }

  /** Sends a batch again under its number, with those of its tasks that are still wanted, none included. */
  sendAgain(worker: Worker, batch: number, tasks: Task[], nowMs: number): void {
    const sent = worker.unconfirmed.get(batch);
    if (sent !== undefined) {
      sent.lastMs = nowMs;
      sent.times += 1;
    }
    this.publish(worker, batch, tasks);
  }

  private publish(worker: Worker, batch: number, tasks: Task[]): void {
    const value = init(TaskBatchSchema, { node: this.node, batch: BigInt(batch), tasks });
    const message = init(WorkerInboxSchema, { kind: { case: "tasks", value } });
    this.bus.publish(worker.inbox, encode(WorkerInboxSchema, message));
  }
}

/** What it has not confirmed yet has its time anew, to arrive in order. */
function hearsAgain(worker: Worker, nowMs: number): void {
  worker.deaf = false;
  for (const sent of worker.unconfirmed.values()) {
    sent.sinceMs = nowMs;
    sent.times = 0;
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
