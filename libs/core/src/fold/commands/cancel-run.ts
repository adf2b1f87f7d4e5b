/** CancelRun: ends what is open of a run, now; what had succeeded stays in the ledger. */
import {
  CancelRequestSchema,
  type CancelRun,
  type Command,
  RejectCode,
  RunEventType,
  RunStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { cancelAction } from "../../actor/actions.js";
import { addEvent, loadActor, saveActor } from "../../actor/actor.js";
import { endRun } from "../../actor/run-end.js";
import { undoProgress } from "../../actor/undo.js";
import { isRunTerminal } from "../../status.js";
import { cutText } from "../../text.js";
import { absentText } from "../../views/absent.js";
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
      RejectCode.RUN_NOT_FOUND,
      absentText(ctx.view, ctx.applied, cancel.runId),
      cancel.runId,
    );
  }
  const { run } = actor;
  if (isRunTerminal(run.status)) {
    const message = `run ${cancel.runId} has ended already: it is ${RunStatus[run.status]}`;
    return ctx.reject(command, RejectCode.ALREADY_ENDED, message, cancel.runId, run.status);
  }
  if (run.undo !== undefined) {
    const message = `run ${cancel.runId} has ended but for its compensation, which a cancel does not stop: ${undoProgress(actor)} undone; it ends by itself after the last`;
    return ctx.reject(command, RejectCode.ALREADY_ENDED, message, cancel.runId, run.status);
  }
  const reason = cutText(cancel.reason || "no reason given", 512);
  run.cancel = init(CancelRequestSchema, { who: cutText(cancel.who, 128), reason, atNs: ctx.atNs });
  addEvent(actor, RunEventType.CANCEL_REQUESTED, {
    runStatus: run.status,
    detail: cancel.who === "" ? reason : `by ${cutText(cancel.who, 128)}: ${reason}`,
  });
  for (const action of actor.plan.actions) cancelAction(actor, action, reason);
  endRun(actor);
  saveActor(actor);
  return ctx.accept(command, { runId: cancel.runId, status: run.status });
}
