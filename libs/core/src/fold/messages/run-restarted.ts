/** RunRestarted: another run, of the same workflow, has begun in the place of one of this partition. Noted once, where that is still there. */
import type { RunRestarted } from "@holdfast/proto";
import { loadActor, saveActor } from "../../actor/actor.js";
import { notePlaceTaken } from "../../actor/restart.js";
import { isRunId } from "../../names.js";
import type { FoldContext } from "../context.js";

export function runRestarted(ctx: FoldContext, { restarts, runId, workflow }: RunRestarted): void {
  if (restarts === undefined || !isRunId(runId) || runId === restarts.runId) return;
  const actor = loadActor(ctx, restarts.runId);
  if (actor === undefined || actor.run.workflow !== workflow) return;
  if (notePlaceTaken(actor, runId, restarts)) saveActor(actor);
}
