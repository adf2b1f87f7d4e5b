/** NeedTold: until when the action that began a run needs it, or that it does no more: then the next sweep may take it. */
import type { NeedTold } from "@holdfast/proto";
import { loadActor, saveActor } from "../../actor/actor.js";
import { carryForward } from "../../actor/expiry.js";
import { mayBeNeeded } from "../../actor/needed.js";
import { isSameRequester } from "../../actor/requester.js";
import { isRunTerminal } from "../../status.js";
import type { FoldContext } from "../context.js";

export function needTold(ctx: FoldContext, { requester, runId, untilNs }: NeedTold): void {
  const actor = loadActor(ctx, runId);
  if (actor === undefined || requester === undefined) return;
  const { run } = actor;
  // Of a run that was set off again the answer is out of date: it is asked for anew once that has ended.
  if (!isRunTerminal(run.status) || !mayBeNeeded(run) || !isSameRequester(run.requester, requester)) return;
  if (untilNs === 0n) run.unneeded = true;
  else if (untilNs > run.expiryNs) carryForward(ctx.view, runId, run, untilNs);
  else return;
  saveActor(actor);
}
