/**
 * Attempts that a worker should have begun by now (schedule-to-start), when their timer fires: ended where nobody has them.
 *
 * 1. While this node has not heard for long enough since it was deaf, workers could not take anything: the judgement is put off. Of those
 *    put off at most `PUT_OFF_MAX` are kept; the timers of others ask again.
 */
import { type FoldEffect, taskKey } from "@holdfast/core";
import { TaskRefSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { Processor } from "../partition/processor.js";
import type { Flights } from "./flights.js";
import type { ReadyTasks } from "./ready-tasks.js";
import { type Reaper, type Serving, servingText } from "./reaper.js";

const PUT_OFF_MAX = 10_000;

type OverdueEffect = Extract<FoldEffect, { kind: "overdue" }>;

export interface OverdueDeps {
  readonly inFlight: Flights;
  readonly ready: ReadyTasks;
  readonly reaper: Reaper;
  readonly serving: Serving;
}

export class Overdue {
  private putOff: { readonly partition: Processor; readonly effect: OverdueEffect }[] = [];

  constructor(private readonly deps: OverdueDeps) {}

  judge(partition: Processor, effect: OverdueEffect, now: boolean): void {
    const { inFlight, ready, reaper, serving } = this.deps;
    const { runId, action, item, attempt, limitMs } = effect;
    const key = taskKey(runId, action, item, attempt);
    if (inFlight.has(key)) return;
    if (!now) {
      if (this.putOff.length < PUT_OFF_MAX) this.putOff.push({ partition, effect });
      return;
    }
    const needed = ready.aside.remove(key);
    ready.remove(key);
    const info = partition.taskInfo(runId, action);
    const queue = info?.queue ?? "";
    const ref = init(TaskRefSchema, { runId, action, item: item < 0 ? undefined : item, attempt });
    const workers = serving(queue, info?.workflow ?? "", needed);
    reaper.neverBegun(partition, ref, limitMs, servingText(queue, workers, needed));
  }

  /** Those whose attempt is over by now are ended in vain, which the fold passes over. */
  judgePutOff(): void {
    if (this.putOff.length === 0) return;
    const due = this.putOff;
    this.putOff = [];
    for (const { partition, effect } of due) this.judge(partition, effect, true);
  }
}
