/** RequestReopened: a run that a schedule of this partition began, and that had ended, goes on. */
import type { RequestReopened } from "@holdfast/proto";
import { requestingSchedule, scheduledRunReopened } from "../../schedule/fire.js";
import type { FoldContext } from "../context.js";

export function requestReopened(ctx: FoldContext, { requester, runId }: RequestReopened): void {
  const schedule = requestingSchedule(ctx, requester);
  if (schedule === undefined || requester?.of.case !== "schedule") return;
  scheduledRunReopened(schedule, runId, requester.of.value.instantNs);
}
