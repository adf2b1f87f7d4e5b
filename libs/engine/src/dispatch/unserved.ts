/**
 * Due tasks that a worker could have had room for, but has no function for: set aside by queue and function until one that has it has room.
 *
 * 1. They take no room of others: what waits for a worker of an older build does not shut out what newer ones take. They are bounded by themselves.
 * 2. A function costs one look at each turn, whatever the number of its tasks.
 */
import type { Needed } from "../partition/needed.js";
import type { Processor } from "../partition/processor.js";
import { ReadyQueue } from "./ready-queue.js";
import type { ReadyTask } from "./ready-tasks.js";

/** Tasks that were taken out before their turn stay in a lane's queue up to so many more than there are. */
const GONE_KEPT = 1_024;

export interface UnservedLane {
  readonly queue: string;
  readonly needed: Needed;
  /** Tasks that are still wanted. */
  ready: number;
}

interface Lane extends UnservedLane {
  readonly id: string;
  tasks: ReadyQueue<ReadyTask>;
}

interface Aside {
  readonly task: ReadyTask;
  readonly lane: Lane;
}

export class Unserved {
  private readonly byId = new Map<string, Lane>();
  private readonly byKey = new Map<string, Aside>();
  private readonly counts = new Map<Processor, number>();

  /** Of each partition. */
  constructor(private readonly max: number) {}

  get size(): number {
    return this.byKey.size;
  }

  get lanes(): Iterable<UnservedLane> {
    return this.byId.values();
  }

  get tasks(): Iterable<Aside> {
    return this.byKey.values();
  }

  has(key: string): boolean {
    return this.byKey.has(key);
  }

  countOf(partition: Processor): number {
    return this.counts.get(partition) ?? 0;
  }

  /** False where there is no room. */
  add(task: ReadyTask, needed: Needed): boolean {
    const count = this.countOf(task.partition);
    if (count >= this.max || this.byKey.has(task.key)) return false;
    this.counts.set(task.partition, count + 1);
    const id = `${task.queue}/${needed.key}`;
    let lane = this.byId.get(id);
    if (lane === undefined) {
      lane = { id, queue: task.queue, needed, ready: 0, tasks: new ReadyQueue() };
      this.byId.set(id, lane);
    }
    lane.ready += 1;
    lane.tasks.push(task);
    this.byKey.set(task.key, { task, lane });
    return true;
  }

  /** The next task of a lane that is still wanted, taken out. */
  next(of: UnservedLane): ReadyTask | undefined {
    const lane = of as Lane;
    for (let task = lane.tasks.shift(); task !== undefined; task = lane.tasks.shift())
      if (this.byKey.get(task.key)?.task === task) {
        this.remove(task.key);
        return task;
      }
    return undefined;
  }

  /** Takes a task out, wherever it stands. What it needs; undefined: it is not here. */
  remove(key: string): Needed | undefined {
    const aside = this.byKey.get(key);
    if (aside === undefined) return undefined;
    const { task, lane } = aside;
    this.byKey.delete(key);
    this.counts.set(task.partition, this.countOf(task.partition) - 1);
    lane.ready -= 1;
    if (lane.ready === 0) this.byId.delete(lane.id);
    else if (lane.tasks.size > 2 * lane.ready + GONE_KEPT) this.compact(lane);
    return lane.needed;
  }

  forget(partition: Processor): void {
    for (const [key, { task }] of this.byKey) if (task.partition === partition) this.remove(key);
    this.counts.delete(partition);
  }

  private compact(lane: Lane): void {
    const kept = new ReadyQueue<ReadyTask>();
    for (let task = lane.tasks.shift(); task !== undefined; task = lane.tasks.shift())
      if (this.byKey.get(task.key)?.task === task) kept.push(task);
    lane.tasks = kept;
  }
}
