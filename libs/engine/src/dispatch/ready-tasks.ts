/**
 * All due tasks that wait for a worker, over queues and partitions, with how many each partition and lane has of them.
 *
 * 1. A lane is what one kind of worker takes: a workflow's tasks of one queue. A partition's tasks are bounded; a lane may use half of the
 *    room that the others leave, and a few places whatever they leave, so that lanes whose workers are gone never shut another out.
 * 2. A lane whose tasks found no room is noticed when half of what was ready of it is gone.
 * 3. A task that was taken out by its key is passed over when its turn comes.
 */
import type { DueTask } from "@holdfast/core";
import type { Processor } from "../partition/processor.js";
import type { Needed } from "../partition/needed.js";
import { type Accepts, ReadyQueue } from "./ready-queue.js";
import { Unserved } from "./unserved.js";

export interface ReadyTask extends DueTask {
  readonly key: string;
  readonly partition: Processor;
  readonly lane: ReadyLane;
  /** Since when this node has known it, on the dispatcher's clock, about. */
  readonly foundMs: number;
}

/** What a partition has at the dispatcher. */
export interface PartitionLoad {
  ready: number;
  inFlight: number;
  /** Counts tasks that have left, for whoever watches whether anything moves. */
  moved: number;
  /** Workers have said what they run of it since this node became its owner. */
  called: boolean;
  /** By workflow, then by queue. */
  readonly lanes: Map<string, Map<string, ReadyLane>>;
}

interface ReadyLane {
  ready: number;
  moved: number;
  /** Due tasks found no room: the partition is told once no more than this many are ready; less than 0: it need not be. */
  wantsRoomAt: number;
}

/** Places that a lane has whatever others use; fewer where all are few. */
const PLACES_MIN = 8;
const PLACES_PART = 50;
/** Lanes that are kept though they are empty. */
const LANES_KEPT = 10_000;

export class ReadyTasks {
  private readonly queues = new Map<string, ReadyQueue<ReadyTask>>();
  /** By key, so that a task can be taken out before its turn. */
  private readonly waiting = new Map<string, ReadyTask>();
  private readonly loads = new Map<Processor, PartitionLoad>();
  /** Set now and then by who knows the time: a task's own look at the clock would cost more than it is worth. */
  nowMs = 0;
  /** What workers had room for, but no function. */
  readonly aside: Unserved;
  private roomy = new Set<Processor>();
  private readonly placesMin: number;
  private lanes = 0;

  constructor(private readonly max: number) {
    this.aside = new Unserved(max);
    this.placesMin = Math.min(PLACES_MIN, Math.ceil(max / PLACES_PART));
  }

  get size(): number {
    return this.waiting.size + this.aside.size;
  }

  get byQueue(): Iterable<[name: string, queue: ReadyQueue<ReadyTask>]> {
    return this.queues;
  }

  get byPartition(): Iterable<[partition: Processor, load: PartitionLoad]> {
    return this.loads;
  }

  has(key: string): boolean {
    return this.waiting.has(key) || (this.aside.size > 0 && this.aside.has(key));
  }

  load(partition: Processor): PartitionLoad {
    let load = this.loads.get(partition);
    if (load === undefined) {
      load = { ready: 0, inFlight: 0, moved: 0, called: false, lanes: new Map() };
      this.loads.set(partition, load);
    }
    return load;
  }

  /** How many more tasks of a lane there is room for. */
  room(partition: Processor, workflow: string, queue: string): number {
    const load = this.load(partition);
    const own = load.lanes.get(workflow)?.get(queue)?.ready ?? 0;
    const half = Math.ceil((this.max - (load.ready - own)) / 2);
    return Math.max(0, Math.max(half, this.placesMin) - own);
  }

  /** The lane's partition is told of room for it. */
  wantsRoom(partition: Processor, workflow: string, queue: string): void {
    const lane = this.laneOf(this.load(partition), workflow, queue);
    lane.wantsRoomAt = Math.floor(lane.ready / 2);
  }

  /** Partitions that have room for what found none, each once. */
  takeRoomy(): Iterable<Processor> {
    if (this.roomy.size === 0) return NOBODY;
    const { roomy } = this;
    this.roomy = new Set();
    return roomy;
  }

