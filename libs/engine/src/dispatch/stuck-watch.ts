/**
 * Notices due work that no worker takes: tasks that have been ready for longer than they should, one finding for each action.
 *
 * 1. Costs what is stuck, not what is ready: tasks are kept in the order in which they became ready.
 */
import type { EngineLimits } from "../partition/limits.js";
import type { StuckWork } from "../partition/announcer.js";
import type { Processor } from "../partition/processor.js";
import type { ReadyTasks } from "./ready-tasks.js";

const LOOK_MS_MAX = 60_000;

export class StuckWatch {
  private lookedMs = 0;
  private readonly pauseMs: number;

  constructor(
    private readonly ready: ReadyTasks,
    private readonly limits: Pick<EngineLimits, "stuckAfterMs">,
    private readonly serving: (queue: string, workflow: string) => number,
  ) {
    this.pauseMs = Math.min(limits.stuckAfterMs / 4, LOOK_MS_MAX);
  }

  /** To be called now and then. */
  look(nowMs: number): void {
    if (nowMs - this.lookedMs < this.pauseMs) return;
    this.lookedMs = nowMs;
    const found = new Map<Processor, Map<string, StuckWork>>();
    for (const task of this.ready.since(nowMs - this.limits.stuckAfterMs)) {
      const { partition, workflow, action, queue } = task;
      const of = found.get(partition) ?? new Map<string, StuckWork>();
      found.set(partition, of);
      const key = `${workflow}/${action}/${queue}`;
      const known = of.get(key);
      if (known !== undefined) of.set(key, { ...known, tasks: known.tasks + 1 });
      else if (partition.isDue(task)) {
        const workers = this.serving(queue, workflow);
        of.set(key, { oldest: task, waitedMs: nowMs - task.sinceMs, tasks: 1, workers });
      }
    }
    for (const [partition] of this.ready.byPartition)
      partition.stuck([...(found.get(partition)?.values() ?? [])]);
  }
}
