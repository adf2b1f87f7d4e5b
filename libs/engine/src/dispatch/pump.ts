/**
 * Who gets which ready task: each worker what it has room and a function for, those with the most room first.
 *
 * 1. What was set aside for want of a function goes before the rest, to those that have it: it has waited longer.
 * 2. What a worker was lost with goes to another for a while, and waits where there is none.
 * 3. Costs the same for each task, however many workers and functions there are.
 */
import type { Needed } from "../partition/needed.js";
import type { AvoidedWorkers } from "./avoided.js";
import type { ReadyQueue } from "./ready-queue.js";
import type { ReadyTask, ReadyTasks } from "./ready-tasks.js";
import type { Worker, Workers } from "./workers.js";

export interface PumpDeps {
  readonly workers: Workers;
  readonly ready: ReadyTasks;
  readonly avoided: AvoidedWorkers;
  /** Nobody may have it yet: it becomes ready again in a while. */
  readonly later: (task: ReadyTask) => void;
  /** Sends a task that was taken out; what the worker lacks for it, if anything. */
  readonly send: (worker: Worker, task: ReadyTask) => Needed | undefined;
}

export class Pump {
  constructor(private readonly deps: PumpDeps) {}

  /** Gives away all that somebody has room for. */
  run(): void {
    const { ready } = this.deps;
    this.giveAside();
    let setAside = false;
    for (const [name, queue] of ready.byQueue) {
      for (let before = queue.size + 1; queue.size > 0 && queue.size < before; ) {
        before = queue.size;
        const workers = this.byRoom(this.deps.workers.serving(name), name);
        workers.forEach((worker, i) => {
          const share = Math.ceil(queue.size / (workers.length - i));
          if (this.fill(worker, name, queue, share)) setAside = true;
        });
      }
    }
    if (setAside) this.giveAside();
  }

  /** Tasks whose function no worker of their queue has. */
  get unserved(): number {
    let count = 0;
    for (const { queue, needed, ready } of this.deps.ready.aside.lanes)
      if (this.deps.workers.able(queue, needed).length === 0) count += ready;
    return count;
  }

  private giveAside(): void {
    const { ready, workers } = this.deps;
    if (ready.aside.size === 0) return;
    for (const lane of ready.aside.lanes)
      for (const worker of this.byRoom(workers.able(lane.queue, lane.needed), lane.queue))
        for (let left = workers.room(worker, lane.queue); left > 0; left--) {
          const task = ready.aside.next(lane);
          if (task === undefined) break;
          this.give(worker, task);
        }
  }

  /** Those with the most room first. */
  private byRoom(serving: readonly Worker[], queue: string): readonly Worker[] {
    if (serving.length < 2) return serving;
    const { workers } = this.deps;
    return [...serving].sort((a, b) => workers.room(b, queue) - workers.room(a, queue));
  }

  /** Whether anything was set aside. */
  private fill(worker: Worker, name: string, queue: ReadyQueue<ReadyTask>, share: number): boolean {
    const { workers, ready } = this.deps;
    const { workflows } = worker;
    const accepts = workflows === undefined ? undefined : (workflow: string) => workflows.has(workflow);
    let setAside = false;
    for (let left = Math.min(workers.room(worker, name), share); left > 0; left--) {
      const task = ready.next(queue, accepts);
      if (task === undefined) break;
      if (this.give(worker, task)) setAside = true;
    }
    return setAside;
  }

  private give(chosen: Worker, task: ReadyTask): boolean {
    const worker = this.takerOf(chosen, task);
    if (worker === undefined) {
      this.deps.later(task);
      return false;
    }
    const lacking = this.deps.send(worker, task);
    if (lacking === undefined) return false;
    // Where even that is full it stays in state.
    if (!this.deps.ready.aside.add(task, lacking)) task.partition.overflowed(task);
    return true;
  }

  private takerOf(chosen: Worker, task: ReadyTask): Worker | undefined {
    const { avoided, workers } = this.deps;
    if (avoided.isEmpty || !avoided.isAvoided(task, chosen.id)) return chosen;
    return workers
      .serving(task.queue)
      .find(
        (other) =>
          other !== chosen &&
          workers.room(other, task.queue) > 0 &&
          (other.workflows?.has(task.workflow) ?? true),
      );
  }
}
