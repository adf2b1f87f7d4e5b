/**
 * Ends attempts that nobody will ever finish: reports each through the log as failed, with the reason, and never in silence.
 *
 * 1. It decides nothing of what follows: the fold takes a report for the current attempt alone, and the retry policy has the last word.
 * 2. Each is logged and counted by reason.
 */
import { NEVER_BEGUN } from "@holdfast/core";
import {
  FailureMode,
  FailureSchema,
  Source,
  type TaskRef,
  type TaskReport,
  TaskReportSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { Logger, MetricsRegistry } from "@holdfast/telemetry";
import type { Needed } from "../partition/needed.js";
import type { PortError } from "../ports/errors.js";
import type { Processor } from "../partition/processor.js";
import type { InFlight } from "./workers.js";

export type ReapReason =
  | "worker_lost"
  | "start_to_close"
  | "schedule_to_start"
  | "cancelled_unsent"
  | "input_unavailable";

interface Verdict {
  readonly reason: ReapReason;
  readonly mode: FailureMode;
  readonly source: Source;
  readonly message: string;
  readonly worker?: string;
  readonly code?: string;
}

/** How many workers take tasks of a workflow from a queue, and have the function where one is named. */
export type Serving = (queue: string, workflow: string, needed?: Needed) => number;

/** Who serves a queue, for people: "no worker serves queue default" or "its 3 workers are busy". `needed`: what a worker was found to lack. */
export function servingText(queue: string, workers: number, needed?: Needed): string {
  if (workers === 0 && needed !== undefined) return `no worker of queue "${queue}" has ${needed.text}`;
  if (workers === 0) return `no worker serves queue "${queue}" for this workflow`;
  return workers === 1
    ? `the worker of queue "${queue}" has no room`
    : `the ${workers} workers of queue "${queue}" have no room`;
}

export class Reaper {
  private readonly reaped: (reason: ReapReason) => { inc(by?: number): void };

  constructor(
    private readonly logger: Logger,
    registry: MetricsRegistry,
  ) {
    const counter = registry.counter({
      name: "holdfast_reaped_attempts_total",
      help: "Attempts that the owner ended since nobody else would, by reason; where it grows, workers die, hang or run out of time",
      labels: ["reason"],
    });
    this.reaped = (reason) => counter.labels(reason);
  }

  /** Its worker fell silent, ended, or does not know it. */
  lost(flight: InFlight, why: string, nowMs: number): void {
    const { id: worker, process } = flight.worker;
    const hadS = ((nowMs - flight.sentAtMs) / 1_000).toFixed(1);
    this.end(flight.partition, refOf(flight), {
      reason: "worker_lost",
      mode: FailureMode.WORKER_LOST,
      source: Source.LOST_WORKER,
      message: `worker ${worker}${process === "" ? "" : ` (${process})`} was lost: ${why}; it had this task for ${hadS} s`,
      worker,
    });
  }

  /** Its worker neither finished it nor gave it up in time. */
  tookTooLong(flight: InFlight): void {
    const worker = flight.worker.id;
    this.end(flight.partition, refOf(flight), {
      reason: "start_to_close",
      mode: FailureMode.TIMEOUT,
      source: Source.TIMEOUT,
      message: `no result within ${flight.task.startToCloseMs} ms (start_to_close) from worker ${worker}`,
      worker,
    });
  }

  /** No worker has it, though one should. */
  neverBegun(partition: Processor, ref: TaskRef, limitMs: number, serving: string): void {
    this.end(partition, ref, {
      reason: "schedule_to_start",
      mode: FailureMode.TIMEOUT,
      source: Source.TIMEOUT,
      code: NEVER_BEGUN,
      message: `no worker began it within ${limitMs} ms (schedule_to_start): ${serving}`,
    });
  }

  /** What a handler would have been given can't be had, however often it is tried: it has no worker yet. */
  neverMade(flight: InFlight, { code, message }: PortError): void {
    this.end(flight.partition, refOf(flight), {
      reason: "input_unavailable",
      mode: code === "not-found" ? FailureMode.NOT_FOUND : FailureMode.VALIDATION,
      source: Source.ENGINE,
      message,
    });
  }

  /** Its run is being cancelled, and no worker has it: it is not waited for. */
  cancelledUnsent(partition: Processor, ref: TaskRef): void {
    this.end(partition, ref, {
      reason: "cancelled_unsent",
      mode: FailureMode.CANCELLED,
      source: Source.OPERATOR,
      message: "cancelled before a worker had it",
    });
  }

  private end(partition: Processor, ref: TaskRef, verdict: Verdict): void {
    const { reason, mode, source, message, worker = "", code = "" } = verdict;
    const { runId, action, item, attempt } = ref;
    this.reaped(reason).inc();
    if (reason !== "cancelled_unsent")
      this.logger.warn("an attempt is ended for whoever had it", {
        run: runId,
        action: String(action),
        item,
        attempt,
        why: message,
      });
    const failure = init(FailureSchema, { mode, message, source, code });
    const report: TaskReport = init(TaskReportSchema, {
      runId,
      action,
      item,
      attempt,
      worker,
      outcome: { case: "failure", value: failure },
    });
    partition.reportFor(report);
  }
}

const refOf = ({ task }: InFlight): TaskRef => ({
  $typeName: "holdfast.v1.TaskRef",
  runId: task.runId,
  action: task.action,
  attempt: task.attempt,
  runningMs: 0,
  ...(task.item < 0 ? {} : { item: task.item }),
});
