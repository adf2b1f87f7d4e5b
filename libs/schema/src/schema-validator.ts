/**
 * Checks inputs against the JSON Schemas that workflows declare, with ajv: drafts 2020-12 (also where none is named) and 07.
 *
 * 1. Nothing here throws, whatever the schema: one that can't be used refuses every input and says why.
 * 2. A schema is compiled once; compiled ones, problems told and their texts are bounded.
 * 3. Of a large input only the first problem is told: a million wrong rows must not cost a million errors.
 * Formats are notes, not checks. Nothing is fetched: a `$ref` that leads outside makes the schema unusable.
 */
import { Ajv, type ErrorObject, type Options, type ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import { isSmall } from "./small-value.js";

/** Compiled schemas kept. */
export const SCHEMAS_MAX = 500;
/** Problems told of one input. */
export const PROBLEMS_MAX = 10;
export const PROBLEM_CHARS_MAX = 300;
const DRAFT_07 = /^https?:\/\/json-schema\.org\/draft-07\/schema#?$/;
const DRAFT_2020_12 = /^https?:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/;

const OPTIONS: Options = {
  strict: false,
  validateFormats: false,
  logger: false,
  addUsedSchema: false,
};

/** The part of a registered definition that counts here. */
export interface DeclaredInput {
  /** Names the schema: the same hash has the same schema. */
  readonly hash: string;
  readonly definition: { readonly inputSchema: string };
}

export type InputVerdict = { readonly ok: true } | { readonly ok: false; readonly message: string };

/** The answer for one schema. */
type Check = (input: unknown) => readonly string[];
const NONE: readonly string[] = [];

export class SchemaValidator {
  /** By definition hash, the one used longest ago first. */
  readonly #checks = new Map<string, Check>();
  readonly #max: number;

  constructor(schemasMax = SCHEMAS_MAX) {
    this.#max = schemasMax;
  }

  /** How many compiled schemas are kept now. */
  get size(): number {
    return this.#checks.size;
  }

  /** What is wrong with an input; empty: nothing. */
  problems({ hash, definition }: DeclaredInput, input: unknown): readonly string[] {
    if (definition.inputSchema === "") return NONE;
    const check = this.#checks.get(hash) ?? compile(definition.inputSchema).check;
    this.#checks.delete(hash);
    this.#checks.set(hash, check);
    if (this.#checks.size > this.#max) {
      const [oldest] = this.#checks.keys();
      if (oldest !== undefined) this.#checks.delete(oldest);
    }
    return check(input);
  }

  /** The same as a verdict, with everything that is wrong in one message. */
  validate(declared: DeclaredInput, input: unknown): InputVerdict {
    const problems = this.problems(declared, input);
    return problems.length === 0 ? { ok: true } : { ok: false, message: problems.join("; ") };
  }
}

/** Why a schema can't be used; undefined where it can. For those who register workflows. */
export function schemaProblem(schema: string): string | undefined {
  return schema === "" ? undefined : compile(schema).problem;
}

function compile(text: string): { readonly check: Check; readonly problem?: string } {
  try {
    const schema: unknown = JSON.parse(text);
    return { check: checkBy(schema, compiled(schema, false)) };
  } catch (error) {
    const problem = cut(`the workflow's input schema can't be used: ${messageOf(error)}`);
    const problems = [`${problem}; mend it and register the workflow again`];
    return { check: () => problems, problem };
  }
}

function checkBy(schema: unknown, first: ValidateFunction): Check {
  /** Tells all problems; made when a small input is wrong. */
  let thorough: ValidateFunction | undefined;
  return (input) => {
    try {
      if (first(input)) return NONE;
      if (!isSmall(input)) return sentences(first.errors);
      thorough ??= compiled(schema, true);
      thorough(input);
      return sentences(thorough.errors);
    } catch (error) {
      return [cut(`the input can't be checked: ${messageOf(error)}`)];
    }
  };
}

function compiled(schema: unknown, allErrors: boolean): ValidateFunction {
  const options = { ...OPTIONS, allErrors };
  if (typeof schema === "boolean") return new Ajv2020(options).compile(schema);
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) {
    throw new Error("it is neither an object nor a boolean");
  }
  if ("$async" in schema) throw new Error("$async schemas are not supported");
  const dialect: unknown = "$schema" in schema ? schema.$schema : undefined;
  if (typeof dialect === "string" && DRAFT_07.test(dialect)) return new Ajv(options).compile(schema);
  if (dialect === undefined || (typeof dialect === "string" && DRAFT_2020_12.test(dialect))) {
    return new Ajv2020(options).compile(schema);
  }
  throw new Error(`its $schema ${JSON.stringify(dialect)} is neither draft 2020-12 nor draft-07`);
}

function sentences(errors: readonly ErrorObject[] | null | undefined): readonly string[] {
  const told = [...new Set((errors ?? []).map(sentence))].slice(0, PROBLEMS_MAX);
  return told.length === 0 ? ["the input is not valid"] : told;
}

function sentence({ instancePath, message = "is not valid", params, keyword }: ErrorObject): string {
  const place = instancePath === "" ? "the input" : instancePath;
  const extra: unknown = keyword === "additionalProperties" ? params["additionalProperty"] : undefined;
  return cut(typeof extra === "string" ? `${place} ${message} (${extra})` : `${place} ${message}`);
}

function cut(text: string): string {
  if (text.length <= PROBLEM_CHARS_MAX) return text;
  return `${text.slice(0, PROBLEM_CHARS_MAX - 1).toWellFormed()}…`;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
