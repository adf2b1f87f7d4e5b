/**
 * StartRequested: another actor wants a run. The run id says which, so that the same request twice is one run.
 *
 * 1. A run that somebody else began is not taken for the requested one: the request is refused.
 * 2. Every request is answered: now by a refusal or the end that it has had already, else when the run ends.
 */
import { RejectCode, RunStatus, type StartRequested } from "@holdfast/proto";
import { loadActor, saveActor } from "../../actor/actor.js";
import { beginRun, nameRefusal } from "../../actor/begin-run.js";
import { isSameRequester, refuseRequest, tellRequester } from "../../actor/requester.js";
import { endedOf } from "../../actor/run-end.js";
import { isRunTerminal } from "../../status.js";
import type { FoldContext } from "../context.js";

export function startRequested(ctx: FoldContext, { start, requester }: StartRequested): void {
  if (start === undefined || requester?.of.case === undefined) return;
  const { runId } = start;
  const badName = nameRefusal(start);
  if (badName !== undefined) {
    refuseRequest(ctx, requester, runId, badName);
    return;
  }
  const existing = loadActor(ctx, runId);
  if (existing === undefined) {
    const begun = beginRun(ctx, start, { requester });
    if ("code" in begun) refuseRequest(ctx, requester, runId, begun);
    return;
  }
  const { run } = existing;
  if (run.workflow !== start.workflow || !isSameRequester(run.requester, requester)) {
    refuseRequest(ctx, requester, runId, {
      code: RejectCode.RUN_EXISTS,
      message: `run ${runId} exists already, of workflow "${run.workflow}", ${RunStatus[run.status]}, and was begun by somebody else: remove what uses its id`,
    });
    return;
  }
  run.requester = requester;
  saveActor(existing);
  if (isRunTerminal(run.status) && run.recoverAtNs === 0n) tellRequester(existing, endedOf(existing));
}
