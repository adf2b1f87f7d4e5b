/**
 * StartRun: from JSON text to a run, idempotent by run id.
 *
 * A run that is there already is returned as it stands; one that failed is an error that offers the retry, since a caller
 * who goes on as if it had been started would wait for nothing.
 */
import { randomUUID } from "node:crypto";
import { partitionOf, PRIORITY_MAX } from "@holdfast/core";
import { defineWorkflowCommand, type RegisteredDefinition, startRunCommand } from "@holdfast/engine";
import {
  type Command,
  OnConflict,
  type Payload,
  RejectCode,
  RunStatus,
  type StartRunRequest,
} from "@holdfast/proto";
import { type CallContext, RpcError } from "@holdfast/rpc";
import { type Answer, commandId, submit } from "./control-command.js";
import { refusedError } from "./errors.js";
import type { AdminParts } from "./parts.js";
import * as check from "./validate/fields.js";
import { type JsonField, jsonField } from "./validate/json-value.js";

/** Problems of an input that are listed; more are counted. */
const PROBLEMS_SHOWN_MAX = 5;
const NS_PER_MS = 1_000_000n;

export async function startRun(parts: AdminParts, request: StartRunRequest, context: CallContext) {
  const workflow = check.workflowName(request.workflow);
  const runId = request.runId === "" ? randomUUID() : check.runId(request.runId);
  const priority = check.intInRange("priority", request.priority, -PRIORITY_MAX, PRIORITY_MAX);
  const onConflict = check.enumValue("on_conflict", OnConflict, request.onConflict);
  const traceparent = check.traceparent(request.traceparent);
  const startAtNs = check.startAtNs("start_at", request.startAt);
  const definition = await registered(parts, workflow);
  const input = jsonField("input_json", request.inputJson);
  await checkInput(parts, definition, input);

  const command = startRunCommand({
    runId,
    workflow,
    definitionHash: definition.hash,
    input: await encodeInput(parts, input),
    priority,
    ...(startAtNs === 0n ? {} : { startAtMs: Number(startAtNs / NS_PER_MS) }),
    traceparent,
    onConflict,
    origin: `admin, ${context.who}`,
  });
  command.id = commandId("start", runId, "");
  return started(await submitStart(parts, runId, command, definition), onConflict);
}

/** A start of a workflow that is registered, also where the run's partition has not heard of it. */
export async function submitStart(
  parts: AdminParts,
  runId: string,
  command: Command,
  { definition, hash }: RegisteredDefinition,
): Promise<Answer> {
  const answer = await submit(parts, runId, command);
  if (answer.rejected?.code !== RejectCode.UNKNOWN_WORKFLOW) return answer;
  // Whoever registered it ended before this partition had it: bring it, and start again.
  const partition = partitionOf(runId, parts.queries.partitions);
  await parts.commands.send(partition, defineWorkflowCommand(definition, hash));
  return submit(parts, runId, command);
}

function started(answer: Answer, onConflict: OnConflict) {
  if (answer.rejected !== undefined) throw refusedError(answer.rejected);
  const { runId, existed, status } = answer.accepted;
  if (existed && status === RunStatus.FAILED && onConflict === OnConflict.UNSPECIFIED) {
    throw new RpcError(
      "FAILED_PRECONDITION",
      `run ${runId} was started before and failed: retry it with RetryRun, start it with on_conflict RETRY_IF_FAILED, or choose another run id`,
      { reason: "RUN_FAILED", runId, status: RunStatus[status] },
    );
  }
  return { runId, existed, status };
}

/** NOT_FOUND names what there is, since the usual cause is a typing error or a worker that has not started yet. */
export async function registered(parts: AdminParts, workflow: string): Promise<RegisteredDefinition> {
  const latest = await parts.definitions.latest(workflow);
  if (latest !== undefined) return latest;
  const names = (await parts.definitions.list()).map(({ definition }) => definition.name).toSorted();
  const known =
    names.length === 0 ? "none are registered yet: start a worker" : `registered are ${names.join(", ")}`;
  throw new RpcError("NOT_FOUND", `workflow ${workflow} is not registered; ${known}`, {
    reason: "UNKNOWN_WORKFLOW",
    workflow,
  });
}

/** No input is null. */
export const encodeInput = (parts: AdminParts, { bytes }: JsonField): Payload | Promise<Payload> =>
  parts.payloads.encodeBytes(bytes.length === 0 ? NULL : bytes, "input_json");

const NULL = Buffer.from("null");

/** Throws where the input does not match what the workflow declares. */
export async function checkInput(
  parts: AdminParts,
  definition: RegisteredDefinition,
  input: JsonField,
): Promise<void> {
  if (definition.definition.inputSchema === "") return;
  const problems = await parts.validator.problems(definition, input.value());
  if (problems.length === 0) return;
  const shown = problems.slice(0, PROBLEMS_SHOWN_MAX);
  const more = problems.length - shown.length;
  throw check.invalid(
    "input_json",
    `it does not match the input schema of workflow ${definition.definition.name}: ${shown.join("; ")}${more > 0 ? `; and ${more} more` : ""}`,
    { reason: "SCHEMA_MISMATCH", problems: [...shown] },
  );
}
