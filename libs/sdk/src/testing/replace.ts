/** A workflow with other handlers: the same definition, so that a test can make any part of it fail as it likes. */
import type { AnyJobHandlers } from "../workflow/batch.js";
import type { Handler } from "../workflow/beside.js";
import { checkJobHandlerNames } from "../workflow/option-names.js";
import type { AnyWorkflow } from "../workflow/workflow.js";

/** By action: a handler of the same type; of an external batch some of its handlers, or its submit alone. */
export type Replacements<W> = W extends { readonly "~types": { readonly actions: infer A } }
  ? { readonly [N in keyof A & string]?: A[N] extends { readonly handles: infer H } ? Replacement<H> : never }
  : Readonly<Record<string, Handler | Partial<AnyJobHandlers>>>;
type Replacement<H> = [H] extends [never] ? Handler | Partial<AnyJobHandlers> : H;

/**
 * Throws where the workflow has no such action with a handler, as those that wait and child runs have none. The workflow itself stays as
 * it is; its undos and recoveries are the same.
 */
export function replaceHandlers<W extends AnyWorkflow>(workflow: W, replacements: Replacements<W>): W {
  const { name, input, classify, undoHandlers, recoverHandlers, definition, hash } = workflow;
  const handlers = new Map(workflow.handlers);
  const jobHandlers = new Map(workflow.jobHandlers);
  const given: Readonly<Record<string, Handler | Partial<AnyJobHandlers> | undefined>> = replacements;
  for (const [action, replacement] of Object.entries(given)) {
    if (replacement === undefined) continue;
    if (!handlers.has(action)) {
      const known = [...handlers.keys()].join(", ");
      throw new TypeError(
        `workflow "${name}" has no handler of action "${action}" to replace; it has: ${known}`,
      );
    }
    if (typeof replacement === "function") {
      handlers.set(action, replacement);
      continue;
    }
    const jobs = jobHandlers.get(action);
    if (jobs === undefined)
      throw new TypeError(`action "${action}" of workflow "${name}" is no external batch: give a function`);
    checkJobHandlerNames(action, replacement);
    const { submit = handlers.get(action), ...others } = replacement;
    jobHandlers.set(action, { ...jobs, ...others });
    if (submit !== undefined) handlers.set(action, submit);
  }
  const others = { undoHandlers, recoverHandlers, jobHandlers };
  const made: AnyWorkflow = { name, input, classify, handlers, ...others, definition, hash };
  return made as W;
}
