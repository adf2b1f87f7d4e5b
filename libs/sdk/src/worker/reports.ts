/**
 * From what became of an attempt to the report that the log gets. Never throws: what can't be reported as it is becomes a
 * failure that says why.
 */
import { bindMessage, classifyFailure, cutText } from "@holdfast/core";
import { type PayloadCodec, PayloadError, PortError } from "@holdfast/engine";
import {
  Effect,
  type Failure,
  FailureMode,
  FailureSchema,
  type Payload,
  Source,
  type Task,
  type TaskReport,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { NoEffectEnding, SkipEnding } from "./endings.js";
import type { HeldTask } from "./held-task.js";

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
  payloads: PayloadCodec,
): Outcome | Promise<Outcome> {
  if (value === undefined) return success(undefined, Effect.SILENT);
  if (value instanceof NoEffectEnding)
    return success(undefined, Effect.NONE_WITH_REASON, cutReason(value.reason));
  if (value instanceof SkipEnding) return skipped(held, value);
  // Nothing comes after an undo that could use what it returned.
  if (held.task.undo?.now === true) return success(undefined, Effect.VALUE);
  try {
    const payload = payloads.encode(value, outputName(held));
    if (!(payload instanceof Promise)) return success(payload, Effect.VALUE);
    return payload.then(
      (stored) => success(stored, Effect.VALUE),
      (error: unknown) => outcomeOfThrown(held, error),
    );
  } catch (error) {
    return outcomeOfThrown(held, error);
  }
}

/** What anything that a handler threw, or that befell its output, comes to. */
export function outcomeOfThrown(held: HeldTask, thrown: unknown): Outcome {
  const classified = classifyFailure(thrown);
  const mode = held.stopping === undefined ? modeOf(thrown, classified.mode) : stoppedMode(held);
  const step = held.failedStep;
  const inStep = step !== undefined && step.error === thrown;
  return failure({
    mode,
    step: inStep ? step.name : "",
    shown: bindMessage(held.failureMessage, held.args),
    message: inStep ? `in step "${step.name}": ${classified.message}` : classified.message,
    rawClass: classified.rawClass,
    code: classified.code,
    retryAfterMs: classified.retryAfterMs,
    stack: classified.stack,
  });
}

/** An attempt that was stopped, and did not end by itself in time. */
export function outcomeOfStopped(held: HeldTask): Outcome {
  return failure({
    mode: stoppedMode(held),
    shown: bindMessage(held.failureMessage, held.args),
    message: held.stopReason,
    rawClass: held.stopError().name,
  });
}

/** A task that this worker has no handler for: another may. */
export function outcomeOfUnknown({ task }: HeldTask): Outcome {
  return failure({
    mode: FailureMode.UNAVAILABLE,
    message: `this worker has no ${kindOf(task)}handler for action "${task.actionName}" of workflow "${task.workflow}"; run a worker of the version that has it on queue "${task.queue}"`,
    rawClass: "NoHandler",
  });
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

/** What a handler returns that can't be JSON, or is too large, is its own mistake. */
function modeOf(thrown: unknown, classified: FailureMode): FailureMode {
  if (thrown instanceof PortError) return FailureMode.HANDLER_BUG;
  if (!(thrown instanceof PayloadError)) return classified;
  return thrown.code === "unavailable" ? FailureMode.UNAVAILABLE : FailureMode.HANDLER_BUG;
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
