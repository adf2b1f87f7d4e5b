/** A workflow with other handlers: the same definition, so that a test can make any part of it fail as it likes. */
import type { Handler } from "../workflow/beside.js";
import type { AnyWorkflow } from "../workflow/workflow.js";

/** Throws where the workflow has no such action with a handler. The workflow itself stays as it is. */
export function replaceHandlers<W extends AnyWorkflow>(
  workflow: W,
  handlers: Readonly<Record<string, (args: never, context: never) => unknown>>,
): W {
  const replaced = new Map<string, Handler>(workflow.handlers);
  for (const [action, handler] of Object.entries(handlers)) {
    if (!replaced.has(action)) {
      const known = [...workflow.handlers.keys()].join(", ");
      throw new TypeError(
        `workflow "${workflow.name}" has no handler of action "${action}" to replace; it has: ${known}`,
      );
    }
    replaced.set(action, handler);
  }
  const { name, input, undoHandlers, recoverHandlers, jobHandlers, definition, hash } = workflow;
  const others = { undoHandlers, recoverHandlers, jobHandlers };
  const made: AnyWorkflow = { name, input, handlers: replaced, ...others, definition, hash };
  return made as W;
}
