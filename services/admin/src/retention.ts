/** GetRetention and SetRetention: how long ended runs are kept, and what became of those that were not. */
import { retentionProblem } from "@holdfast/core";
import { setRetentionCommand } from "@holdfast/engine";
import type { GetRetentionRequest, RetentionPolicy, SetRetentionRequest } from "@holdfast/proto";
import type { CallContext } from "@holdfast/rpc";
import { commandId } from "./control-command.js";
import { type AdminParts, withinDeadline } from "./parts.js";
import { registered } from "./start-run.js";
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

const saysNothing = (policy: RetentionPolicy): boolean =>
  policy.completedRetentionS === 0 &&
  policy.failedRetentionS === 0 &&
  policy.deadLetterRetentionS === 0 &&
  policy.maxTerminalRuns === 0;

export async function setRetention(parts: AdminParts, request: SetRetentionRequest, context: CallContext) {
  const workflow = request.workflow === "" ? "" : check.workflowName(request.workflow);
  const problem = request.policy === undefined ? undefined : retentionProblem(request.policy);
  if (problem !== undefined) throw check.invalid("policy", problem);
  if (request.policy !== undefined && saysNothing(request.policy))
    throw check.invalid(
      "policy",
      "it says nothing: every part of it is 0, which stands for what the definition or the default says; leave it out to reset what was set",
    );
  // What is of no workflow would keep nothing, and nobody would notice.
  if (workflow !== "" && request.policy !== undefined) await registered(parts, workflow);
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
