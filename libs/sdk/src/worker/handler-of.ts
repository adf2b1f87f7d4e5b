/** Which function of a workflow a task is for. */
import { JobStep, type Task } from "@holdfast/proto";
import type { Handler } from "../workflow/beside.js";
import type { AnyWorkflow } from "../workflow/workflow.js";
import { recoveredError } from "./recovered-error.js";

/** Undefined: this worker has none. */
export function handlerOf(
  workflow: AnyWorkflow,
  { actionName, undo, recover, job }: Task,
): Handler | undefined {
  if (undo?.now === true) return workflow.undoHandlers.get(actionName);
  if (recover !== undefined) {
    const handler = workflow.recoverHandlers.get(actionName);
    return handler && ((args, context) => handler(args, recoveredError(recover) as never, context));
  }
  const jobs = job === undefined ? undefined : workflow.jobHandlers.get(actionName);
  if (job?.step === JobStep.CHECK) return jobs && ((handle, context) => jobs.check(handle, context));
  if (job?.step === JobStep.CANCEL)
    return jobs?.cancel && ((handle, context) => jobs.cancel?.(handle, context));
  return workflow.handlers.get(actionName);
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
