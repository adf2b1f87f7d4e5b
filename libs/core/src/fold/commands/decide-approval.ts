/** DecideApproval: somebody approves or rejects what a run waits for. */
import { type Command, type DecideApproval, type Outcome, RejectCode, RunEventType } from "@holdfast/proto";
import { addEvent, loadActor, saveActor } from "../../actor/actor.js";
import { advance } from "../../actor/advance.js";
import { decide, waitingForApproval } from "../../actor/wait.js";
import { WHO_CHARS_MAX } from "../../limits.js";
import { quoted } from "../../names.js";
import { cutText } from "../../text.js";
import { absentCode, absentText } from "../../views/absent.js";
import type { FoldContext } from "../context.js";

const COMMENT_CHARS_MAX = 512;

export function decideApproval(ctx: FoldContext, command: Command, decision: DecideApproval): Outcome {
  const { runId, approved } = decision;
  const actor = loadActor(ctx, runId);
  if (actor === undefined)
    return ctx.reject(
      command,
      absentCode(ctx.view, ctx.applied, runId),
      absentText(ctx.view, ctx.applied, runId),
      runId,
    );
  const waiting = waitingForApproval(actor);
  const matching =
    decision.action === "" ? waiting : waiting.filter((action) => action.name === decision.action);
  const [action] = matching;
  if (action === undefined || matching.length > 1) {
    const names = waiting.map((each) => each.name).join(", ");
    const message =
      waiting.length === 0
        ? `no action of run ${runId} waits for an approval`
        : decision.action === ""
          ? `several actions of run ${runId} wait for an approval, name one: ${names}`
          : `action ${quoted(decision.action)} of run ${runId} does not wait for an approval; waiting: ${names}`;
    return ctx.reject(command, RejectCode.NOT_WAITING, message, runId, actor.run.status);
  }
  const who = cutText(decision.who, WHO_CHARS_MAX);
  const comment = cutText(decision.comment, COMMENT_CHARS_MAX);
  addEvent(actor, RunEventType.APPROVAL_DECIDED, {
    action: action.index,
    detail: [approved ? "approved" : "rejected", who === "" ? "" : `by ${who}`, comment]
      .filter((part) => part !== "")
      .join(" · "),
  });
  decide(actor, action, approved, who, comment);
  advance(actor);
  saveActor(actor);
  return ctx.accept(command, { runId, status: actor.run.status });
}
