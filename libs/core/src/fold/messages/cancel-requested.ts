/** CancelRequested: whoever wanted a run wants it no longer. Of a run that has ended, a recovery that is to come does not come. */
import type { CancelRequested } from "@holdfast/proto";
import { loadActor, saveActor } from "../../actor/actor.js";
import { cancelActor } from "../../actor/cancel.js";
import { isSameRequester, tellRequester } from "../../actor/requester.js";
import { endedOf } from "../../actor/run-end.js";
import { isRunTerminal } from "../../status.js";
import type { FoldContext } from "../context.js";

export function cancelRequested(ctx: FoldContext, { runId, requester, reason }: CancelRequested): void {
  const actor = loadActor(ctx, runId);
  if (actor === undefined || requester === undefined) return;
  const { run } = actor;
  if (!isSameRequester(run.requester, requester)) return;
  if (!isRunTerminal(run.status)) {
    const who = requester.of.case === "action" ? `run ${requester.of.value.runId}` : "";
    cancelActor(actor, { who, reason });
  } else if (run.recoverAtNs > 0n) {
    run.recoverAtNs = 0n;
    tellRequester(actor, endedOf(actor));
  } else return;
  saveActor(actor);
}
