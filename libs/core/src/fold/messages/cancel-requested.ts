/** CancelRequested: whoever wanted a run wants it no longer. Of a run that has ended, a recovery that is to come does not come. */
import type { CancelRequested } from "@holdfast/proto";
import { loadActor, saveActor } from "../../actor/actor.js";
import { cancelActor, cancelRecovery } from "../../actor/cancel.js";
import { isSameRequester } from "../../actor/requester.js";
import { CANCEL_GRACE_MS_MAX } from "../../limits.js";
import { isRunTerminal } from "../../status.js";
import type { FoldContext } from "../context.js";

export function cancelRequested(
  ctx: FoldContext,
  { runId, requester, reason, graceMs }: CancelRequested,
): void {
  const actor = loadActor(ctx, runId);
  if (actor === undefined || requester === undefined) return;
  const { run } = actor;
  // A compensation goes on: whoever wanted the run is told of the end that it leads to.
  if (!isSameRequester(run.requester, requester) || run.undo !== undefined) return;
  const who = requester.of.case === "action" ? `run ${requester.of.value.runId}` : "";
  if (!isRunTerminal(run.status)) {
    cancelActor(actor, { who, reason, graceMs: Math.min(graceMs, CANCEL_GRACE_MS_MAX) });
  } else if (run.recoverAtNs > 0n) cancelRecovery(actor, { who, reason });
  else return;
  saveActor(actor);
}
