/**
 * Who is taken for lost, and whose attempt for overdue: by time that this node could hear in, and by no other.
 *
 * 1. While this node is deaf nobody is judged. Once it hears again, everybody that was not heard meanwhile has a whole lease, once for each silence:
 *    a node that is deaf time and again still finds a dead worker.
 * 2. A worker that beats, but has not confirmed a batch for a lease, is deaf: what it was sent is given to others, unspent, and it gets nothing
 *    more until it confirms. If it has the tasks all the same, whose report comes first counts.
 * 3. A worker that is silent for a lease is lost, unless its connection stands: then it is blocked (`SilentWorkers`).
 * 4. An attempt is not called overdue within a lease of that: its worker may have its end on the way.
 */
import type { DueTask } from "@holdfast/core";
import type { Logger } from "@holdfast/telemetry";
import type { EngineLimits } from "../partition/limits.js";
import type { Processor } from "../partition/processor.js";
import type { Bus } from "../ports/bus.js";
import type { Flights } from "./flights.js";
import type { AvoidedWorkers } from "./avoided.js";
import type { Hearing } from "./hearing.js";
import type { Reaper } from "./reaper.js";
import { SilentWorkers } from "./silent-workers.js";
import type { InFlight, Worker, Workers } from "./workers.js";

/** How long a worker's last reports may take through the log after it said that it ends. */
const ENDED_GRACE_MS = 1_000;
/** A worker that has not confirmed a batch for so long is not there: it was sent an empty one at once, and beats every 2 s. */
const PROOF_MS = 5_000;

export interface LeasesDeps {
  readonly bus: Bus;
  readonly workers: Workers;
  readonly avoided: AvoidedWorkers;
  readonly inFlight: Flights;
  readonly hearing: Hearing;
  readonly reaper: Reaper;
  readonly logger: Logger;
  readonly limits: Pick<EngineLimits, "workerLeaseMs" | "blockedLeaseMs">;
  /** Frees a task's place at its worker. */
  readonly land: (flight: InFlight) => void;
  readonly requeue: (partition: Processor, task: DueTask) => void;
  /** Its worker was never there: whoever has room gets it. */
  readonly again: (flight: InFlight) => void;
}

export class Leases {
  private readonly silent: SilentWorkers;

  constructor(private readonly deps: LeasesDeps) {
    this.silent = new SilentWorkers({
      ...deps,
      lose: (worker, why) => {
        if (deps.workers.find(worker.id) === worker) this.lose(worker, why);
      },
    });
    deps.hearing.onRegained(() => this.beginAnew());
  }

  /** To be called now and then, with the time as heard. */
  look(nowMs: number): void {
    const { workers, inFlight, hearing, reaper, limits, land, again } = this.deps;
    if (hearing.isDeaf) return;
    for (const worker of workers.all) {
      // It said that it holds tasks, but listens nowhere: anybody could have said so.
      if (!worker.proven && worker.inFlight.size > 0 && nowMs - worker.sinceMs > PROOF_MS)
        for (const flight of [...worker.inFlight.values()]) again(flight);
    }
    for (const worker of workers.all) {
      const silentMs = nowMs - worker.lastHeardMs;
      if (worker.ended) {
        if (silentMs > ENDED_GRACE_MS) this.lose(worker, "it ended");
      } else if (silentMs > limits.workerLeaseMs) this.silent.look(worker, nowMs);
      else {
        worker.blocked = false;
        this.lookAtBatches(worker, nowMs);
      }
    }
    if (!this.isSettled) return;
    for (const flight of inFlight.values()) {
      if (flight.deadlineMs > nowMs || !flight.worker.proven) continue;
      land(flight);
      reaper.tookTooLong(flight);
    }
  }

  /** Workers that beat and do not confirm. */
  get deaf(): number {
    let count = 0;
    for (const worker of this.deps.workers.all) if (worker.deaf) count += 1;
    return count;
  }

  /** Workers that are silent while their connections stand. */
  get blocked(): number {
    let count = 0;
    for (const worker of this.deps.workers.all) if (worker.blocked) count += 1;
    return count;
  }

  private lookAtBatches(worker: Worker, nowMs: number): void {
    const { limits, logger, land, requeue } = this.deps;
    const [oldest] = worker.unconfirmed.values();
    if (oldest === undefined || nowMs - oldest.sinceMs <= limits.workerLeaseMs) return;
    const since = (batch: number): number => worker.unconfirmed.get(batch)?.sinceMs ?? nowMs;
    const back = [...worker.inFlight.values()].filter(
      ({ batch }) => nowMs - since(batch) > limits.workerLeaseMs,
    );
    if (!worker.deaf)
      logger.warn(
        "a worker beats, but does not confirm what it is sent: others get it, and it gets nothing until it confirms; look at what keeps its inbox from being read",
        { worker: worker.id, tasks: back.length, batches: worker.unconfirmed.size },
      );
    worker.deaf = true;
    for (const flight of back) {
      land(flight);
      requeue(flight.partition, flight.task);
    }
  }

  /** This node has heard for long enough to judge what others did meanwhile. */
  get isSettled(): boolean {
    const { hearing, limits } = this.deps;
    return hearing.heardFromTheStart || hearing.forMs >= limits.workerLeaseMs;
  }

  /** It said its last word. What it reported before that may still be on its way through the log. */
  ended(worker: Worker, nowMs: number): void {
    worker.ended = true;
    worker.draining = true;
    worker.lastHeardMs = nowMs;
    this.landed(worker);
  }

  /** One of a worker's places became free. */
  landed(worker: Worker): void {
    if (worker.ended && worker.inFlight.size === 0) this.lose(worker, "it ended");
  }

  private beginAnew(): void {
    const { workers, hearing } = this.deps;
    for (const worker of workers.all) {
      if (worker.excused) continue;
      worker.excused = true;
      worker.lastHeardMs = hearing.nowMs;
      for (const sent of worker.unconfirmed.values()) sent.sinceMs = hearing.nowMs;
    }
  }

  private lose(worker: Worker, why: string): void {
    const { workers, reaper, logger, land, again, avoided, hearing } = this.deps;
    worker.ended = false;
    const lost = [...worker.inFlight.values()];
    const fields = { worker: worker.id, why, tasks: lost.length };
    if (!worker.proven && lost.length === 0)
      logger.debug("a worker that never answered is forgotten", fields);
    else if (lost.length > 0) logger.warn("a worker is gone, and its tasks are lost", fields);
    else logger.info("a worker is gone", fields);
    workers.remove(worker);
    for (const flight of lost) {
      if (worker.proven) {
        land(flight);
        avoided.add(flight.task, worker.id, hearing.nowMs);
        reaper.lost(flight, why, hearing.nowMs);
      } else again(flight);
    }
  }
}
