/** RequestEnded: a run that an actor of this partition wanted has ended. Told of every end of that run. */
import type { RequestEnded } from "@holdfast/proto";
import { saveActor } from "../../actor/actor.js";
import { childEnded, requestingAction } from "../../actor/child-end.js";
import { requestingSchedule, scheduledRunEnded } from "../../schedule/fire.js";
import type { FoldContext } from "../context.js";

export function requestEnded(ctx: FoldContext, told: RequestEnded): void {
  const schedule = requestingSchedule(ctx, told.requester);
  if (schedule !== undefined && told.ended !== undefined)
    scheduledRunEnded(schedule, told.ended.runId, told.ended.status);
  const found = requestingAction(ctx, told.requester);
  if (found === undefined) return;
  if (childEnded(found.actor, found.action, found.attempt, told)) saveActor(found.actor);
}
