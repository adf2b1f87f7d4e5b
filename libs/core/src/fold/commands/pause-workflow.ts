/** PauseWorkflow and ResumeWorkflow: between them none of a workflow's tasks is dispatched. What is under way goes on and counts. */
import {
  type Command,
  type Outcome,
  type PauseWorkflow,
  PausedWorkflowSchema,
  PauseRequestSchema,
  RejectCode,
  type ResumeWorkflow,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { PAUSED_WORKFLOWS_MAX, WHO_CHARS_MAX } from "../../limits.js";
import { nameProblem } from "../../names.js";
import { countsKey, latestKey } from "../../state/tables.js";
import { cutText } from "../../text.js";
import { pausedText } from "../../views/paused.js";
import type { FoldContext } from "../context.js";

export function pauseWorkflow(ctx: FoldContext, command: Command, pause: PauseWorkflow): Outcome {
  const { workflow } = pause;
  const badName = nameProblem("workflow", workflow);
  if (badName !== undefined) return ctx.reject(command, RejectCode.INVALID_NAME, badName);
  const already = pausedText(ctx.applied, workflow);
  if (already !== undefined) return ctx.reject(command, RejectCode.PAUSED, already);
  if (ctx.view.get(latestKey(workflow)) === undefined) {
    const message = `workflow "${workflow}" is not registered, so there is nothing of it to pause`;
    return ctx.reject(command, RejectCode.UNKNOWN_WORKFLOW, message);
  }
  if (ctx.applied.paused.length >= PAUSED_WORKFLOWS_MAX) {
    const message = `${PAUSED_WORKFLOWS_MAX} workflows are paused already: resume some of them first`;
    return ctx.reject(command, RejectCode.TOO_LARGE, message);
  }
  const request = init(PauseRequestSchema, {
    who: cutText(pause.who, WHO_CHARS_MAX),
    reason: cutText(pause.reason || "no reason given", 512),
    atNs: ctx.atNs,
  });
  ctx.applied.paused.push(init(PausedWorkflowSchema, { workflow, pause: request }));
  return ctx.accept(command, {});
}

export function resumeWorkflow(ctx: FoldContext, command: Command, { workflow }: ResumeWorkflow): Outcome {
  const badName = nameProblem("workflow", workflow);
  if (badName !== undefined) return ctx.reject(command, RejectCode.INVALID_NAME, badName);
  const at = ctx.applied.paused.findIndex((paused) => paused.workflow === workflow);
  if (at < 0) return ctx.reject(command, RejectCode.NOT_PAUSED, `workflow "${workflow}" is not paused`);
  ctx.applied.paused.splice(at, 1);
  const key = countsKey(workflow);
  const counts = ctx.view.get(key);
  if (counts !== undefined) {
    counts.resumedAtNs = ctx.atNs;
    ctx.view.put(key, counts);
  }
  ctx.emit({ kind: "due-again", runId: "" });
  return ctx.accept(command, {});
}
