/**
 * From what the handlers of an external batch action returned to the report that the log gets.
 *
 * 1. Results travel in as many commands as they need; the last of them go with the report, so that one that has all is one command.
 * 2. What can't be taken as it was returned is the handler's mistake, and says so.
 * 3. A result that is none, or can't be stored, takes none of the others with it.
 */
import { BATCH_HANDLE_BYTES_MAX, BATCH_RESULTS_A_COMMAND_MAX, cutText } from "@holdfast/core";
import { command } from "@holdfast/engine";
import {
  type BatchCheck,
  BatchCheckSchema,
  BatchReportSchema,
  type BatchResult,
  BatchResultSchema,
  BatchResultsSchema,
  Effect,
  JobStep,
  type Payload,
  RejectCode,
  type TaskJob,
  type TaskSuccess,
  TaskSuccessSchema,
  TaskSkipSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { ActionError } from "../action-error.js";
import { NoEffectEnding, SkipEnding } from "./endings.js";
import { type Classifiers, failureOf } from "./failures.js";
import type { HeldTask } from "./held-task.js";
import { isFailureOfOurs, patiently } from "./patience.js";
import type { Outcome } from "./reports.js";
import type { StepsHost } from "./steps.js";

/** Entries that are no results, by name; more are counted. */
const PROBLEMS_SHOWN_MAX = 3;
const PROBLEMS_CHARS_MAX = 400;
/** Of one command, about. */
const RESULT_BYTES_A_COMMAND = 192 * 1024;

/** What a handler of jobs returned. Rejects with what is wrong with it. */
export async function outcomeOfJob(
  held: HeldTask,
  job: TaskJob,
  value: unknown,
  host: StepsHost,
  by: Classifiers,
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
  const checked = await checkOf(held, value, host, by);
  return { case: "batch", value: init(BatchReportSchema, { step: { case: "checked", value: checked } }) };
}

const wrong = (held: HeldTask, what: string): ActionError =>
  new ActionError("HANDLER_BUG", `action "${held.task.actionName}": ${what}`);

async function handleOf(held: HeldTask, value: unknown, host: StepsHost): Promise<Payload> {
  if (value === undefined)
    throw wrong(held, "submit returned nothing: return what names the job to the outside system");
  const what = `what submit of action "${held.task.actionName}" returned`;
  const handle = await patiently(held, host, what, () => host.payloads.encode(value, what, "handle"));
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

async function checkOf(
  held: HeldTask,
  value: unknown,
  host: StepsHost,
  by: Classifiers,
): Promise<BatchCheck> {
  if (typeof value !== "object" || value === null || !("done" in value) || typeof value.done !== "boolean")
    throw wrong(held, "check returned no { done: true | false }");
  const { done, results = [], progress, error, output } = value as Checked;
  if (!Array.isArray(results)) throw wrong(held, "check returned results that are not an array");
  const { last, unusable } = await bringResults(held, results, host, by);
  const isWhole = done && error === undefined && results.length === 0;
  return init(BatchCheckSchema, {
    done,
    results: last,
    progress: typeof progress === "string" ? progress : "",
    error: done && error !== undefined ? failureOf(error, by) : undefined,
    unusable,
    success: isWhole ? await successOf(held, output, host) : undefined,
  });
}

interface Brought {
  /** Those that go with the report. */
  readonly last: BatchResult[];
  /** Which entries are no results, and why; empty: none. */
  readonly unusable: string;
}

/** Brings results that don't fit the report. Of an item that has two the first counts. */
async function bringResults(
  held: HeldTask,
  results: readonly unknown[],
  host: StepsHost,
  by: Classifiers,
): Promise<Brought> {
  const problems: string[] = [];
  const seen = new Set<number>();
  let chunk: BatchResult[] = [];
  let bytes = 0;
  for (const [at, given] of results.entries()) {
    const index = indexOf(given, seen);
    if (typeof index === "string") {
      problems.push(`entry ${at} ${index}`);
      continue;
    }
    seen.add(index);
    const outcome = await outcomeOf(held, index, given as Given, host, by);
    const result = init(BatchResultSchema, { index, outcome });
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
  return { last: chunk, unusable: problemsText(problems, results.length) };
}

function problemsText(problems: readonly string[], of: number): string {
  if (problems.length === 0) return "";
  const more = problems.length - PROBLEMS_SHOWN_MAX;
  const shown = problems.slice(0, PROBLEMS_SHOWN_MAX).join(", ") + (more > 0 ? ` and ${more} more` : "");
  return cutText(
    `${problems.length} of ${of} results that check returned can't be used: ${shown}`,
    PROBLEMS_CHARS_MAX,
  );
}

async function bring(held: HeldTask, results: BatchResult[], host: StepsHost): Promise<void> {
  const { commands, logger } = host;
  const { runId, action, attempt, partition } = held.task;
  held.signal.throwIfAborted();
  const value = init(BatchResultsSchema, { runId, action, attempt, results });
  const brought = command({ case: "batchResults", value });
  const { result } = await patiently(held, host, "the results of a job", () =>
    commands.submit(partition, brought),
  );
  if (result.case !== "rejected") return;
  const { code, message } = result.value;
  // They were brought before, by a check that was cut off.
  if (code === RejectCode.NO_SUCH_RESULT) return logger.debug(message, { run: runId });
  if (code !== RejectCode.STALE_ATTEMPT) throw wrong(held, message);
  held.stop("cancelled", message);
  throw held.stopError();
}

interface Given {
  readonly index?: unknown;
  readonly output?: unknown;
  readonly error?: unknown;
  readonly skip?: unknown;
}

/** The item that an entry is a result of, or why it is of none. */
function indexOf(given: unknown, seen: ReadonlySet<number>): number | string {
  if (typeof given !== "object" || given === null) return `is ${shownKind(given)}, not a result`;
  const { index } = given as Given;
  if (typeof index !== "number") return `has ${shownKind(index)} as its index`;
  if (!Number.isInteger(index) || index < 0 || index > 0xffff_ffff) return `has the index ${index}`;
  return seen.has(index) ? `is a second one of item ${index}` : index;
}

const shownKind = (value: unknown): string =>
  value === undefined || value === null ? String(value) : `a ${typeof value}`;

async function outcomeOf(
  held: HeldTask,
  index: number,
  result: Given,
  host: StepsHost,
  by: Classifiers,
): Promise<BatchResult["outcome"]> {
  const { error, skip, output } = result;
  if (error !== undefined && error !== null) return { case: "failure", value: failureOf(error, by) };
  if (skip === undefined && !("output" in result)) {
    const what = `check returned nothing for item ${index} that could be its result: give it an output, an error or a skip`;
    return { case: "failure", value: failureOf(wrong(held, what), by) };
  }
  if (skip !== undefined || output instanceof SkipEnding) {
    const reason = output instanceof SkipEnding ? output.reason : String(skip);
    return { case: "skip", value: init(TaskSkipSchema, { reason }) };
  }
  try {
    return { case: "success", value: await successOf(held, output, host) };
  } catch (thrown) {
    if (isFailureOfOurs(thrown) || held.signal.aborted) throw thrown;
    return { case: "failure", value: failureOf(thrown, by) };
  }
}

async function successOf(held: HeldTask, output: unknown, host: StepsHost): Promise<TaskSuccess> {
  if (output === undefined) return init(TaskSuccessSchema, { effect: Effect.SILENT });
  if (output instanceof NoEffectEnding)
    return init(TaskSuccessSchema, { effect: Effect.NONE_WITH_REASON, reason: output.reason });
  const what = `an output that check of action "${held.task.actionName}" returned`;
  const payload = await patiently(held, host, what, () => host.payloads.encode(output, what, "output"));
  return init(TaskSuccessSchema, { output: payload, effect: Effect.VALUE });
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
