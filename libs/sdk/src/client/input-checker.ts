/**
 * Checks a run's input before it is sent, so that a mistake is told where it was made: with the schema library of the
 * workflow where it is at hand, else with the JSON Schema that is registered.
 * Handlers get what the library makes of the input once more, whoever sent it.
 */
import type { RegisteredDefinition } from "@holdfast/engine";
import { SchemaValidator } from "@holdfast/schema";
import { HoldfastError } from "../errors.js";
import { issuesText, type Parsed, parseInput } from "../workflow/schema.js";
import type { AnyWorkflow } from "../workflow/workflow.js";
import type { WorkflowRegistry } from "./registry.js";

export class InputChecker {
  readonly #registry: WorkflowRegistry;
  readonly #schemas = new SchemaValidator();

  constructor(registry: WorkflowRegistry) {
    this.#registry = registry;
  }

  /** Undefined where it fits and nothing has to be waited for. Throws or rejects with `INVALID_INPUT`, `UNKNOWN_WORKFLOW`. */
  check(workflow: AnyWorkflow | string, input: unknown): Promise<void> | undefined {
    if (typeof workflow === "string") return this.#checkByName(workflow, input);
    const { json, standard } = workflow.input;
    if (standard !== undefined) {
      const parsed = parseInput(standard, input);
      if (parsed instanceof Promise) return parsed.then((settled) => refuse(workflow.name, settled));
      refuse(workflow.name, parsed);
    } else if (json !== "") this.#checkBySchema(workflow, input);
    return undefined;
  }

  async #checkByName(name: string, input: unknown): Promise<void> {
    const registered = await this.#registry.latest(name);
    if (registered === undefined) {
      throw new HoldfastError(
        "UNKNOWN_WORKFLOW",
        `workflow ${JSON.stringify(name)} is not registered; start a worker that has it, or register it`,
      );
    }
    this.#checkBySchema(registered, input);
  }

  #checkBySchema(registered: RegisteredDefinition, input: unknown): void {
    // No input at all is null to whoever reads it.
    const verdict = this.#schemas.validate(registered, input === undefined ? null : input);
    if (!verdict.ok) throw invalid(registered.definition.name, verdict.message, [verdict.message]);
  }
}

function refuse(workflow: string, parsed: Parsed): void {
  if (!("value" in parsed)) throw invalid(workflow, issuesText(parsed.issues), parsed.issues);
}

function invalid(workflow: string, what: string, issues: readonly unknown[]): HoldfastError {
  return new HoldfastError(
    "INVALID_INPUT",
    `the input does not fit workflow ${workflow}: ${what}; mend the input and start again`,
    "never",
    { workflow, issues },
  );
}
