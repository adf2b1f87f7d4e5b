/**
 * From what the handlers of an external batch action returned to the report that the log gets.
 *
 * 1. Results travel in as many commands as they need; the last of them go with the report, so that one that has all is one command.
 * 2. What can't be taken as it was returned is the handler's mistake, and says so.
 */
import { BATCH_HANDLE_BYTES_MAX, BATCH_RESULTS_A_COMMAND_MAX, classifyFailure } from "@holdfast/core";
import { command } from "@holdfast/engine";
import {
  type BatchCheck,
  BatchCheckSchema,
  BatchReportSchema,
  type BatchResult,
  BatchResultSchema,
  BatchResultsSchema,
  Effect,
  type Failure,
  FailureSchema,
  JobStep,
  type Payload,
  RejectCode,
  Source,
  type TaskJob,
  type TaskSuccess,
  TaskSuccessSchema,
  TaskSkipSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { ActionError } from "../action-error.js";
import { NoEffectEnding, SkipEnding } from "./endings.js";
import type { HeldTask } from "./held-task.js";
import type { Outcome } from "./reports.js";
import type { StepsHost } from "./steps.js";

/** Of one command, about. */
const RESULT_BYTES_A_COMMAND = 192 * 1024;

/** What a handler of jobs returned. Rejects with what is wrong with it. */
export async function outcomeOfJob(
  held: HeldTask,
  job: TaskJob,
  value: unknown,
  host: StepsHost,
): Promise<Outcome> {
  if (job.step === JobStep.CANCEL)
    return { case: "success", value: init(TaskSuccessSchema, { effect: Effect.VALUE }) };
  if (job.step === JobStep.SUBMIT) {
    const submitted = await handleOf(held, value, host);
    return {
      case: "batch",
      value: init(BatchReportSchema, { step: { case: "submitted", value: submitted } }),
    };
  }
  const checked = await checkOf(held, value, host);
  return { case: "batch", value: init(BatchReportSchema, { step: { case: "checked", value: checked } }) };
}

const wrong = (held: HeldTask, what: string): ActionError =>
  new ActionError("HANDLER_BUG", `action "${held.task.actionName}": ${what}`);

async function handleOf(held: HeldTask, value: unknown, { payloads }: StepsHost): Promise<Payload> {
  if (value === undefined)
    throw wrong(held, "submit returned nothing: return what names the job to the outside system");
  const handle = await payloads.encode(value, `what submit of action "${held.task.actionName}" returned`);
  const bytes = handle.body.case === "inline" ? handle.body.value.length : Number.POSITIVE_INFINITY;
  if (bytes <= BATCH_HANDLE_BYTES_MAX) return handle;
  throw wrong(
    held,
    `what submit returned is more than ${BATCH_HANDLE_BYTES_MAX} bytes of JSON: return a name`,
  );
}

interface Checked {
  readonly done: boolean;
  readonly results?: readonly unknown[];
  readonly progress?: unknown;
  readonly error?: unknown;
  readonly output?: unknown;
}

async function checkOf(held: HeldTask, value: unknown, host: StepsHost): Promise<BatchCheck> {
  if (typeof value !== "object" || value === null || !("done" in value) || typeof value.done !== "boolean")
    throw wrong(held, "check returned no { done: true | false }");
  const { done, results = [], progress, error, output } = value as Checked;
  if (!Array.isArray(results)) throw wrong(held, "check returned results that are not an array");
  const last = await bringResults(held, results, host);
  const isWhole = done && error === undefined && results.length === 0;
  return init(BatchCheckSchema, {
    done,
    results: last,
    progress: typeof progress === "string" ? progress : "",
    error: done && error !== undefined ? failureOf(error) : undefined,
    success: isWhole ? await successOf(held, output, host) : undefined,
  });
}

/** Brings results that don't fit the report; gives back those that go with it. */
async function bringResults(
  held: HeldTask,
  results: readonly unknown[],
  host: StepsHost,
): Promise<BatchResult[]> {
  let chunk: BatchResult[] = [];
  let bytes = 0;
  for (const given of results) {
    const result = await resultOf(held, given, host);
    const size = sizeOf(result);
    if (
      chunk.length >= BATCH_RESULTS_A_COMMAND_MAX ||
      (chunk.length > 0 && bytes + size > RESULT_BYTES_A_COMMAND)
    ) {
      await bring(held, chunk, host);
      chunk = [];
      bytes = 0;
    }
    chunk.push(result);
    bytes += size;
  }
  return chunk;
}

async function bring(held: HeldTask, results: BatchResult[], { commands, logger }: StepsHost): Promise<void> {
  const { runId, action, attempt, partition } = held.task;
  held.signal.throwIfAborted();
  const value = init(BatchResultsSchema, { runId, action, attempt, results });
  const { result } = await commands.submit(partition, command({ case: "batchResults", value }));
  if (result.case !== "rejected") return;
  const { code, message } = result.value;
  // They were brought before, by a check that was cut off.
  if (code === RejectCode.NO_SUCH_RESULT) return logger.debug(message, { run: runId });
  if (code !== RejectCode.STALE_ATTEMPT) throw wrong(held, message);
  held.stop("cancelled", message);
  throw held.stopError();
}

async function resultOf(held: HeldTask, given: unknown, host: StepsHost): Promise<BatchResult> {
  const result = given as { index?: unknown; output?: unknown; error?: unknown; skip?: unknown } | null;
  const index = result?.index;
  if (typeof index !== "number" || !Number.isInteger(index) || index < 0 || index > 0xffff_ffff)
    throw wrong(held, `check returned a result whose index is ${String(index)}`);
  return init(BatchResultSchema, { index, outcome: await outcomeOf(held, result ?? {}, host) });
}

async function outcomeOf(
  held: HeldTask,
  result: { output?: unknown; error?: unknown; skip?: unknown },
  host: StepsHost,
): Promise<BatchResult["outcome"]> {
  if ("error" in result) return { case: "failure", value: failureOf(result.error) };
  const { skip, output } = result;
  if (skip !== undefined || output instanceof SkipEnding) {
    const reason = output instanceof SkipEnding ? output.reason : String(skip);
    return { case: "skip", value: init(TaskSkipSchema, { reason }) };
  }
  return { case: "success", value: await successOf(held, output, host) };
}

async function successOf(held: HeldTask, output: unknown, { payloads }: StepsHost): Promise<TaskSuccess> {
  if (output === undefined) return init(TaskSuccessSchema, { effect: Effect.SILENT });
  if (output instanceof NoEffectEnding)
    return init(TaskSuccessSchema, { effect: Effect.NONE_WITH_REASON, reason: output.reason });
  const what = `an output that check of action "${held.task.actionName}" returned`;
  return init(TaskSuccessSchema, { output: await payloads.encode(output, what), effect: Effect.VALUE });
}

function failureOf(error: unknown): Failure {
  const { mode, message, rawClass, code, retryAfterMs, stack } = classifyFailure(error);
  return init(FailureSchema, { source: Source.WORKER, mode, message, rawClass, code, retryAfterMs, stack });
}

/** Bytes of a result, about. */
function sizeOf({ outcome }: BatchResult): number {
  const envelope = 64;
  if (outcome.case === "success" && outcome.value.output?.body.case === "inline")
    return envelope + outcome.value.output.body.value.length;
  if (outcome.case === "failure")
    return envelope + 2 * (outcome.value.message.length + outcome.value.stack.length);
  return envelope * 4;
}
