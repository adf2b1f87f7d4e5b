/**
 * Checks a run's input before it is sent, so that a mistake is told where it was made.
 * Nodes don't check again: what a handler gets is parsed by the workflow's own schema once more.
 */
import { HoldfastError } from "../errors.js";
import { issuesText, type Parsed, parseInput } from "../workflow/schema.js";
import type { AnyWorkflow } from "../workflow/workflow.js";
import type { WorkflowRegistry } from "./registry.js";

export class InputChecker {
  readonly #registry: WorkflowRegistry;

  constructor(registry: WorkflowRegistry) {
    this.#registry = registry;
  }

  /** Undefined where it fits and nothing has to be waited for. Throws or rejects with `INVALID_INPUT`, `UNKNOWN_WORKFLOW`. */
  check(workflow: AnyWorkflow | string, input: unknown): Promise<void> | undefined {
    if (typeof workflow === "string") return this.#checkByName(workflow, input);
    const { standard } = workflow.input;
    if (standard === undefined) return undefined;
    const parsed = parseInput(standard, input);
    if (parsed instanceof Promise) return parsed.then((settled) => refuse(workflow.name, settled));
    refuse(workflow.name, parsed);
    return undefined;
  }

  async #checkByName(name: string, _input: unknown): Promise<void> {
    const definition = await this.#registry.latest(name);
    if (definition === undefined) {
      throw new HoldfastError(
        "UNKNOWN_WORKFLOW",
        `workflow ${JSON.stringify(name)} is not registered; start a worker that has it, or register it`,
      );
    }
  }
}

function refuse(workflow: string, parsed: Parsed): void {
  if ("value" in parsed) return;
  throw new HoldfastError(
    "INVALID_INPUT",
    `the input does not fit workflow ${workflow}: ${issuesText(parsed.issues)}; mend the input and start again`,
    "never",
    { workflow, issues: parsed.issues },
  );
}
