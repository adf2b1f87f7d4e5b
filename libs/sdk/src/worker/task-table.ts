/**
 * The tasks that a worker holds, and those it has just let go.
 *
 * 1. An attempt that is held or was reported within half a minute is not taken again, however often it is sent; one that was given back is. What still comes
 *    after that has no end in the log: the report did not count, as of an attempt that somebody had named before its time.
 * 2. A task of an owner that another has followed is not taken: its partition's highest epoch decides. Anybody may have named that: it does not
 *    hold against an owner who goes on sending while nobody else does.
 */
import type { Task, TaskRef } from "@holdfast/proto";
import { HeldTask, taskKey } from "./held-task.js";

/** A report is folded long before. */
export const REPORTED_MS = 30_000;
/** Tasks of a lower epoch that still come after so long, with none of the higher one between, are the owner's. */
export const DOUBTED_MS = 5_000;
/** Partitions whose epochs are remembered; the one heard of first is forgotten. */
export const PARTITIONS_MAX = 4_096;

interface Epoch {
  readonly epoch: bigint;
  /** When a task of a lower one came first, since one of this epoch did; undefined: none has. */
  doubtedMs: number | undefined;
}

export class TaskTable {
  readonly #held = new Map<string, HeldTask>();
  /** When each was reported. */
  readonly #reported = new Map<string, number>();
  /** The keys in `#reported` by age, round and round: asking a set for its oldest entry is slow. */
  readonly #order: string[] = [];
  #next = 0;
  readonly #epochs = new Map<number, Epoch>();
  readonly #maxRemembered: number;

  constructor(maxRemembered: number) {
    this.#maxRemembered = maxRemembered;
  }

  get size(): number {
    return this.#held.size;
  }

  get partitionsKnown(): number {
    return this.#epochs.size;
  }

  values(): IterableIterator<HeldTask> {
    return this.#held.values();
  }

  /** Undefined where it is not to be run. */
  take(task: Task, nowMs: number): HeldTask | undefined {
    const known = this.#epochs.get(task.partition);
    if (known?.epoch === task.epoch) known.doubtedMs = undefined;
    else if (!this.#follows(task, known, nowMs)) return undefined;
    const key = taskKey(task.runId, task.action, task.item, task.attempt);
    const before = this.#held.get(key);
    if (before?.givenBack === true) before.cameAgain = task;
    if (before !== undefined) return undefined;
    const reportedMs = this.#reported.get(key);
    if (reportedMs !== undefined && nowMs - reportedMs < REPORTED_MS) return undefined;
    const held = new HeldTask(key, task);
    this.#held.set(key, held);
    return held;
  }

  #follows({ partition, epoch }: Task, known: Epoch | undefined, nowMs: number): boolean {
    if (known !== undefined && epoch < known.epoch) {
      known.doubtedMs ??= nowMs;
      if (nowMs - known.doubtedMs < DOUBTED_MS) return false;
    }
    if (known === undefined && this.#epochs.size >= PARTITIONS_MAX) {
      const [first] = this.#epochs.keys();
      if (first !== undefined) this.#epochs.delete(first);
    }
    this.#epochs.set(partition, { epoch, doubtedMs: undefined });
    return true;
  }

  find(ref: TaskRef): HeldTask | undefined {
    return this.#held.get(taskKey(ref.runId, ref.action, ref.item, ref.attempt));
  }

  /** Its report is in the log. */
  letGo(held: HeldTask, nowMs: number): void {
    if (!this.#held.delete(held.key) || held.givenBack) return;
    // One that was reported before stands in the order already.
    if (!this.#reported.has(held.key)) {
      const oldest = this.#order[this.#next];
      if (oldest !== undefined) this.#reported.delete(oldest);
      this.#order[this.#next] = held.key;
      this.#next = (this.#next + 1) % this.#maxRemembered;
    }
    this.#reported.set(held.key, nowMs);
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
