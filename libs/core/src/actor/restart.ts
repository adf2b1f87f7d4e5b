/**
 * A run that begins in the place of one that ended: both say so, wherever they live.
 *
 * 1. The new run names the old one from its first moment; the old one learns of it by a message, and notes it once.
 * 2. Nothing else of the old run changes by it but that nobody has to look at it any more: what failed can still be retried.
 */
import {
  type Restart,
  RestartedAsSchema,
  RestartListSchema,
  RestartSchema,
  RejectCode,
  RunEventType,
  RunRestartedSchema,
  RunStatus,
  type StartRun,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { FoldContext } from "../fold/context.js";
import { hasRoomFor, sendToRun } from "../fold/messages/send.js";
import { REASON_CHARS_MAX, RESTARTS_KEPT_MAX, WHO_CHARS_MAX } from "../limits.js";
import { runIdProblem } from "../names.js";
import { isRunTerminal } from "../status.js";
import { cutText } from "../text.js";
import { type Actor, addEvent } from "./actor.js";
import { settleAttention } from "./attention.js";
import type { Refusal } from "./begin-run.js";
import { refileExpiry } from "./expiry.js";

/** Why a run can't take the place of that one; undefined: as far as this partition knows, it can. */
export function restartRefusal(ctx: FoldContext, start: StartRun, { runId }: Restart): Refusal | undefined {
  const problem =
    runIdProblem(runId) ??
    (runId === start.runId ? `run ${runId} can't take its own place: choose another run id` : undefined);
  if (problem !== undefined) return { code: RejectCode.INVALID_NAME, message: problem };
  if (hasRoomFor(ctx, runId)) return undefined;
  return {
    code: RejectCode.TOO_MANY_MESSAGES,
    message: `run ${runId} can't be told that run ${start.runId} takes its place: its partition takes no messages, and too many wait for it already. Look at the cluster, then restart it again`,
  };
}

/** Of a run that begins. */
export function takePlace({ ctx, run, runId }: Actor, restarts: Restart): void {
  run.restarts = init(RestartSchema, {
    runId: restarts.runId,
    who: cutText(restarts.who, WHO_CHARS_MAX),
    reason: cutText(restarts.reason, REASON_CHARS_MAX),
  });
  const value = init(RunRestartedSchema, { restarts: run.restarts, runId, workflow: run.workflow });
  sendToRun(ctx, restarts.runId, { case: "runRestarted", value });
}

/** Of the one whose place is taken. False where that is known. */
export function notePlaceTaken(actor: Actor, newRunId: string, { who, reason }: Restart): boolean {
  const { ctx, run, runId } = actor;
  const list = (run.restarted ??= init(RestartListSchema));
  if (list.newest.some((one) => one.runId === newRunId)) return false;
  const by = init(RestartedAsSchema, {
    runId: newRunId,
    who: cutText(who, WHO_CHARS_MAX),
    reason: cutText(reason, REASON_CHARS_MAX),
    atNs: ctx.atNs,
  });
  list.count += 1;
  list.newest.push(by);
  if (list.newest.length > RESTARTS_KEPT_MAX) list.newest.shift();
  // What goes on again (somebody retried it in that moment) may wait for a person still.
  if (isRunTerminal(run.status)) settleAttention(ctx, runId, run);
  const note = (): void =>
    addEvent(actor, RunEventType.RUN_RESTARTED, { runStatus: run.status, detail: restartedText(by) });
  // Of a completed run, its row says whether it has rows beside its record: many events are some.
  if (run.status === RunStatus.COMPLETED) refileExpiry(actor, note);
  else note();
  return true;
}

/** `restarted as run b by ann: the address was wrong`. */
const restartedText = ({ runId, who, reason }: { runId: string; who: string; reason: string }): string =>
  `restarted as run ${runId}${who === "" ? "" : ` by ${who}`}${reason === "" ? "" : `: ${reason}`}`;
