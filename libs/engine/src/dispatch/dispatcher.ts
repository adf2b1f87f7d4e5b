/**
 * Gives due tasks of this node's partitions to workers that have room for them.
 *
 * 1. A task is in one place: ready, or in flight at one worker. Offering it again changes nothing.
 * 2. What is here can be lost without harm: it is derived from state again.
 * 3. A worker that falls silent, or an attempt that outlives its time-out, is reported as a failed attempt through the log.
 */
import { type DueTask, type FoldEffect, taskKey } from "@holdfast/core";
import type { TaskRef } from "@holdfast/proto";
import type { Logger, MetricsRegistry } from "@holdfast/telemetry";
import type { EngineLimits } from "../partition/limits.js";
import type { TaskSink } from "../partition/deps.js";
import type { Processor } from "../partition/processor.js";
import type { Bus, BusSubscription } from "../ports/bus.js";
import type { Clock } from "../ports/clock.js";
import type { Guard } from "../ports/guard.js";
import { WORKER_BEAT } from "../subjects.js";
import { AvoidedWorkers } from "./avoided.js";
import { Batches } from "./batches.js";
import { readBeat } from "./beats.js";
import { Flights } from "./flights.js";
import type { Hearing } from "./hearing.js";
import { LeftOutOfBeats } from "./left-out-of-beats.js";
import { Leases } from "./leases.js";
import type { Needed } from "../partition/needed.js";
import { Overdue } from "./overdue.js";
import { Pump } from "./pump.js";
import { Reaper, type Serving } from "./reaper.js";
import { type PartitionLoad, ReadyTasks } from "./ready-tasks.js";
import { Returns } from "./returns.js";
import { RollCaller } from "./roll-caller.js";
import { RollCalls } from "./roll-calls.js";
import { Sender } from "./sender.js";
import { workerWarnings } from "./silent-workers.js";
import { StallWatch } from "./stall-watch.js";
import { StuckWatch } from "./stuck-watch.js";
import { type InFlight, Workers } from "./workers.js";

const SWEEP_MS = 250;
/** What its lost worker alone could have is looked at again after so long. */
const AVOIDED_PAUSE_MS = 1_000;
/** Due tasks that found no room are looked up again at least this often. */
const ROOM_AGAIN_MS = 1_000;

export interface DispatcherDeps {
  readonly node: string;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly hearing: Hearing;
  readonly logger: Logger;
  /** What comes from outside goes through it: `bus` and `clock` do already. */
  readonly guard: Guard;
  readonly registry: MetricsRegistry;
  readonly limits: EngineLimits;
  /** The partition of a run, if this node has it. */
  readonly partitionOf: (runId: string) => Processor | undefined;
}

