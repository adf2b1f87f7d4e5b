/**
 * Which worker is to leave which task to others: it was lost while it had the task.
 *
 * 1. Only for a while, and only as long as this node remembers: whatever is forgotten goes to whoever has room.
 * 2. A task is known by its place in the run, without its attempt: it is the next attempt that is kept away.
 */
import { type DueTask, taskKey } from "@holdfast/core";

/** For how long a worker that was lost with a task does not get it again. */
export const AVOIDED_MS = 30_000;
/** Tasks remembered; the one remembered longest makes room. */
export const AVOIDED_MAX = 10_000;

interface Avoided {
  readonly worker: string;
  readonly untilMs: number;
}

export class AvoidedWorkers {
  /** In the order of their ends. */
  private readonly byTask = new Map<string, Avoided>();

  get isEmpty(): boolean {
    return this.byTask.size === 0;
  }

  add(task: DueTask, worker: string, nowMs: number): void {
    const key = keyOf(task);
    this.byTask.delete(key);
    if (this.byTask.size >= AVOIDED_MAX)
      for (const oldest of this.byTask.keys()) {
        this.byTask.delete(oldest);
        break;
      }
    this.byTask.set(key, { worker, untilMs: nowMs + AVOIDED_MS });
  }

  isAvoided(task: DueTask, worker: string): boolean {
    return this.byTask.get(keyOf(task))?.worker === worker;
  }

  /** To be called now and then. */
  look(nowMs: number): void {
    for (const [key, { untilMs }] of this.byTask) {
      if (untilMs > nowMs) return;
      this.byTask.delete(key);
    }
  }
}

const keyOf = ({ runId, action, item }: DueTask): string => taskKey(runId, action, item, 0);
