/** RequestRefused: a run that an actor of this partition wanted can't be had. */
import type { RequestRefused } from "@holdfast/proto";
import { saveActor } from "../../actor/actor.js";
import { childRefused, requestingAction } from "../../actor/child-end.js";
import { requestingSchedule, scheduledRunRefused } from "../../schedule/fire.js";
import type { FoldContext } from "../context.js";

export function requestRefused(ctx: FoldContext, told: RequestRefused): void {
  const schedule = requestingSchedule(ctx, told.requester);
  if (schedule !== undefined) scheduledRunRefused(schedule, told.runId, told.message);
  const found = requestingAction(ctx, told.requester);
  if (found === undefined) return;
  if (childRefused(found.actor, found.action, found.attempt, told)) saveActor(found.actor);
}
