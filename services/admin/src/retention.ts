/** GetRetention and SetRetention: how long ended runs are kept, and what became of those that were not. */
import { retentionProblem } from "@holdfast/core";
import { setRetentionCommand } from "@holdfast/engine";
import type { GetRetentionRequest, SetRetentionRequest } from "@holdfast/proto";
import type { CallContext } from "@holdfast/rpc";
import { commandId } from "./control-command.js";
import { type AdminParts, withinDeadline } from "./parts.js";
import { toAll } from "./to-all.js";
import * as check from "./validate/fields.js";

const SWEEPS_MAX = 1_000;

export async function getRetention(parts: AdminParts, request: GetRetentionRequest, context: CallContext) {
  const workflow = request.workflow === "" ? "" : check.workflowName(request.workflow);
  const sweeps = check.intInRange("sweeps", request.sweeps, 0, SWEEPS_MAX);
  const answer = await parts.queries.retention(workflow, sweeps, withinDeadline(context, parts.clock));
  const { workflows, sweeps: newest, general, generalBy } = answer;
  return { workflows, sweeps: newest, generalBy, ...(general === undefined ? {} : { general }) };
}

export async function setRetention(parts: AdminParts, request: SetRetentionRequest, context: CallContext) {
  const workflow = request.workflow === "" ? "" : check.workflowName(request.workflow);
  const problem = request.policy === undefined ? undefined : retentionProblem(request.policy);
  if (problem !== undefined) throw check.invalid("policy", problem);
  const command = setRetentionCommand({
    id: commandId("retention", workflow, check.requestId(request.requestId)),
    workflow,
    policy: request.policy,
    who: context.who,
    reason: check.reason(request.reason),
    nowMs: parts.clock.nowMs(),
  });
  await toAll(parts, command);
  return {};
}
