/** NeedAsked: a run that an action of this partition began would be pruned, and asks whether it is needed. Always answered. */
import type { NeedAsked } from "@holdfast/proto";
import { loadActor } from "../../actor/actor.js";
import { neededUntilNs, needTold } from "../../actor/needed.js";
import { isRunId } from "../../names.js";
import type { FoldContext } from "../context.js";
import { sendToRun } from "./send.js";

export function needAsked(ctx: FoldContext, { requester, runId }: NeedAsked): void {
  if (requester?.of.case !== "action" || !isRunId(runId)) return;
  const { runId: parentId, action } = requester.of.value;
  const untilNs = neededUntilNs(ctx, loadActor(ctx, parentId), action, runId);
  sendToRun(ctx, runId, { case: "needTold", value: needTold(requester, runId, untilNs) });
}