  /** False where there is no room. */
  add(partition: Processor, due: DueTask, key: string): boolean {
    const load = this.load(partition);
    const lane = this.laneOf(load, due.workflow, due.queue);
    const own = lane.ready;
    const leftByOthers = this.max - (load.ready - own);
    if (own * 2 >= leftByOthers && own >= this.placesMin) return false;
    load.ready += 1;
    lane.ready += 1;
    const { runId, action, item, attempt, workflow, queue, priority, startToCloseMs, sinceNs } = due;
    // Field by field: a spread costs more than all the rest.
    const task: ReadyTask = {
      runId,
      action,
      item,
      attempt,
      workflow,
      queue,
      priority,
      startToCloseMs,
      sinceNs,
      key,
      partition,
      lane,
      foundMs: this.nowMs,
    };
    this.waiting.set(key, task);
    this.queueOf(due.queue).push(task);
    return true;
  }

  /** Tasks that may have been due since before a time of the log, of those that this node found before a time of its own. */
  *dueBefore(atNs: bigint, foundMs: number): Generator<ReadyTask & { readonly needed?: Needed }> {
    for (const task of this.waiting.values()) {
      // They stand in the order in which they were found.
      if (task.foundMs > foundMs) break;
      if (task.sinceNs <= atNs) yield task;
    }
    for (const { task, lane } of this.aside.tasks)
      if (task.foundMs <= foundMs && task.sinceNs <= atNs) yield { ...task, needed: lane.needed };
  }

  /** Takes a task out, wherever it stands. */
  remove(key: string): boolean {
    const task = this.waiting.get(key);
    if (task === undefined) return this.aside.size > 0 && this.aside.remove(key) !== undefined;
    this.waiting.delete(key);
    const { lane, partition } = task;
    const load = this.load(partition);
    load.ready -= 1;
    load.moved += 1;
    lane.ready -= 1;
    lane.moved += 1;
    if (lane.ready <= lane.wantsRoomAt) {
      lane.wantsRoomAt = -1;
      this.roomy.add(partition);
    }
    return true;
  }

  /** Nothing of a partition is dispatched by this node any more. */
  forget(partition: Processor): void {
    for (const [key, task] of this.waiting) if (task.partition === partition) this.remove(key);
    this.aside.forget(partition);
    this.roomy.delete(partition);
    this.load(partition).called = false;
  }

  /** The next task of a queue that is still wanted. */
  next(queue: ReadyQueue<ReadyTask>, accepts: Accepts | undefined): ReadyTask | undefined {
    for (let task = queue.shift(accepts); task !== undefined; task = queue.shift(accepts)) {
      if (this.waiting.get(task.key) === task && this.remove(task.key)) return task;
    }
    return undefined;
  }

  private laneOf(load: PartitionLoad, workflow: string, queue: string): ReadyLane {
    let queues = load.lanes.get(workflow);
    if (queues === undefined) {
      queues = new Map();
      load.lanes.set(workflow, queues);
    }
    let lane = queues.get(queue);
    if (lane === undefined) {
      if (this.lanes >= LANES_KEPT) this.dropEmptyLanes();
      lane = { ready: 0, moved: 0, wantsRoomAt: -1 };
      queues.set(queue, lane);
      load.lanes.set(workflow, queues);
      this.lanes += 1;
    }
    return lane;
  }

  private dropEmptyLanes(): void {
    this.lanes = 0;
    for (const { lanes } of this.loads.values())
      for (const [workflow, queues] of lanes) {
        for (const [queue, { ready, wantsRoomAt }] of queues)
          if (ready === 0 && wantsRoomAt < 0) queues.delete(queue);
        if (queues.size === 0) lanes.delete(workflow);
        this.lanes += queues.size;
      }
  }

  private queueOf(name: string): ReadyQueue<ReadyTask> {
    let queue = this.queues.get(name);
    if (queue === undefined) {
      queue = new ReadyQueue();
      this.queues.set(name, queue);
    }
    return queue;
  }
}

const NOBODY: readonly Processor[] = [];
