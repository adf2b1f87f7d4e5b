/**
 * Sees due work that stands still beside an idle worker that takes it, which is a defect: has it looked up again, and tells of it.
 *
 * 1. What is ready, or known to wait for room that there is, moves within seconds; else whoever was to move it is begun anew.
 * 2. Where all seems to be done, whether it is: all active runs are looked at, more and more seldom while nothing happens.
 * 3. Time counts only while this node hears: while it stands still, everything does.
 */
import type { Processor } from "../partition/processor.js";
import type { ReadyTasks } from "./ready-tasks.js";
import type { Workers } from "./workers.js";

const LOOK_MS = 1_000;
const STILL_MS = 5_000;
const STILL_MAX_MS = 600_000;

export interface StallWatchDeps {
  readonly ready: ReadyTasks;
  readonly workers: Workers;
  /** Ready tasks are given to workers. */
  readonly pump: () => void;
}

/** What something had come to when it was seen to move last. */
interface Still {
  mark: number;
  sinceMs: number;
  patienceMs: number;
}

export class StallWatch {
  private lookedMs = 0;
  private stills = new Map<Processor, Map<string, Still>>();

  constructor(private readonly deps: StallWatchDeps) {}

  /** To be called now and then, with the time as this node hears it. */
  look(nowMs: number): void {
    if (nowMs - this.lookedMs < LOOK_MS) return;
    this.lookedMs = nowMs;
    const stills = new Map<Processor, Map<string, Still>>();
    for (const [partition] of this.deps.ready.byPartition) {
      if (partition.phase !== "acting") continue;
      const before = this.stills.get(partition);
      const now = new Map<string, Still>();
      stills.set(partition, now);
      this.lookAt(partition, (what, mark) => {
        const still = before?.get(what);
        if (still === undefined || still.mark !== mark) {
          now.set(what, { mark, sinceMs: nowMs, patienceMs: STILL_MS });
          return false;
        }
        now.set(what, still);
        if (nowMs - still.sinceMs < still.patienceMs) return false;
        still.sinceMs = nowMs;
        still.patienceMs = Math.min(still.patienceMs * 2, STILL_MAX_MS);
        return true;
      });
    }
    this.stills = stills;
  }

  private lookAt(partition: Processor, isStill: (what: string, mark: number) => boolean): void {
    const { ready, pump } = this.deps;
    const load = ready.load(partition);
    const { due } = partition;
    for (const [workflow, queues] of load.lanes)
      for (const [queue, lane] of queues) {
        if (lane.ready === 0 || !this.hasIdle(queue, workflow)) continue;
        if (!isStill(`ready ${workflow}/${queue}`, lane.moved)) continue;
        partition.notices.stoodStill({ workflow, queue });
        pump();
      }
    for (const { workflow, queue } of due.waiting) {
      if (ready.room(partition, workflow, queue) === 0 || !this.hasIdle(queue, workflow)) continue;
      if (!isStill(`waits ${workflow}/${queue}`, due.looked)) continue;
      partition.notices.stoodStill({ workflow, queue });
      due.restart();
      return;
    }
    if (!due.isLooking) {
      if (load.ready === 0 && isStill("done", load.moved)) due.audit();
      return;
    }
    if (!isStill("looks", due.looked)) return;
    partition.notices.lookHangs();
    due.restart();
  }

  private hasIdle(queue: string, workflow: string): boolean {
    const { workers } = this.deps;
    return workers
      .serving(queue)
      .some((worker) => (worker.workflows?.has(workflow) ?? true) && workers.room(worker, queue) > 0);
  }
}
