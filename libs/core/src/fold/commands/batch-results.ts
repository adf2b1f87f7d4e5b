/**
 * BatchResults: what a check of a job has for its items, before the check's own report. As many commands as the results need.
 *
 * 1. Only a check that is the current attempt brings any (I5).
 * 2. A result of an item that the job does not work on any more changes nothing; where that is all there is, the answer says so.
 */
import { BatchPhase, type BatchResults, type Command, ItemStatus, RejectCode } from "@holdfast/proto";
import { loadActor, saveActor, stateOf } from "../../actor/actor.js";
import { advance } from "../../actor/advance.js";
import { isCurrentAttempt } from "../../actor/attempt.js";
import { applyResults } from "../../actor/batch-report.js";
import { statusOf } from "../../actor/items.js";
import { BATCH_RESULTS_A_COMMAND_MAX, WORKER_CHARS_MAX } from "../../limits.js";
import { quoted } from "../../names.js";
import { isTerminal } from "../../status.js";
import { cutText } from "../../text.js";
import type { FoldContext } from "../context.js";

export function batchResults(ctx: FoldContext, command: Command, brought: BatchResults): void {
  const { runId, attempt, results } = brought;
  const actor = loadActor(ctx, runId);
  const action = actor?.plan.actions[brought.action];
  const what = `attempt ${attempt} of run ${quoted(runId)}, action ${brought.action}`;
  if (
    actor === undefined ||
    action === undefined ||
    !isCurrentAttempt(actor, action, { attempt }) ||
    stateOf(actor, action).batch?.phase !== BatchPhase.CHECKING
  ) {
    const message = `${what} is not the current check of a job: no result was kept`;
    ctx.reject(command, RejectCode.STALE_ATTEMPT, message, runId, actor?.run.status);
    return;
  }
  const { status } = actor.run;
  if (results.length > BATCH_RESULTS_A_COMMAND_MAX) {
    const message = `${what} brings ${results.length} results at once; at most ${BATCH_RESULTS_A_COMMAND_MAX} are allowed: send them in several commands`;
    ctx.reject(command, RejectCode.TOO_LARGE, message, runId, status);
    return;
  }
  const isAwaited = results.some(({ index }) => statusOf(actor, action, index) === ItemStatus.RUNNING);
  if (!isAwaited) {
    const shown = results.slice(0, 8).map(({ index }) => index);
    const message = `${what}: none of these ${results.length} results (items ${shown.join(", ")}${results.length > 8 ? ", …" : ""}) is of an item that the job still works on: nothing was changed`;
    ctx.reject(command, RejectCode.NO_SUCH_RESULT, message, runId, status);
    return;
  }
  const items = applyResults(actor, action, cutText(ctx.batch.producer, WORKER_CHARS_MAX), results);
  if (isTerminal(stateOf(actor, action).status)) advance(actor);
  saveActor(actor);
  ctx.accept(command, { runId, status: actor.run.status, items });
}
