/**
 * CancelRun: ends what is open of a run, at once or after a grace; what had succeeded stays in the ledger. Of a run that has failed and is
 * to be recovered by itself, that recovery does not come.
 */
import { type CancelRun, type Command, RejectCode } from "@holdfast/proto";
import { loadActor, saveActor } from "../../actor/actor.js";
import { cancelActor, cancelRefusal } from "../../actor/cancel.js";
import { CANCEL_GRACE_MS_MAX } from "../../limits.js";
import { absentCode, absentText } from "../../views/absent.js";
import type { FoldContext } from "../context.js";

export function cancelRun(
  ctx: FoldContext,
  command: Command,
  cancel: CancelRun,
): ReturnType<FoldContext["accept"]> {
  const actor = loadActor(ctx, cancel.runId);
  if (actor === undefined) {
    return ctx.reject(
      command,
      absentCode(ctx.view, ctx.applied, cancel.runId),
      absentText(ctx.view, ctx.applied, cancel.runId),
      cancel.runId,
    );
  }
  const { run } = actor;
  const refused = cancelRefusal(actor);
  if (refused !== undefined)
    return ctx.reject(command, RejectCode.ALREADY_ENDED, refused, cancel.runId, run.status);
  // Absent from commands of before there was a grace: they mean what they meant.
  const graceMs = cancel.graceMs ?? 0;
  if (graceMs > CANCEL_GRACE_MS_MAX) {
    const message = `run ${cancel.runId} can't be cancelled with a grace of ${graceMs} ms: at most ${CANCEL_GRACE_MS_MAX} are allowed`;
    return ctx.reject(command, RejectCode.MALFORMED, message, cancel.runId, run.status);
  }
  cancelActor(actor, { who: cancel.who, reason: cancel.reason, graceMs });
  saveActor(actor);
  return ctx.accept(command, { runId: cancel.runId, status: run.status });
}
