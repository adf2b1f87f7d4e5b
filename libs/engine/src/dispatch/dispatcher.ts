/**
 * Gives due tasks of this node's partitions to workers that have room for them.
 *
 * 1. A task is in one place: ready, or in flight at one worker. Offering it again changes nothing.
 * 2. What is here can be lost without harm: it is derived from state again.
 * 3. A worker that falls silent, or an attempt that outlives its time-out, is reported as a failed attempt through the log.
 */
import { type DueTask, type FoldEffect, taskKey } from "@holdfast/core";
import {
  RollCallSchema,
  type Task,
  TaskCancelSchema,
  type TaskRef,
  TaskRefSchema,
  type WorkerBeat,
  WorkerBeatSchema,
  WorkerInboxSchema,
} from "@holdfast/proto";
import { decode, encode, init } from "@holdfast/proto/codec";
import type { Logger, MetricsRegistry } from "@holdfast/telemetry";
import type { EngineLimits } from "../partition/limits.js";
import type { TaskSink } from "../partition/deps.js";
import type { Processor } from "../partition/processor.js";
import type { Bus, BusSubscription } from "../ports/bus.js";
import type { Clock } from "../ports/clock.js";
import { PortError } from "../ports/errors.js";
import { ROLL_CALL, WORKER_BEAT } from "../subjects.js";
import { Batches } from "./batches.js";
import { adopted, Flights } from "./flights.js";
import type { ReadyQueue } from "./ready-queue.js";
import { Reaper, servingText } from "./reaper.js";
import { type PartitionLoad, type ReadyTask, ReadyTasks } from "./ready-tasks.js";
import { StuckWatch } from "./stuck-watch.js";
import { type InFlight, type Worker, Workers } from "./workers.js";

const SWEEP_MS = 250;
const COMPOSE_RETRY_MS = 200;
/** How long a worker's last reports may take through the log after it said that it ends. */
const ENDED_GRACE_MS = 1_000;
/** Due tasks that found no room are looked up again at least this often. */
const ROOM_AGAIN_MS = 1_000;

export interface DispatcherDeps {
  readonly node: string;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: MetricsRegistry;
  readonly limits: EngineLimits;
  /** The partition of a run, if this node has it. */
  readonly partitionOf: (runId: string) => Processor | undefined;
}

export class Dispatcher implements TaskSink {
  private readonly workers = new Workers();
  private readonly ready: ReadyTasks;
  private readonly inFlight: Flights;
  private readonly subscriptions: BusSubscription[] = [];
  private readonly batches: Batches;
  private readonly reaper: Reaper;
  private readonly stuck: StuckWatch;
  private cancelSweep: (() => void) | undefined;
  private roomGivenMs = 0;
  private pumpPlanned = false;
  private open = false;
  private stopped = false;

  constructor(private readonly deps: DispatcherDeps) {
    this.batches = new Batches(deps.node, deps.bus, deps.limits);
    this.ready = new ReadyTasks(deps.limits.readyTasksMax);
    this.inFlight = new Flights(this.ready);
    this.reaper = new Reaper(deps.logger, deps.registry);
    this.ready.nowMs = deps.clock.monotonicMs();
    this.stuck = new StuckWatch(this.ready, deps, (queue, workflow) => this.serving(queue, workflow));
  }

  /** Hears workers, asks them what they run, and begins to dispatch once they had time to answer. */
  async start(): Promise<void> {
    const { bus, clock, limits, node } = this.deps;
    this.subscriptions.push(
      bus.subscribe(WORKER_BEAT, (message) => this.onBeat(message.data)),
      // Cut off, this node heard no beats: leases begin anew.
      bus.onReconnect(() => {
        for (const worker of this.workers.all) worker.lastHeardMs = clock.monotonicMs();
      }),
    );
    await bus.flush();
    bus.publish(ROLL_CALL, encode(RollCallSchema, init(RollCallSchema, { node })));
    await new Promise<void>((resolve) => clock.after(limits.rollCallMs, resolve));
    this.open = true;
    this.planSweep();
    this.planPump();
  }

