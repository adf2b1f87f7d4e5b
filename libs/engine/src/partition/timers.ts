/** The timers of a partition, for whoever wonders what can still happen by itself. */
import { runKey, TIMERS_FROM, TIMERS_TO } from "@holdfast/core";
import { TimerKind, type TimerRecord } from "@holdfast/proto";
import type { PartitionState } from "./state.js";

export interface PendingTimer {
  /** `other`: of something that more than one run may wait for. */
  readonly of: "schedule" | "run" | "other";
  /** Empty where it is of no one run. */
  readonly runId: string;
  /** A schedule began that run. */
  readonly scheduled: boolean;
}

/** The first ones to fire; without those that only forget. */
export async function pendingTimers(state: PartitionState, limit: number): Promise<PendingTimer[]> {
  const rows = await state.range(TIMERS_FROM, TIMERS_TO, limit);
  return rows.flatMap(([, row]): PendingTimer[] => {
    const { kind, runId } = row as TimerRecord;
    if (kind === TimerKind.FORGET_OUTCOME) return [];
    if (kind === TimerKind.SCHEDULE) return [{ of: "schedule", runId: "", scheduled: false }];
    if (runId === "") return [{ of: "other", runId, scheduled: false }];
    return [{ of: "run", runId, scheduled: state.get(runKey(runId))?.requester?.of.case === "schedule" }];
  });
}