export class Dispatcher implements TaskSink {
  private readonly workers = new Workers();
  private readonly avoided = new AvoidedWorkers();
  private readonly ready: ReadyTasks;
  private readonly inFlight: Flights;
  private readonly subscriptions: BusSubscription[] = [];
  private readonly batches: Batches;
  private readonly reaper: Reaper;
  private readonly leftOut: LeftOutOfBeats;
  private readonly leases: Leases;
  private readonly late: Overdue;
  private readonly rolls: RollCalls;
  private readonly stuck: StuckWatch;
  private readonly stalls: StallWatch;
  private readonly roll: RollCaller;
  private readonly sender: Sender;
  private readonly gives: Pump;
  private readonly returns: Returns;
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
    this.leftOut = new LeftOutOfBeats(deps.guard.logger, deps.registry);
    const { workers, inFlight, ready, reaper, avoided } = this;
    const land = (flight: InFlight): void => this.land(flight);
    const requeue = (partition: Processor, task: DueTask): void => this.requeue(partition, task);
    const again = (flight: InFlight): void => this.again(flight);
    this.leases = new Leases({
      ...deps,
      workers,
      avoided,
      inFlight,
      reaper,
      land,
      again,
      requeue,
      logger: deps.guard.logger,
    });
    const serving: Serving = (queue, workflow, needed) => this.serving(queue, workflow, needed);
    this.gives = new Pump({
      workers,
      ready,
      avoided,
      later: (task) => void deps.clock.after(AVOIDED_PAUSE_MS, () => requeue(task.partition, task)),
      send: (worker, task) => this.sender.send(worker, task),
    });
    this.returns = new Returns({
      ...deps,
      workers,
      inFlight,
      land,
      requeue,
    });
    this.late = new Overdue({ inFlight, ready, reaper, serving });
    this.rolls = new RollCalls({ ...deps, inFlight, ready, again });
    this.stuck = new StuckWatch(ready, deps, serving);
    this.stalls = new StallWatch({ ready, workers, pump: () => this.planPump() });
    this.roll = new RollCaller(deps);
    this.sender = new Sender({
      ...deps,
      inFlight,
      reaper,
      batches: this.batches,
      land,
      requeue,
    });
  }

  /** Hears workers, and dispatches to them. */
  async start(): Promise<void> {
    const { bus, hearing } = this.deps;
    this.subscriptions.push(bus.subscribe(WORKER_BEAT, (message) => this.onBeat(message.data)));
    await bus.flush();
    hearing.start();
    await hearing.hears();
    if (this.stopped) return;
    this.open = true;
    this.planSweep();
    this.planPump();
  }

  async rollCall(partition: Processor): Promise<void> {
    await this.roll.call();
    this.ready.load(partition).called = true;
  }

  lost(partition: Processor): void {
    this.ready.forget(partition);
    for (const flight of this.inFlight.values()) if (flight.partition === partition) this.land(flight);
  }

  stop(): void {
    this.stopped = true;
    this.roll.stop();
    this.cancelSweep?.();
    this.deps.hearing.stop();
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

  room(partition: Processor, workflow: string, queue: string): number {
    return this.ready.room(partition, workflow, queue);
  }

  wantsRoom(partition: Processor, workflow: string, queue: string): void {
    this.ready.wantsRoom(partition, workflow, queue);
  }

  closed(_partition: Processor, runId: string, action: number, item: number, attempt: number): void {
    const key = taskKey(runId, action, item, attempt);
    const flight = this.inFlight.get(key);
    if (flight !== undefined) this.land(flight);
    else this.ready.remove(key);
  }

  cancel(partition: Processor, effect: Extract<FoldEffect, { kind: "cancel-tasks" }>): void {
    const { tasks, graceMs } = effect;
    // With a grace, what no worker has is not waited for.
    if (graceMs > 0) for (const ref of tasks) this.endUnsent(partition, ref);
    // Attempts without a grace were closed before this, so their workers are no longer known: all are told, and most have none of them.
    this.batches.cancel(this.workers.all, effect);
  }

  private endUnsent(partition: Processor, ref: TaskRef): void {
    const key = taskKey(ref.runId, ref.action, ref.item ?? -1, ref.attempt);
    if (this.inFlight.has(key)) return;
    this.ready.remove(key);
    this.reaper.cancelledUnsent(partition, ref);
  }

  overdue(partition: Processor, effect: Extract<FoldEffect, { kind: "overdue" }>): void {
    // Before the roll call is over it is not known who has what; it is asked again.
    if (this.ready.load(partition).called) this.late.judge(partition, effect, this.leases.isSettled);
  }

  returned(partition: Processor, effect: Extract<FoldEffect, { kind: "returned" }>): void {
    this.returns.take(partition, effect);
  }

  /** How many workers take tasks of a workflow from a queue; `needed`: those with that function. */
  serving(queue: string, workflow: string, needed?: Needed): number {
    const serving = needed === undefined ? this.workers.serving(queue) : this.workers.able(queue, needed);
    return serving.filter(
      ({ workflows, draining, deaf, blocked }) =>
        !draining && !deaf && !blocked && (workflows?.has(workflow) ?? true),
    ).length;
  }

  /** Ready tasks whose function no worker of their queue has. */
  get unservedCount(): number {
    return this.gives.unserved;
  }

  /** Workers that beat and do not confirm what they are sent. */
  get deafWorkers(): number {
    return this.leases.deaf;
  }

  /** Workers that are silent while their connections stand. */
  get blockedWorkers(): number {
    return this.leases.blocked;
  }

  /** One sentence for each worker that something is the matter with, some of them. */
  workerWarnings(): string[] {
    const { node, hearing, limits } = this.deps;
    return workerWarnings(this.workers.all, node, hearing.nowMs, limits.blockedLeaseMs);
  }

  turnEnded(): void {
    if (this.ready.size > 0) this.planPump();
    else this.giveRoom();
  }

  /** Makes a task ready again; where there is no room, it is found in state later. */
  private requeue(partition: Processor, task: DueTask): void {
    if (this.stopped) return;
    if (this.offer(partition, task) === "full") partition.overflowed(task);
    this.planPump();
  }

  private planPump(): void {
    if (this.pumpPlanned || !this.open || this.stopped) return;
    this.pumpPlanned = true;
    queueMicrotask(() => {
      this.pumpPlanned = false;
      this.deps.guard.run("microtask", "tasks to workers", () => this.pump());
    });
  }

  private pump(): void {
    this.gives.run();
    this.batches.sendAll(this.deps.hearing.nowMs);
    this.giveRoom();
  }

  private land(flight: InFlight): void {
    this.inFlight.land(flight);
    this.leases.landed(flight.worker);
  }

  /** Its worker does not have it: whoever has room gets it. */
  private again(flight: InFlight): void {
    this.land(flight);
    this.requeue(flight.partition, flight.task);
    this.planPump();
  }

  private giveRoom(): void {
    for (const partition of this.ready.takeRoomy()) this.deps.clock.after(0, () => this.lookAgain(partition));
  }

  private lookAgain(partition: Processor): void {
    if (!this.stopped) partition.due.roomAgain();
  }

  private onBeat(data: Uint8Array): void {
    const { guard, hearing, node } = this.deps;
    hearing.heard();
    const beat = readBeat(data, node);
    if (typeof beat === "string") {
      guard.logger.warn("a worker's beat is refused", { why: beat, bytes: data.length });
      return;
    }
    const { nowMs } = hearing;
    const known = this.workers.find(beat.worker);
    if (beat.gone) {
      // Anybody can say so in its name. It is asked: if it lives, its answer comes before it is given up.
      if (known !== undefined && known.inFlight.size > 0) this.rolls.ask(nowMs);
      if (known !== undefined) this.leases.ended(known, nowMs);
      return;
    }
    const received = beat.arrived ?? 0;
    const worker = this.workers.heard(beat, nowMs);
    if (typeof worker === "string") {
      guard.logger.warn("a worker's beat is refused", { worker: beat.worker, why: worker });
      return;
    }
    this.leftOut.take(beat);
    if (this.batches.hasAnswered(worker, received, nowMs)) this.workers.prove(worker);
    if (worker.untold && worker.proven) this.batches.askFunctions(worker);
    if (beat.rollCallAnswer) this.rolls.answered(worker, beat.tasks, !beat.partial, nowMs);
    for (const batch of this.batches.lost(worker, received, nowMs))
      this.sender.sendAgain(worker, batch, nowMs);
    if (worker.proven) this.planPump();
  }

  private planSweep(): void {
    this.cancelSweep = this.deps.clock.after(SWEEP_MS, () => {
      this.sweep();
      if (!this.stopped) this.planSweep();
    });
  }

  private sweep(): void {
    const { hearing } = this.deps;
    const { nowMs } = hearing;
    this.ready.nowMs = nowMs;
    this.stuck.look(nowMs, hearing.forMs);
    this.stalls.look(nowMs);
    if (nowMs - this.roomGivenMs >= ROOM_AGAIN_MS) {
      this.roomGivenMs = nowMs;
      for (const [partition] of this.ready.byPartition) this.lookAgain(partition);
    }
    this.rolls.look(nowMs);
    this.leases.look(nowMs);
    this.avoided.look(nowMs);
    if (this.leases.isSettled) this.late.judgePutOff();
  }
}
