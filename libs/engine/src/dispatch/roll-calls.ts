/**
 * What workers say that they hold, when all of them are asked: before this node dispatches, and again for as long as old tasks are in flight.
 *
 * 1. What an answer names is in flight at its worker, whoever sent it. Nothing of that is believed for good: anybody may publish an answer.
 * 2. What a worker does not name, and the log up to then has not ended, that worker does not have: it was lost on the way, or never was there. It is
 *    ready again, as the same attempt: who has it after all reports it, and a report counts once.
 */
import { taskKey } from "@holdfast/core";
import { RollCallSchema, type TaskRef } from "@holdfast/proto";
import { encode, init } from "@holdfast/proto/codec";
import type { EngineLimits } from "../partition/limits.js";
import type { Processor } from "../partition/processor.js";
import type { Bus } from "../ports/bus.js";
import type { Guard } from "../ports/guard.js";
import { ROLL_CALL } from "../subjects.js";
import type { Flights } from "./flights.js";
import type { ReadyTasks } from "./ready-tasks.js";
import type { InFlight, Worker } from "./workers.js";

/** The least pause between two roll calls. */
const PAUSE_MS = 250;
/** Old tasks in flight are asked for so often. */
const AUDIT_MS = 10_000;
/** What was sent within this time may still be on its way, or its report. */
const ON_ITS_WAY_MS = 5_000;
/** Left of an attempt's time when it is first heard of, at least. */
const LEFT_MS_MIN = 2_000;
/** How long a partition may take to fold what its log holds. */
const FOLDED_MS_MAX = 30_000;

export interface RollCallsDeps {
  readonly node: string;
  readonly bus: Bus;
  readonly guard: Guard;
  readonly limits: Pick<EngineLimits, "timeoutGraceMs">;
  readonly partitionOf: (runId: string) => Processor | undefined;
  readonly inFlight: Flights;
  readonly ready: ReadyTasks;
  /** Its worker does not have it. */
  readonly again: (flight: InFlight) => void;
}

export class RollCalls {
  private readonly call: Uint8Array;
  private readonly settling = new Set<Worker>();
  private askedMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly deps: RollCallsDeps) {
    this.call = encode(RollCallSchema, init(RollCallSchema, { node: deps.node }));
  }

  /** Unless they were asked just now. `nowMs`: as heard, as all times here. */
  ask(nowMs: number): void {
    if (nowMs - this.askedMs < PAUSE_MS) return;
    this.askedMs = nowMs;
    this.deps.bus.publish(ROLL_CALL, this.call);
  }

  /** To be called now and then. */
  look(nowMs: number): void {
    if (nowMs - this.askedMs < AUDIT_MS) return;
    const oldest = this.deps.inFlight.oldest;
    if (oldest !== undefined && nowMs - oldest.sentAtMs >= AUDIT_MS) this.ask(nowMs);
  }

  /** `whole`: it names all that the worker has. */
  answered(worker: Worker, refs: readonly TaskRef[], whole: boolean, nowMs: number): void {
    const named = new Set<string>();
    for (const ref of refs) {
      named.add(taskKey(ref.runId, ref.action, ref.item ?? -1, ref.attempt));
      this.adopt(worker, ref, nowMs);
    }
    if (!whole || this.settling.has(worker)) return;
    const missing = [...worker.inFlight.values()].filter(
      (flight) => !named.has(flight.key) && !isOnItsWay(worker, flight, nowMs),
    );
    if (missing.length === 0) return;
    this.settling.add(worker);
    const settled = this.settle(missing).finally(() => this.settling.delete(worker));
    this.deps.guard.settle("answer", "a roll call", settled);
  }

  /** A task that the worker has from before: it is in flight, whoever sent it. */
  private adopt(worker: Worker, ref: TaskRef, nowMs: number): void {
    const { inFlight, ready, limits } = this.deps;
    const partition = this.deps.partitionOf(ref.runId);
    const task = partition?.taskOf(ref);
    // Of one that is over, or that others see to, nothing is kept.
    if (partition === undefined || task === undefined) return;
    const key = taskKey(task.runId, task.action, task.item, task.attempt);
    if (inFlight.has(key)) return;
    ready.remove(key);
    // What it has run already counts: a new owner begins no time anew. But what an answer alone says ends nothing at once.
    const leftMs = task.startToCloseMs + limits.timeoutGraceMs - ref.runningMs;
    const deadlineMs = nowMs + Math.max(leftMs, LEFT_MS_MIN);
    inFlight.takeOff({ key, partition, task, worker, batch: 0, actionName: "", sentAtMs: nowMs, deadlineMs });
  }

  private async settle(missing: readonly InFlight[]): Promise<void> {
    for (const partition of new Set(missing.map((flight) => flight.partition))) {
      if (!(await partition.foldedToEnd(FOLDED_MS_MAX))) continue;
      for (const flight of missing) {
        if (flight.partition !== partition || this.deps.inFlight.get(flight.key) !== flight) continue;
        this.deps.guard.logger.warn("a task in flight is not at its worker and is given out again", {
          run: flight.task.runId,
          action: String(flight.task.action),
          attempt: flight.task.attempt,
          worker: flight.worker.id,
        });
        this.deps.again(flight);
      }
    }
  }
}

function isOnItsWay(worker: Worker, flight: InFlight, nowMs: number): boolean {
  const sentAtMs = Math.max(flight.sentAtMs, worker.unconfirmed.get(flight.batch)?.lastMs ?? 0);
  return nowMs - sentAtMs < ON_ITS_WAY_MS;
}
