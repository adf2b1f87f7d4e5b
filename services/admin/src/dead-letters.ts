/** MoveToDeadLetters, ListDeadLetters and DiscardDeadLetters: what failed for good, put aside, looked at, and given up. */
import { DEAD_LETTER_ITEMS_MAX } from "@holdfast/core";
import { discardDeadLettersCommand, itemsOfKeys, moveToDeadLettersCommand } from "@holdfast/engine";
import {
  type DiscardDeadLettersRequest,
  FailureMode,
  type ListDeadLettersRequest,
  type MoveToDeadLettersRequest,
  RejectCode,
} from "@holdfast/proto";
import type { CallContext } from "@holdfast/rpc";
import { commandId, submit } from "./control-command.js";
import { refusedError } from "./errors.js";
import { type AdminParts, withinDeadline } from "./parts.js";
import * as check from "./validate/fields.js";

export async function moveToDeadLetters(
  parts: AdminParts,
  request: MoveToDeadLettersRequest,
  context: CallContext,
) {
  const { notFailed, ...fields } = await fieldsOf(parts, request, context);
  if (fields.action !== "" && fields.items.length === 0)
    throw check.invalid(
      "items",
      `it names no item of action ${fields.action}; name its failed items, or leave action out to move the run`,
    );
  const command = moveToDeadLettersCommand({
    ...fields,
    id: commandId("dead-letter", fields.runId, check.requestId(request.requestId)),
    reason: check.reason(request.reason),
  });
  const { accepted, rejected } = await submit(parts, fields.runId, command);
  if (accepted === undefined)
    throw rejected.code === RejectCode.NOT_FAILED && notFailed ? notFailed : refusedError(rejected);
  return { runId: fields.runId, status: accepted.status, items: accepted.items };
}

export async function discardDeadLetters(
  parts: AdminParts,
  request: DiscardDeadLettersRequest,
  context: CallContext,
) {
  const { notFailed, ...fields } = await fieldsOf(parts, request, context);
  const reason = check.reason(request.reason);
  if (reason.trim() === "")
    throw check.invalid("reason", "it is empty; say why this is given up: it stays in the run's history");
  const command = discardDeadLettersCommand({
    ...fields,
    id: commandId("discard", fields.runId, check.requestId(request.requestId)),
    reason,
  });
  const { accepted, rejected } = await submit(parts, fields.runId, command);
  if (accepted === undefined)
    throw rejected.code === RejectCode.NOT_FAILED && notFailed ? notFailed : refusedError(rejected);
  return { runId: fields.runId, status: accepted.status, items: accepted.items };
}

export async function listDeadLetters(
  parts: AdminParts,
  request: ListDeadLettersRequest,
  context: CallContext,
) {
  const movedAfterNs = check.timestampNs("moved_after", request.movedAfter);
  const movedBeforeNs = check.timestampNs("moved_before", request.movedBefore);
  if (movedBeforeNs !== 0n && movedAfterNs >= movedBeforeNs)
    throw check.invalid(
      "moved_before",
      "it is not later than moved_after, so nothing can be between them; swap them or leave one out",
    );
  return await parts.queries.listDeadLetters(
    {
      workflow: check.optionalWorkflow(request.workflow),
      queue: check.optionalQueue(request.queue),
      modes: check.enumFilter("modes", FailureMode, request.modes),
      runId: request.runId === "" ? "" : check.runId(request.runId),
      movedAfterNs,
      movedBeforeNs,
      pageSize: check.pageSize(request.pageSize),
      pageToken: request.pageToken,
    },
    withinDeadline(context, parts.clock),
  );
}

async function fieldsOf(
  parts: AdminParts,
  request: MoveToDeadLettersRequest | DiscardDeadLettersRequest,
  context: CallContext,
) {
  const runId = check.runId(request.runId);
  const action = check.optionalAction(request.action);
  const keys = check.itemKeys("item_keys", request.itemKeys);
  const named = request.items.length + keys.length;
  if (action === "" && named > 0)
    throw check.invalid("action", "it is empty, but items are named; name the action that they are of");
  if (named > DEAD_LETTER_ITEMS_MAX) throw check.tooMany("items", named, DEAD_LETTER_ITEMS_MAX);
  const found = await itemsOfKeys(parts.queries, { runId, action, items: request.items, keys }, () =>
    withinDeadline(context, parts.clock),
  );
  return { runId, action, ...found, who: context.who, nowMs: parts.clock.nowMs() };
}
