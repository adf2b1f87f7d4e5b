/** Told what became of one report's append. A class, not closures: there is one for each task. */
import type { PortError, Receipt } from "@holdfast/engine";
import type { TaskReport } from "@holdfast/proto";
import type { HeldTask } from "./held-task.js";

export interface ReportOwner {
  onReported(held: HeldTask): void;
  onUnreported(held: HeldTask, report: TaskReport, error: PortError): void;
}

export class ReportReceipt implements Receipt {
  constructor(
    readonly owner: ReportOwner,
    readonly held: HeldTask,
    readonly report: TaskReport,
  ) {}

  stored(): void {
    this.owner.onReported(this.held);
  }

  failed(error: PortError): void {
    this.owner.onUnreported(this.held, this.report, error);
  }
}
