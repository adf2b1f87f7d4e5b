/** Plays an external batch action by hand: what the outside system does with its jobs. */
import { BatchPhase, type BatchResult, type Outcome, type TaskReport } from "@holdfast/proto";
import { checkedJob, itemsAtWork, results, submittedJob } from "./batch-moves.js";
import { report } from "./build.js";
import type { TestPartition } from "./partition.js";

export class JobScript {
  constructor(
    readonly partition: TestPartition,
    readonly runId: string,
    readonly name: string,
  ) {}

  get index(): number {
    return this.partition.actionPlan(this.runId, this.name).index;
  }

  get phase(): BatchPhase {
    return this.partition.action(this.runId, this.name).batch?.phase ?? BatchPhase.UNSPECIFIED;
  }

  /** The items that the job still works on. */
  get items(): number[] {
    return itemsAtWork(this.partition, { runId: this.runId, action: this.index });
  }

  /** Reports of the action's current attempt. */
  report(outcome: TaskReport["outcome"], attempt = this.attempt): Outcome["result"] {
    return this.partition.send(report(this.runId, { action: this.index, attempt, outcome }));
  }

  get attempt(): number {
    return this.partition.action(this.runId, this.name).attempt;
  }

  submit(handle: Parameters<typeof submittedJob>[0] = "job-1"): void {
    this.report(submittedJob(handle));
  }

  /** Lets time pass until the job is to be checked. */
  untilCheck(): void {
    for (let i = 0; i < 100 && this.phase !== BatchPhase.CHECKING; i++) this.partition.pass(1_000);
    if (this.phase !== BatchPhase.CHECKING) throw new Error(`no check of ${this.name} came`);
  }

  /** Lets time pass until the job is to be checked, and answers. */
  check(fields: Parameters<typeof checkedJob>[0]): Outcome["result"] {
    this.untilCheck();
    return this.report(checkedJob(fields));
  }

  /** Brings results of the check that is under way. */
  bring(brought: BatchResult[], attempt = this.attempt): Outcome["result"] {
    return this.partition.send(results(this.runId, { action: this.index, attempt, results: brought }));
  }
}
