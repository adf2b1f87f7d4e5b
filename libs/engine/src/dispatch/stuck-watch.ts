/**
 * Notices due work that no worker takes: of actions that have not moved for longer than they should, one finding for each.
 *
 * 1. How long is told from state, by the log's time (`dueSinceNs`), so a new owner, or a node that starts anew, counts on where the last one was.
 * 2. What this node has only just found is left out: workers may have it, or are about to take it.
 * 3. A look costs one comparison for each ready task, and one look at state for each action of a run that may be stuck.
 */
import type { EngineLimits } from "../partition/limits.js";
import type { StuckWork } from "../partition/announcer.js";
import type { Processor } from "../partition/processor.js";
import type { ReadyTask, ReadyTasks } from "./ready-tasks.js";
import type { Serving } from "./reaper.js";

const LOOK_MS_MAX = 60_000;
/** For how long workers are waited for that may have a task, or take it. */
const JUST_FOUND_MS = 10_000;
const MS = 1_000_000n;

export class StuckWatch {
  private lookedMs = 0;
  private readonly pauseMs: number;
  private readonly justFoundMs: number;

  constructor(
    private readonly ready: ReadyTasks,
    private readonly deps: { readonly limits: Pick<EngineLimits, "stuckAfterMs"> },
    private readonly serving: Serving,
  ) {
    const { stuckAfterMs } = deps.limits;
    this.pauseMs = Math.min(stuckAfterMs / 4, LOOK_MS_MAX);
    this.justFoundMs = Math.min(stuckAfterMs, JUST_FOUND_MS);
  }

  /** To be called now and then, with the time as this node heard it, and for how long it has heard without a break. */
  look(heardMs: number, forMs: number): void {
    // While it did not hear, nobody could take anything.
    if (heardMs - this.lookedMs < this.pauseMs || forMs < this.justFoundMs) return;
    this.lookedMs = heardMs;
    let nowNs = 0n;
    for (const [{ logTime }] of this.ready.byPartition) if (logTime.nowNs() > nowNs) nowNs = logTime.nowNs();
    const beforeNs = nowNs - BigInt(this.deps.limits.stuckAfterMs) * MS;
    const found = new Map<Processor, Map<string, StuckWork>>();
    const looked: Sinces = new Map();
    for (const task of this.ready.dueBefore(beforeNs, heardMs - this.justFoundMs)) {
      const { partition, workflow, action, queue, needed } = task;
      const sinceNs = sinceOf(task, looked);
      if (sinceNs === undefined || sinceNs > beforeNs) continue;
      const actions = found.get(partition) ?? new Map<string, StuckWork>();
      found.set(partition, actions);
      const key = needed?.key ?? `${workflow}/${action}/${queue}`;
      const known = actions.get(key);
      const tasks = (known?.tasks ?? 0) + 1;
      if (known !== undefined && known.sinceNs <= sinceNs) {
        actions.set(key, { ...known, tasks });
        continue;
      }
      const workers = known?.workers ?? this.serving(queue, workflow, needed);
      const waitedMs = Number((nowNs - sinceNs) / MS);
      actions.set(key, { oldest: task, sinceNs, waitedMs, tasks, workers, needed });
    }
    for (const [partition] of this.ready.byPartition)
      partition.stuck([...(found.get(partition)?.values() ?? [])]);
  }
}

/** By run and action. */
type Sinces = Map<string, bigint | undefined>;

/** Since when a task waits for a worker and for nothing else; undefined: it does not. */
function sinceOf(task: ReadyTask, looked: Sinces): bigint | undefined {
  const key = `${task.runId}/${task.action}`;
  if (looked.has(key)) return looked.get(key);
  const sinceNs = task.partition.dueSince(task);
  looked.set(key, sinceNs);
  return sinceNs;
}