  stop(): void {
    this.stopped = true;
    this.cancelSweep?.();
    for (const subscription of this.subscriptions) subscription.unsubscribe();
  }

  loadOf(partition: Processor): Readonly<PartitionLoad> {
    return this.ready.load(partition);
  }

  get readyCount(): number {
    return this.ready.size;
  }

  get inFlightCount(): number {
    return this.inFlight.size;
  }

  offer(partition: Processor, due: DueTask): "taken" | "known" | "full" {
    const key = taskKey(due.runId, due.action, due.item, due.attempt);
    if (this.ready.has(key) || this.inFlight.has(key)) return "known";
    return this.ready.add(partition, due, key) ? "taken" : "full";
  }

  wantsRoom(partition: Processor): void {
    const load = this.ready.load(partition);
    load.wantsRoomAt = Math.floor(load.ready / 2);
  }

  closed(_partition: Processor, runId: string, action: number, item: number, attempt: number): void {
    const key = taskKey(runId, action, item, attempt);
    const flight = this.inFlight.get(key);
    if (flight !== undefined) this.land(flight);
    else this.ready.remove(key);
  }

  cancel(partition: Processor, effect: Extract<FoldEffect, { kind: "cancel-tasks" }>): void {
    const { tasks, reason, graceMs } = effect;
    // With a grace, what no worker has is not waited for.
    if (graceMs > 0) for (const ref of tasks) this.endUnsent(partition, ref);
    // Attempts without a grace were closed before this, so their workers are no longer known: all are told, and most have none of them.
    const cancel = init(TaskCancelSchema, { tasks: [...tasks], reason, graceMs });
    const message = encode(
      WorkerInboxSchema,
      init(WorkerInboxSchema, { kind: { case: "cancel", value: cancel } }),
    );
    for (const worker of this.workers.all) this.deps.bus.publish(worker.inbox, message);
  }

  private endUnsent(partition: Processor, ref: TaskRef): void {
    const key = taskKey(ref.runId, ref.action, ref.item ?? -1, ref.attempt);
    if (this.inFlight.has(key)) return;
    this.ready.remove(key);
    this.reaper.cancelledUnsent(partition, ref);
  }

  overdue(partition: Processor, effect: Extract<FoldEffect, { kind: "overdue" }>): void {
    const { runId, action, item, attempt, limitMs } = effect;
    const key = taskKey(runId, action, item, attempt);
    // Before the roll call is over it is not known who has what; it is asked again.
    if (!this.open || this.inFlight.has(key)) return;
    this.ready.remove(key);
    const info = partition.taskInfo(runId, action);
    const serving = servingText(info?.queue ?? "", this.serving(info?.queue ?? "", info?.workflow ?? ""));
    const ref = init(TaskRefSchema, { runId, action, item: item < 0 ? undefined : item, attempt });
    this.reaper.neverBegun(partition, ref, limitMs, serving);
  }

  /** How many workers take tasks of a workflow from a queue. */
  serving(queue: string, workflow: string): number {
    return this.workers
      .serving(queue)
      .filter(({ workflows, draining }) => !draining && (workflows?.has(workflow) ?? true)).length;
  }

  turnEnded(): void {
    if (this.ready.size > 0) this.planPump();
    else this.giveRoom();
  }

  /** Makes a task ready again; where there is no room, it is found in state later. */
  private requeue(partition: Processor, task: DueTask): void {
    if (this.offer(partition, task) === "full") partition.overflowed();
  }

  private planPump(): void {
    if (this.pumpPlanned || !this.open || this.stopped) return;
    this.pumpPlanned = true;
    queueMicrotask(() => {
      this.pumpPlanned = false;
      this.pump();
    });
  }

  private pump(): void {
    for (const [name, queue] of this.ready.byQueue) {
      for (let before = queue.size + 1; queue.size > 0 && queue.size < before; ) {
        before = queue.size;
        const workers = this.byRoom(name);
        workers.forEach((worker, i) =>
          this.fill(worker, name, queue, Math.ceil(queue.size / (workers.length - i))),
        );
      }
    }
    this.batches.sendAll(this.deps.clock.monotonicMs());
    this.giveRoom();
  }

