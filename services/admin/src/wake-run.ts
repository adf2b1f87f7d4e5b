/** SignalRun and DecideApproval: what a run waits for has happened, or was decided. */
import { nameProblem } from "@holdfast/core";
import { decideApprovalCommand, signalRunCommand } from "@holdfast/engine";
import type { DecideApprovalRequest, SignalRunRequest } from "@holdfast/proto";
import type { CallContext } from "@holdfast/rpc";
import { commandId, submit } from "./control-command.js";
import { refusedError } from "./errors.js";
import type { AdminParts } from "./parts.js";
import * as check from "./validate/fields.js";
import { jsonField } from "./validate/json-value.js";

export async function signalRun(parts: AdminParts, request: SignalRunRequest, context: CallContext) {
  const runId = check.runId(request.runId);
  const problem = nameProblem("signal", request.name);
  if (problem !== undefined) throw check.invalid("name", problem);
  const { bytes } = jsonField("payload_json", request.payloadJson);
  const command = signalRunCommand({
    id: commandId("signal", runId, check.requestId(request.requestId)),
    runId,
    name: request.name,
    payload: bytes.length === 0 ? undefined : await parts.payloads.encodeBytes(bytes, "payload_json"),
    who: context.who,
    nowMs: parts.clock.nowMs(),
  });
  const { accepted, rejected } = await submit(parts, runId, command);
  if (accepted === undefined) throw refusedError(rejected);
  return { runId, status: accepted.status };
}

export async function decideApproval(
  parts: AdminParts,
  request: DecideApprovalRequest,
  context: CallContext,
) {
  const runId = check.runId(request.runId);
  const command = decideApprovalCommand({
    id: commandId("decide", runId, check.requestId(request.requestId)),
    runId,
    action: check.optionalAction(request.action),
    approved: request.approved,
    comment: check.reason(request.comment, "comment"),
    who: context.who,
    nowMs: parts.clock.nowMs(),
  });
  const { accepted, rejected } = await submit(parts, runId, command);
  if (accepted === undefined) throw refusedError(rejected);
  return { runId, status: accepted.status };
}
