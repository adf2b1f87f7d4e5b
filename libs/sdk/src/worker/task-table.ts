/**
 * The tasks that a worker holds, and those it has just let go.
 *
 * 1. An attempt that is held or was reported lately is not taken again, however often it is sent.
 * 2. A task of an owner that another has followed is not taken: its partition's highest epoch decides.
 */
import type { Task, TaskRef } from "@holdfast/proto";
import { HeldTask, taskKey } from "./held-task.js";

export class TaskTable {
  readonly #held = new Map<string, HeldTask>();
  readonly #reported = new Set<string>();
  /** The keys in `#reported` by age, round and round: asking a set for its oldest entry is slow. */
  readonly #order: string[] = [];
  #next = 0;
  readonly #epochs = new Map<number, bigint>();
  readonly #maxRemembered: number;

  constructor(maxRemembered: number) {
    this.#maxRemembered = maxRemembered;
  }

  get size(): number {
    return this.#held.size;
  }

  values(): IterableIterator<HeldTask> {
    return this.#held.values();
  }

  /** Undefined where it is not to be run. */
  take(task: Task): HeldTask | undefined {
    const epoch = this.#epochs.get(task.partition);
    if (epoch !== undefined && task.epoch < epoch) return undefined;
    if (epoch !== task.epoch) this.#epochs.set(task.partition, task.epoch);
    const key = taskKey(task.runId, task.action, task.item, task.attempt);
    if (this.#held.has(key) || this.#reported.has(key)) return undefined;
    const held = new HeldTask(key, task);
    this.#held.set(key, held);
    return held;
  }

  find(ref: TaskRef): HeldTask | undefined {
    return this.#held.get(taskKey(ref.runId, ref.action, ref.item, ref.attempt));
  }

  /** Its report is in the log. */
  letGo(held: HeldTask): void {
    if (!this.#held.delete(held.key)) return;
    const oldest = this.#order[this.#next];
    if (oldest !== undefined) this.#reported.delete(oldest);
    this.#order[this.#next] = held.key;
    this.#reported.add(held.key);
    this.#next = (this.#next + 1) % this.#maxRemembered;
  }

  refs(nowMs: number): TaskRef[] {
    return Array.from(this.#held.values(), ({ task, phase, beganMs }): TaskRef => {
      const ref: TaskRef = {
        $typeName: "holdfast.v1.TaskRef",
        runId: task.runId,
        action: task.action,
        attempt: task.attempt,
        runningMs: phase === "waiting" ? 0 : Math.max(0, Math.round(nowMs - beganMs)),
      };
      if (task.item !== undefined) ref.item = task.item;
      return ref;
    });
  }
}