  /** Workers of a queue, those with the most room first. */
  private byRoom(queue: string): readonly Worker[] {
    const serving = this.workers.serving(queue);
    if (serving.length < 2) return serving;
    return [...serving].sort((a, b) => this.workers.room(b, queue) - this.workers.room(a, queue));
  }

  private fill(worker: Worker, name: string, queue: ReadyQueue<ReadyTask>, share: number): void {
    const { workflows } = worker;
    const accepts = workflows === undefined ? undefined : (workflow: string) => workflows.has(workflow);
    for (let left = Math.min(this.workers.room(worker, name), share); left > 0; left--) {
      const task = this.ready.next(queue, accepts);
      if (task === undefined) return;
      this.sendTo(worker, task);
    }
  }

  private sendTo(worker: Worker, ready: ReadyTask): void {
    const { clock, limits } = this.deps;
    const made = ready.partition.compose(ready);
    if (made === undefined) return;
    const nowMs = clock.monotonicMs();
    const flight: InFlight = {
      key: ready.key,
      partition: ready.partition,
      task: ready,
      worker,
      batch: 0,
      sentAtMs: nowMs,
      deadlineMs: nowMs + ready.startToCloseMs + limits.timeoutGraceMs,
    };
    this.inFlight.takeOff(flight);
    if (!(made instanceof Promise)) {
      this.batches.add(worker, made, flight, nowMs);
      return;
    }
    void this.sendMade(worker, made, flight);
  }

  /** Sends a task that takes a while to make, unless its attempt is over by then. */
  private async sendMade(worker: Worker, made: Promise<Task>, flight: InFlight): Promise<void> {
    const { partition, task: due } = flight;
    try {
      const task = await made;
      if (this.inFlight.get(flight.key) !== flight) return;
      const nowMs = this.deps.clock.monotonicMs();
      this.batches.add(worker, task, flight, nowMs);
      this.batches.send(worker, nowMs);
    } catch (error) {
      if (error instanceof PortError && error.retry === "never" && error.code !== "closed") {
        if (this.inFlight.get(flight.key) === flight) this.reaper.neverMade(flight, error);
        return;
      }
      this.deps.logger.warn("a task could not be made; it is tried again", {
        run: due.runId,
        action: String(due.action),
        err: error,
      });
      if (this.inFlight.get(flight.key) !== flight) return;
      this.land(flight);
      this.deps.clock.after(COMPOSE_RETRY_MS, () => {
        if (this.stopped) return;
        this.requeue(partition, due);
        this.planPump();
      });
    }
  }

  private land(flight: InFlight): void {
    this.inFlight.land(flight);
    const { worker } = flight;
    if (worker.ended && worker.inFlight.size === 0) this.lose(worker, "it ended");
  }

  /** Partitions whose tasks found no room are told when half of what was ready then is gone. */
  private giveRoom(anyRoom = false): void {
    for (const [partition, load] of this.ready.byPartition) {
      if (load.wantsRoomAt === undefined || (!anyRoom && load.ready > load.wantsRoomAt)) continue;
      load.wantsRoomAt = undefined;
      this.deps.clock.after(0, () => {
        if (!this.stopped) partition.roomAgain();
      });
    }
  }

  private onBeat(data: Uint8Array): void {
    const { clock, logger, node } = this.deps;
    let beat: WorkerBeat;
    try {
      beat = decode(WorkerBeatSchema, data);
    } catch (error) {
      logger.warn("a worker's beat can't be read", { err: error });
      return;
    }
    const nowMs = clock.monotonicMs();
    const known = this.workers.find(beat.worker);
    if (beat.gone) {
      if (known !== undefined) this.ended(known, nowMs);
      return;
    }
    const received = Number(beat.received.find((entry) => entry.node === node)?.batch ?? 0n);
    const worker = this.workers.heard(beat, received, nowMs);
    if (worker === undefined) {
      logger.error("there are too many workers; this one is not used", { worker: beat.worker });
      return;
    }
    if (beat.rollCallAnswer) for (const ref of beat.tasks) this.adopt(worker, ref, nowMs);
    for (const batch of this.batches.lost(worker, received, nowMs)) this.sendAgain(worker, batch, nowMs);
    this.planPump();
  }

