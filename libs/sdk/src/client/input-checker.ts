/**
 * Checks a run's input before it is sent, so that a mistake is told where it was made: with the schema library of the
 * workflow where it is at hand, else with the JSON Schema that is registered.
 * Handlers get what the library makes of the input once more, whoever sent it.
 */
import { findJsonProblem, type RegisteredDefinition } from "@holdfast/engine";
import { type InputVerdict, SchemaValidator } from "@holdfast/schema";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { HoldfastError } from "../errors.js";
import { nearestOf } from "../known-options.js";
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
      const parsed = this.#parsed(workflow.name, standard, input);
      if (parsed instanceof Promise) return parsed.then((settled) => refuse(workflow.name, settled));
      refuse(workflow.name, parsed);
    } else if (json !== "") return this.#checkBySchema(workflow, input);
    return undefined;
  }

  /** A library that follows a value all the way down has no end of stack of its own. */
  #parsed(workflow: string, standard: StandardSchemaV1, input: unknown): Parsed | Promise<Parsed> {
    try {
      return parseInput(standard, input);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const { path, what } = findJsonProblem(input) ?? {
        path: "the input",
        what: "more than its schema can follow: the schema refers to itself without an end",
      };
      throw invalid(workflow, `${path} is ${what}`, [what]);
    }
  }

  async #checkByName(name: string, input: unknown): Promise<void> {
    const registered = await this.#registry.latest(name);
    if (registered === undefined) {
      const names = await this.#registry.names();
      throw new HoldfastError(
        "UNKNOWN_WORKFLOW",
        `workflow ${JSON.stringify(name)} is not registered${meantOf(name, names)}; start a worker that has it, or register it`,
      );
    }
    await this.#checkBySchema(registered, input);
  }

  #checkBySchema(registered: RegisteredDefinition, input: unknown): Promise<void> | undefined {
    // No input at all is null to whoever reads it.
    const verdict = this.#schemas.validate(registered, input === undefined ? null : input);
    const { name } = registered.definition;
    if (verdict instanceof Promise) return verdict.then((settled) => refuseBy(name, settled, input));
    refuseBy(name, verdict, input);
    return undefined;
  }
}

/** Names shown where none is near. */
const NAMES_SHOWN = 20;

function meantOf(name: string, names: readonly string[]): string {
  if (names.length === 0) return "";
  const nearest = nearestOf(name, new Map(names.map((each) => [each, 1])));
  if (nearest !== undefined) return ` (did you mean ${JSON.stringify(nearest)}?)`;
  const more = names.length > NAMES_SHOWN ? " …" : "";
  return `; registered are ${names.slice(0, NAMES_SHOWN).join(", ")}${more}`;
}

function refuseBy(workflow: string, verdict: InputVerdict, input: unknown): void {
  if (verdict.ok) return;
  // What JSON can't carry is told first: a schema can only stumble over it.
  const problem = findJsonProblem(input);
  const what = problem === undefined ? verdict.message : `${problem.path} is ${problem.what}`;
  throw invalid(workflow, what, [what]);
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
