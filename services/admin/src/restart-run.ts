/**
 * RestartRun: another run in the place of one that has ended, with the same input or another one. Both name each other.
 *
 * 1. The same request id is the same new run; with another input, it is refused.
 * 2. A run that has not ended, or is going to be retried by itself, is not restarted.
 */
import { randomUUID } from "node:crypto";
import { restartRunId } from "@holdfast/core";
import { restartProblem, startRunCommand } from "@holdfast/engine";
import { OnConflict, type RestartRunRequest, RunStatus } from "@holdfast/proto";
import { type CallContext, RpcError } from "@holdfast/rpc";
import { commandId } from "./control-command.js";
import { refusedError } from "./errors.js";
import { type AdminParts, withinDeadline } from "./parts.js";
import { checkInput, encodeInput, registered, submitStart } from "./start-run.js";
import * as check from "./validate/fields.js";
import { type JsonField, jsonField } from "./validate/json-value.js";

export async function restartRun(parts: AdminParts, request: RestartRunRequest, context: CallContext) {
  const runId = check.runId(request.runId);
  const requestId = check.requestId(request.requestId) || randomUUID();
  const newRunId =
    request.newRunId === "" ? restartRunId(runId, requestId) : check.runId(request.newRunId, "new_run_id");
  const reason = check.reason(request.reason);
  const given = request.inputJson === undefined ? undefined : jsonField("input_json", request.inputJson);
  const run = await parts.queries.getRun(runId, withinDeadline(context, parts.clock));
  const problem = restartProblem(run, newRunId);
  if (problem !== undefined) {
    const status = RunStatus[run.summary?.status ?? RunStatus.UNSPECIFIED] ?? "";
    throw new RpcError("FAILED_PRECONDITION", problem, { reason: "NOT_ENDED", runId, status });
  }
  const definition = await registered(parts, run.summary?.workflow ?? "");
  const input = given ?? (await inputOf(parts, runId));
  await checkInput(parts, definition, input);
  const command = startRunCommand({
    runId: newRunId,
    workflow: definition.definition.name,
    definitionHash: definition.hash,
    input: await encodeInput(parts, input),
    priority: run.summary?.priority,
    onConflict: OnConflict.REJECT,
    origin: `admin, ${context.who}`,
    restarts: { runId, who: context.who, reason },
    compareInput: true,
  });
  command.id = commandId("restart", runId, requestId);
  const { accepted, rejected } = await submitStart(parts, newRunId, command, definition);
  if (accepted === undefined) throw refusedError(rejected);
  if (accepted.differs) {
    throw new RpcError(
      "ALREADY_EXISTS",
      `run ${newRunId} was begun by this request with another input: send the request under another request id, and another id of the new run`,
      { reason: "REQUEST_DIFFERS", runId: newRunId },
    );
  }
  return {
    runId: newRunId,
    status: accepted.status,
    ...(run.parent === undefined ? {} : { parent: run.parent }),
  };
}

/** What the run was begun with, as it came. */
async function inputOf({ queries, payloads }: AdminParts, runId: string): Promise<JsonField> {
  const bytes = await payloads.bytes(await queries.getPayload(runId, undefined), `the input of run ${runId}`);
  return jsonField("input_json", Buffer.from(bytes ?? []).toString("utf8"));
}
