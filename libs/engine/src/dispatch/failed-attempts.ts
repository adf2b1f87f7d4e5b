/** What the owner reports of an attempt whose worker can't say how it ended. */
import {
  FailureMode,
  FailureSchema,
  Source,
  type TaskRef,
  type TaskReport,
  TaskReportSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { InFlight } from "./workers.js";

export const lostAttempt = (flight: InFlight, why: string): TaskReport =>
  report(flight, FailureMode.WORKER_LOST, Source.LOST_WORKER, `worker ${flight.worker.id} was lost: ${why}`);

export const timedOutAttempt = (flight: InFlight): TaskReport =>
  report(
    flight,
    FailureMode.TIMEOUT,
    Source.TIMEOUT,
    `no result within ${flight.task.startToCloseMs} ms (start_to_close) from worker ${flight.worker.id}`,
  );

/** Of a run that is being cancelled: no worker has it, so nothing of it was begun. */
export const unsentAttempt = ({ runId, action, item, attempt }: TaskRef): TaskReport =>
  init(TaskReportSchema, {
    runId,
    action,
    item,
    attempt,
    outcome: {
      case: "failure",
      value: init(FailureSchema, {
        mode: FailureMode.CANCELLED,
        message: "cancelled before a worker had it",
        source: Source.OPERATOR,
      }),
    },
  });

function report({ task, worker }: InFlight, mode: FailureMode, source: Source, message: string): TaskReport {
  return init(TaskReportSchema, {
    runId: task.runId,
    action: task.action,
    item: task.item < 0 ? undefined : task.item,
    attempt: task.attempt,
    worker: worker.id,
    outcome: { case: "failure", value: init(FailureSchema, { mode, message, source }) },
  });
}
