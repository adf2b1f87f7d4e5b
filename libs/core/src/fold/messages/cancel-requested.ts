/** CancelRequested: whoever wanted a run wants it no longer. Of a run that has ended, a recovery that is to come does not come. */
import type { CancelRequested } from "@holdfast/proto";
import { loadActor, saveActor } from "../../actor/actor.js";
import { cancelActor, cancelRefusal } from "../../actor/cancel.js";
import { isSameRequester } from "../../actor/requester.js";
import { CANCEL_GRACE_MS_MAX } from "../../limits.js";
import type { FoldContext } from "../context.js";

export function cancelRequested(
  ctx: FoldContext,
  { runId, requester, reason, graceMs }: CancelRequested,
): void {
  const actor = loadActor(ctx, runId);
  if (actor === undefined || requester === undefined) return;
  const { run } = actor;
  // A compensation goes on: whoever wanted the run is told of the end that it leads to.
  if (!isSameRequester(run.requester, requester) || cancelRefusal(actor) !== undefined) return;
  const who = requester.of.case === "action" ? `run ${requester.of.value.runId}` : "";
  cancelActor(actor, { who, reason, graceMs: Math.min(graceMs, CANCEL_GRACE_MS_MAX) });
  saveActor(actor);
}
