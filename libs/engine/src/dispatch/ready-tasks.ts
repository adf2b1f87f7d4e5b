/**
 * All due tasks that wait for a worker, over queues and partitions, with how many each partition and workflow has of them.
 *
 * 1. A partition's tasks are bounded; a workflow may use half of the room that the others leave, so that one whose workers are
 *    gone never shuts the others out.
 * 2. A task that was taken out by its key is passed over when its turn comes.
 */
import type { DueTask } from "@holdfast/core";
import type { Processor } from "../partition/processor.js";
import { type Accepts, ReadyQueue } from "./ready-queue.js";

export interface ReadyTask extends DueTask {
  readonly key: string;
  readonly partition: Processor;
  /** Since when this node has known it, on the dispatcher's clock, about. */
  readonly foundMs: number;
}

/** What a partition has at the dispatcher. */
export interface PartitionLoad {
  ready: number;
  inFlight: number;
  /** Due tasks found no room: the partition is told once no more than this many are ready. */
  wantsRoomAt: number | undefined;
  readonly byWorkflow: Map<string, number>;
}

export class ReadyTasks {
  private readonly queues = new Map<string, ReadyQueue<ReadyTask>>();
  /** By key, so that a task can be taken out before its turn. */
  private readonly waiting = new Map<string, ReadyTask>();
  private readonly loads = new Map<Processor, PartitionLoad>();
  /** Set now and then by who knows the time: a task's own look at the clock would cost more than it is worth. */
  nowMs = 0;

  constructor(private readonly max: number) {}

  get size(): number {
    return this.waiting.size;
  }

  get byQueue(): Iterable<[name: string, queue: ReadyQueue<ReadyTask>]> {
    return this.queues;
  }

  get byPartition(): Iterable<[partition: Processor, load: PartitionLoad]> {
    return this.loads;
  }

  has(key: string): boolean {
    return this.waiting.has(key);
  }

  load(partition: Processor): PartitionLoad {
    let load = this.loads.get(partition);
    if (load === undefined) {
      load = { ready: 0, inFlight: 0, wantsRoomAt: undefined, byWorkflow: new Map() };
      this.loads.set(partition, load);
    }
    return load;
  }

  /** False where there is no room. */
  add(partition: Processor, due: DueTask, key: string): boolean {
    const load = this.load(partition);
    const own = load.byWorkflow.get(due.workflow) ?? 0;
    const leftByOthers = this.max - (load.ready - own);
    if (own * 2 >= leftByOthers) return false;
    load.ready += 1;
    load.byWorkflow.set(due.workflow, own + 1);
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
      foundMs: this.nowMs,
    };
    this.waiting.set(key, task);
    this.queueOf(due.queue).push(task);
    return true;
  }

  /** Tasks that may have been due since before a time of the log, of those that this node found before a time of its own. */
  *dueBefore(atNs: bigint, foundMs: number): Generator<ReadyTask> {
    for (const task of this.waiting.values()) {
      // They stand in the order in which they were found.
      if (task.foundMs > foundMs) return;
      if (task.sinceNs <= atNs) yield task;
    }
  }

  /** Takes a task out, wherever it stands. */
  remove(key: string): boolean {
    const task = this.waiting.get(key);
    if (task === undefined) return false;
    this.waiting.delete(key);
    const load = this.load(task.partition);
    load.ready -= 1;
    const own = (load.byWorkflow.get(task.workflow) ?? 1) - 1;
    if (own > 0) load.byWorkflow.set(task.workflow, own);
    else load.byWorkflow.delete(task.workflow);
    return true;
  }

  /** The next task of a queue that is still wanted. */
  next(queue: ReadyQueue<ReadyTask>, accepts: Accepts | undefined): ReadyTask | undefined {
    for (let task = queue.shift(accepts); task !== undefined; task = queue.shift(accepts)) {
      if (this.waiting.get(task.key) === task && this.remove(task.key)) return task;
    }
    return undefined;
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
