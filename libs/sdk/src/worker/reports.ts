/**
 * From what became of an attempt to the report that the log gets. Never throws: what can't be reported as it is becomes a
 * failure that says why.
 */
import { cutText } from "@holdfast/core";
import type { PayloadCodec } from "@holdfast/engine";
import {
  Effect,
  type Failure,
  FailureMode,
  FailureSchema,
  type Payload,
  Source,
  type Task,
  type TaskReport,
  TaskReturnSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { NoEffectEnding, SkipEnding } from "./endings.js";
import { type Classifiers, failureOf } from "./failures.js";
import type { HeldTask } from "./held-task.js";
import { isFailureOfOurs, type PatienceHost, patiently } from "./patience.js";

export type Outcome = TaskReport["outcome"];

const REASON_CHARS_MAX = 1_024;
const NS_PER_MS = 1_000_000n;

let lastMs = 0;
let lastNs = 0n;

/** Reports of one millisecond share the number: making a bigint is not free. */
function nanoseconds(ms: number): bigint {
  if (ms !== lastMs) {
    lastMs = ms;
    lastNs = BigInt(Math.floor(ms)) * NS_PER_MS;
  }
  return lastNs;
}

export function reportOf({ task, startedMs, usage }: HeldTask, outcome: Outcome, nowMs: number): TaskReport {
  const report: TaskReport = {
    $typeName: "holdfast.v1.TaskReport",
    runId: task.runId,
    action: task.action,
    attempt: task.attempt,
    startedAtNs: nanoseconds(startedMs),
    endedAtNs: nanoseconds(nowMs),
    outcome,
    worker: "",
  };
  if (task.item !== undefined) report.item = task.item;
  if (usage !== undefined) report.usage = usage.report();
  return report;
}

/** What the value that a handler ended with comes to. */
export function outcomeOfValue(
  held: HeldTask,
  value: unknown,
  host: PatienceHost & { readonly payloads: PayloadCodec },
  by: Classifiers,
): Outcome | Promise<Outcome> {
  if (value === undefined) return success(undefined, Effect.SILENT);
  try {
    if (value instanceof NoEffectEnding)
      return success(undefined, Effect.NONE_WITH_REASON, cutReason(value.reason));
    if (value instanceof SkipEnding) return skipped(held, value);
    // Nothing comes after an undo that could use what it returned.
    if (held.task.undo?.now === true) return success(undefined, Effect.VALUE);
    const { payloads } = host;
    const what = outputName(held);
    const payload = payloads.encode(value, what, "output");
    if (!(payload instanceof Promise)) return success(payload, Effect.VALUE);
    let first: typeof payload | undefined = payload;
    const again = (): ReturnType<typeof payloads.encode> => {
      const made = first ?? payloads.encode(value, what, "output");
      first = undefined;
      return made;
    };
    return patiently(held, host, what, again).then(
      (stored) => success(stored, Effect.VALUE),
      (error: unknown) => outcomeOfThrown(held, error, by),
    );
  } catch (error) {
    return outcomeOfThrown(held, error, by);
  }
}

/** What anything that a handler threw, or that befell its output, comes to. */
export function outcomeOfThrown(held: HeldTask, thrown: unknown, by: Classifiers): Outcome {
  const value = failureOf(thrown, by);
  if ((held.stopping === undefined || held.stopping === "shutdown") && isFailureOfOurs(thrown))
    return givenBack(`Holdfast failed, not the handler: ${value.message}`);
  if (held.stopping !== undefined) {
    value.mode = stoppedMode(held);
    value.classifiedBy = "";
  }
  const step = held.failedStep;
  if (step !== undefined && step.error === thrown) {
    value.step = step.name;
    value.message = `in step "${step.name}": ${value.message}`;
  }
  return { case: "failure", value };
}

/** An attempt that was stopped, and did not end by itself in time. */
export function outcomeOfStopped(held: HeldTask): Outcome {
  return failure({
    mode: stoppedMode(held),
    message: held.stopReason,
    rawClass: held.stopError().name,
  });
}

/** An attempt that is given back, with nothing of it spent. */
export function givenBack(reason: string, noFunction = false): Outcome {
  const value = init(TaskReturnSchema, { reason: cutReason(reason), noFunction });
  return { case: "returned", value };
}

/** A task that this worker has no handler for: another may. */
export function outcomeOfUnknown({ task }: HeldTask): Outcome {
  return givenBack(
    `this worker has no ${kindOf(task)}handler for action "${task.actionName}" of workflow "${task.workflow}"; run a worker of the version that has it on queue "${task.queue}"`,
    true,
  );
}

function kindOf(task: Task): string {
  if (task.undo?.now === true) return "undo ";
  return task.recover === undefined ? "" : "recovery ";
}

function success(output: Payload | undefined, effect: Effect, reason = ""): Outcome {
  return {
    case: "success",
    value: { $typeName: "holdfast.v1.TaskSuccess", ...(output && { output }), effect, reason, detail: "" },
  };
}

function skipped(held: HeldTask, value: SkipEnding): Outcome {
  if (held.task.item !== undefined) {
    return { case: "skip", value: { $typeName: "holdfast.v1.TaskSkip", reason: cutReason(value.reason) } };
  }
  return failure({
    mode: FailureMode.HANDLER_BUG,
    message: `the handler of action "${held.task.actionName}" returned ctx.skip(): only an item can be skipped; return ctx.noEffect() instead`,
    rawClass: "SkipEnding",
  });
}

function failure(fields: Parameters<typeof init<typeof FailureSchema>>[1]): Outcome {
  const value: Failure = init(FailureSchema, { source: Source.WORKER, ...fields });
  return { case: "failure", value };
}

function stoppedMode(held: HeldTask): FailureMode {
  if (held.stopping === "timeout") return FailureMode.TIMEOUT;
  if (held.stopping === "stuck") return FailureMode.STUCK;
  // Another worker can do it: what this one was stopped for is no failing of the handler.
  return held.stopping === "shutdown" ? FailureMode.WORKER_LOST : FailureMode.CANCELLED;
}

function outputName({ task }: HeldTask): string {
  const which = task.item === undefined ? "" : ` for item ${task.item}`;
  return `what the handler of action "${task.actionName}" returned${which}`;
}

function cutReason(reason: unknown): string {
  return cutText(typeof reason === "string" && reason !== "" ? reason : "no reason given", REASON_CHARS_MAX);
}
