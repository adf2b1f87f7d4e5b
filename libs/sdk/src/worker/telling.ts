/** Log lines about attempts. */
import type { Logger } from "@holdfast/telemetry";
import type { HeldTask } from "./held-task.js";
import type { Steps } from "./steps.js";

const STEPS_NAMED_MAX = 8;

export function tellLate(logger: Logger, { task, stopping }: HeldTask): void {
  // It was told so by what it called, and ends with that.
  if (stopping === "stuck") return;
  const { runId, actionName, item, attempt } = task;
  logger.warn("a handler ended after its attempt was given up; what it did is not counted", {
    run: runId,
    action: actionName,
    item,
    attempt,
  });
}

export function tellOpenSteps(logger: Logger, { task }: HeldTask, { open }: Steps): void {
  const { runId, actionName, item, attempt } = task;
  logger.warn(
    "a handler returned while steps of it were under way; their results count for nothing: await every step",
    { run: runId, action: actionName, item, attempt, steps: [...open].slice(0, STEPS_NAMED_MAX) },
  );
}

export function tellFailure(logger: Logger, { task }: HeldTask, message: string): void {
  if (!logger.isEnabled("debug")) return;
  const { runId, actionName, item, attempt } = task;
  logger.debug("an attempt failed", { run: runId, action: actionName, item, attempt, message });
}

export function tellGivenBack(logger: Logger, { task }: HeldTask, why: string): void {
  const { runId, actionName, item, attempt } = task;
  logger.warn("an attempt is given back; nothing of it is spent", {
    run: runId,
    action: actionName,
    item,
    attempt,
    why,
  });
}
