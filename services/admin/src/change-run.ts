/** RetryRun, CancelRun, PauseRun and ResumeRun: one run, one command, one answer; the same request id gets the same answer. */
import { RETRY_ITEMS_MAX } from "@holdfast/core";
import {
  cancelRunCommand,
  itemsOfKeys,
  pauseRunCommand,
  resumeRunCommand,
  retryRunCommand,
} from "@holdfast/engine";
import {
  type CancelRunRequest,
  type Command,
  type PauseRunRequest,
  RecoveryStrategy,
  RejectCode,
  type ResumeRunRequest,
  type RetryRunRequest,
} from "@holdfast/proto";
import type { CallContext } from "@holdfast/rpc";
import { commandId, submit } from "./control-command.js";
import { refusedError } from "./errors.js";
import { type AdminParts, withinDeadline } from "./parts.js";
import * as check from "./validate/fields.js";

/** A strategy that something can be done with; which of them the partitions support is theirs to say. */
export function retryStrategy(value: RecoveryStrategy): RecoveryStrategy {
  const strategy = check.enumValue("strategy", RecoveryStrategy, value);
  if (strategy === RecoveryStrategy.ABORT || strategy === RecoveryStrategy.MANUAL) {
    throw check.invalid(
      "strategy",
      `${RecoveryStrategy[strategy]} is advice for a person, not a way to retry; leave it out to retry what failed`,
    );
  }
  return strategy;
}

export async function retryRun(parts: AdminParts, request: RetryRunRequest, context: CallContext) {
  const runId = check.runId(request.runId);
  const { force, deadLetters } = request;
  const keys = check.itemKeys("item_keys", request.itemKeys);
  const named = request.items.length + keys.length;
  const action = check.optionalAction(request.action);
  const strategy = retryStrategy(request.strategy);
  if (action === "" && named > 0)
    throw check.invalid("action", "it is empty, but items are named; name the action that they are of");
  if (action !== "" && named === 0 && !deadLetters)
    throw check.invalid(
      "items",
      `it names no item of action ${action}; name its failed items, or leave action out to retry the run`,
    );
  if (named > RETRY_ITEMS_MAX) throw check.tooMany("items", named, RETRY_ITEMS_MAX);
  const { items, notFailed } = await itemsOfKeys(
    parts.queries,
    { runId, action, items: request.items, keys },
    () => withinDeadline(context, parts.clock),
  );
  const command = retryRunCommand({
    id: commandId("retry", runId, check.requestId(request.requestId)),
    runId,
    who: context.who,
    reason: check.reason(request.reason),
    nowMs: parts.clock.nowMs(),
    strategy,
    force,
    action,
    items,
    deadLetters,
  });
  const { accepted, rejected } = await submit(parts, runId, command);
  if (accepted === undefined)
    throw rejected.code === RejectCode.NOT_FAILED && notFailed ? notFailed : refusedError(rejected);
  return { runId, status: accepted.status, items: accepted.items, actions: accepted.actions };
}

export async function cancelRun(parts: AdminParts, request: CancelRunRequest, context: CallContext) {
  const runId = check.runId(request.runId);
  const command = cancelRunCommand({
    id: commandId("cancel", runId, check.requestId(request.requestId)),
    runId,
    who: context.who,
    reason: check.reason(request.reason),
    nowMs: parts.clock.nowMs(),
    graceMs: request.graceMs,
  });
  return await changed(parts, runId, command);
}

export async function pauseRun(parts: AdminParts, request: PauseRunRequest, context: CallContext) {
  const runId = check.runId(request.runId);
  const command = pauseRunCommand({
    id: commandId("pause", runId, check.requestId(request.requestId)),
    runId,
    who: context.who,
    reason: check.reason(request.reason),
    nowMs: parts.clock.nowMs(),
  });
  return await changed(parts, runId, command);
}

export async function resumeRun(parts: AdminParts, request: ResumeRunRequest, context: CallContext) {
  const runId = check.runId(request.runId);
  const command = resumeRunCommand({
    id: commandId("resume", runId, check.requestId(request.requestId)),
    runId,
    who: context.who,
    nowMs: parts.clock.nowMs(),
  });
  return await changed(parts, runId, command);
}

async function changed(parts: AdminParts, runId: string, command: Command) {
  const { accepted, rejected } = await submit(parts, runId, command);
  if (accepted === undefined) throw refusedError(rejected);
  return { runId, status: accepted.status };
}
