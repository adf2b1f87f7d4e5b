/**
 * Checks inputs against the JSON Schemas that workflows declare, with ajv: drafts 2020-12 (also where none is named) and 07.
 * Formats are notes, not checks.
 */
import type { RegisteredDefinition } from "@holdfast/engine";
import { Ajv, type ErrorObject, type Options, type ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { InputValidator } from "./parts.js";

/** Compiled schemas kept, by the hash of their definition. */
export const SCHEMAS_MAX = 500;

const OPTIONS: Options = {
  allErrors: true,
  strict: false,
  validateFormats: false,
  logger: false,
  addUsedSchema: false,
};

/** The answer for one schema. */
type Check = (input: unknown) => readonly string[];

export class AjvValidator implements InputValidator {
  /** Oldest first. */
  readonly #checks = new Map<string, Check>();

  constructor(private readonly schemasMax = SCHEMAS_MAX) {}

  problems({ hash, definition }: RegisteredDefinition, input: unknown): readonly string[] {
    if (definition.inputSchema === "") return [];
    let check = this.#checks.get(hash);
    if (check === undefined) {
      check = compile(definition.inputSchema);
      const [oldest] = this.#checks.keys();
      if (this.#checks.size >= this.schemasMax && oldest !== undefined) this.#checks.delete(oldest);
      this.#checks.set(hash, check);
    }
    return check(input);
  }
}

function compile(text: string): Check {
  let validate: ValidateFunction;
  try {
    const schema: unknown = JSON.parse(text);
    if (typeof schema !== "boolean" && (typeof schema !== "object" || schema === null))
      throw new Error("it is neither an object nor a boolean");
    if (typeof schema === "object" && "$async" in schema) throw new Error("$async schemas are not supported");
    validate = ajvFor(schema).compile(schema);
  } catch (error) {
    const why = `the workflow's input schema can't be used: ${messageOf(error)}; mend it and register the workflow again`;
    return () => [why];
  }
  return (input) => {
    try {
      return validate(input) ? [] : (validate.errors ?? []).map(sentence);
    } catch (error) {
      return [`it can't be checked: ${messageOf(error)}`];
    }
  };
}

function ajvFor(schema: unknown): Ajv {
  const dialect = typeof schema === "object" && schema !== null && "$schema" in schema ? schema.$schema : "";
  return typeof dialect === "string" && dialect.includes("draft-07")
    ? new Ajv(OPTIONS)
    : new Ajv2020(OPTIONS);
}

function sentence({ instancePath, message = "is not valid", params, keyword }: ErrorObject): string {
  const place = instancePath === "" ? "the input" : instancePath;
  const extra: unknown = keyword === "additionalProperties" ? params["additionalProperty"] : undefined;
  return typeof extra === "string" ? `${place} ${message} (${extra})` : `${place} ${message}`;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
