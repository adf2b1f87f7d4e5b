/** Ends what is open of a run because somebody asked for it; what had succeeded stays in the ledger. */
import { CancelRequestSchema, RunEventType } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { WHO_CHARS_MAX } from "../limits.js";
import { cutText } from "../text.js";
import { cancelAction } from "./actions.js";
import { type Actor, addEvent } from "./actor.js";
import { endRun } from "./run-end.js";

const REASON_CHARS_MAX = 512;

/** Of a run that has not ended. */
export function cancelActor(actor: Actor, asked: { readonly who: string; readonly reason: string }): void {
  const { run, ctx } = actor;
  const who = cutText(asked.who, WHO_CHARS_MAX);
  const reason = cutText(asked.reason || "no reason given", REASON_CHARS_MAX);
  run.cancel = init(CancelRequestSchema, { who, reason, atNs: ctx.atNs });
  addEvent(actor, RunEventType.CANCEL_REQUESTED, {
    runStatus: run.status,
    detail: who === "" ? reason : `by ${who}: ${reason}`,
  });
  for (const action of actor.plan.actions) cancelAction(actor, action, reason);
  endRun(actor);
}