  /** A task that the worker has from before: it is in flight, whoever sent it. */
  private adopt(worker: Worker, ref: TaskRef, nowMs: number): void {
    const partition = this.deps.partitionOf(ref.runId);
    const info = partition?.taskInfo(ref.runId, ref.action);
    if (partition === undefined || info === undefined) return;
    // What it has run already counts: a new owner begins no time anew.
    const deadlineMs = nowMs - ref.runningMs + info.startToCloseMs + this.deps.limits.timeoutGraceMs;
    const flight = adopted({ ref, info, partition, worker, nowMs, deadlineMs });
    if (this.inFlight.has(flight.key)) return;
    this.ready.remove(flight.key);
    this.inFlight.takeOff(flight);
  }

  private sendAgain(worker: Worker, batch: number, nowMs: number): void {
    const tasks: Task[] = [];
    for (const flight of worker.inFlight.values()) {
      if (flight.batch !== batch) continue;
      const made = flight.partition.compose(flight.task);
      if (made instanceof Promise) {
        // Too costly to gather on a doubt: the attempt starts over at whoever has room.
        made.catch(() => undefined);
        this.land(flight);
        this.requeue(flight.partition, flight.task);
      } else if (made !== undefined) tasks.push(made);
    }
    this.deps.logger.warn("a batch of tasks did not reach its worker and is sent again", {
      worker: worker.id,
      batch,
      tasks: tasks.length,
    });
    this.batches.sendAgain(worker, batch, tasks, nowMs);
  }

  private planSweep(): void {
    const plannedMs = this.deps.clock.monotonicMs();
    this.cancelSweep = this.deps.clock.after(SWEEP_MS, () => {
      const lateMs = this.deps.clock.monotonicMs() - plannedMs - SWEEP_MS;
      // While this process stood still it heard nobody: that is no worker's silence.
      if (lateMs > SWEEP_MS) for (const worker of this.workers.all) worker.lastHeardMs += lateMs;
      this.sweep();
      if (!this.stopped) this.planSweep();
    });
  }

  private sweep(): void {
    const nowMs = this.deps.clock.monotonicMs();
    this.ready.nowMs = nowMs;
    this.stuck.look(nowMs);
    if (nowMs - this.roomGivenMs >= ROOM_AGAIN_MS) {
      this.roomGivenMs = nowMs;
      this.giveRoom(true);
    }
    for (const worker of this.workers.all) {
      const silentMs = nowMs - worker.lastHeardMs;
      if (worker.ended) {
        if (silentMs > ENDED_GRACE_MS) this.lose(worker, "it ended");
      } else if (silentMs > this.deps.limits.workerLeaseMs)
        this.lose(worker, `it was silent for ${(silentMs / 1000).toFixed(1)} s`);
    }
    for (const flight of this.inFlight.values()) {
      if (flight.deadlineMs > nowMs) continue;
      this.land(flight);
      this.reaper.tookTooLong(flight);
    }
  }

  /** It said its last word. What it reported before that may still be on its way through the log. */
  private ended(worker: Worker, nowMs: number): void {
    worker.ended = true;
    worker.draining = true;
    worker.lastHeardMs = nowMs;
    if (worker.inFlight.size === 0) this.lose(worker, "it ended");
  }

  private lose(worker: Worker, why: string): void {
    worker.ended = false;
    const lost = [...worker.inFlight.values()];
    const fields = { worker: worker.id, why, tasks: lost.length };
    if (lost.length > 0) this.deps.logger.warn("a worker is gone, and its tasks are lost", fields);
    else this.deps.logger.info("a worker is gone", fields);
    this.workers.remove(worker);
    for (const flight of lost) {
      this.land(flight);
      this.reaper.lost(flight, why);
    }
  }
}
