/**
 * RetryRequested: whoever wanted a run wants what failed of it tried again.
 *
 * Answered as a start is: by a refusal where the run is not theirs (any more), by the end that it has had where there is nothing to
 * retry or a person is needed, else when it ends.
 */
import { RejectCode, type RetryRequested, RunStatus } from "@holdfast/proto";
import { loadActor, saveActor } from "../../actor/actor.js";
import { reopen } from "../../actor/reopen.js";
import { isSameRequester, refuseRequest, tellRequester } from "../../actor/requester.js";
import { endedOf } from "../../actor/run-end.js";
import { quoted } from "../../names.js";
import { isRunTerminal } from "../../status.js";
import type { FoldContext } from "../context.js";

export function retryRequested(
  ctx: FoldContext,
  { runId, requester, strategy, force }: RetryRequested,
): void {
  if (requester?.of.case === undefined) return;
  const actor = loadActor(ctx, runId);
  if (actor === undefined || !isSameRequester(actor.run.requester, requester)) {
    const code = RejectCode.RUN_NOT_FOUND;
    refuseRequest(ctx, requester, runId, { code, message: `there is no such run ${quoted(runId)} any more` });
    return;
  }
  const { run } = actor;
  run.requester = requester;
  if (isRunTerminal(run.status) && run.recoverAtNs === 0n) {
    const refused =
      run.status === RunStatus.COMPLETED ||
      reopen(actor, { strategy, force, who: requesterName(requester), reason: "" }).refused !== undefined;
    if (refused) tellRequester(actor, endedOf(actor));
    else run.recoveries = 0;
  }
  saveActor(actor);
}

const requesterName = ({ of }: NonNullable<RetryRequested["requester"]>): string =>
  of.case === "action" ? `run ${of.value.runId}` : "";
