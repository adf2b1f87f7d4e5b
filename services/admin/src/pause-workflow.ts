/** PauseWorkflow and ResumeWorkflow: the same command to every partition, each of which keeps it for its own runs. */
import { pauseWorkflowCommand, resumeWorkflowCommand } from "@holdfast/engine";
import { type PauseWorkflowRequest, RejectCode, type ResumeWorkflowRequest } from "@holdfast/proto";
import type { CallContext } from "@holdfast/rpc";
import { commandId } from "./control-command.js";
import type { AdminParts } from "./parts.js";
import { toAll } from "./to-all.js";
import * as check from "./validate/fields.js";

export async function pauseWorkflow(parts: AdminParts, request: PauseWorkflowRequest, context: CallContext) {
  const workflow = check.workflowName(request.workflow);
  const command = pauseWorkflowCommand({
    id: commandId("pause", workflow, check.requestId(request.requestId)),
    workflow,
    who: context.who,
    reason: check.reason(request.reason),
    nowMs: parts.clock.nowMs(),
  });
  await toAll(parts, command, RejectCode.PAUSED);
  return {};
}

export async function resumeWorkflow(
  parts: AdminParts,
  request: ResumeWorkflowRequest,
  context: CallContext,
) {
  const workflow = check.workflowName(request.workflow);
  const command = resumeWorkflowCommand({
    id: commandId("resume", workflow, check.requestId(request.requestId)),
    workflow,
    who: context.who,
    nowMs: parts.clock.nowMs(),
  });
  await toAll(parts, command, RejectCode.NOT_PAUSED);
  return {};
}
