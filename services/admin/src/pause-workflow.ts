/** PauseWorkflow and ResumeWorkflow: the same command to every partition, each of which keeps it for its own runs. */
import { pauseWorkflowCommand, resumeWorkflowCommand } from "@holdfast/engine";
import {
  type Command,
  type PauseWorkflowRequest,
  RejectCode,
  type Rejected,
  type ResumeWorkflowRequest,
} from "@holdfast/proto";
import type { CallContext } from "@holdfast/rpc";
import { commandId } from "./control-command.js";
import { refusedError } from "./errors.js";
import type { AdminParts } from "./parts.js";
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

/** `already`: what a partition says that an earlier, interrupted call had reached. All of them saying so is a refusal. */
async function toAll(parts: AdminParts, command: Command, already: RejectCode): Promise<void> {
  const { commands, queries } = parts;
  const answers = await Promise.all(
    Array.from({ length: queries.partitions }, (_, partition) => commands.submit(partition, command)),
  );
  let done = 0;
  let refused: Rejected | undefined;
  for (const { result } of answers) {
    if (result.case === "accepted") done += 1;
    if (result.case !== "rejected") continue;
    if (result.value.code !== already) throw refusedError(result.value);
    refused = result.value;
  }
  if (done === 0 && refused !== undefined) throw refusedError(refused);
}
