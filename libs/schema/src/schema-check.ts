/**
 * One JSON Schema made ready to hold inputs against, with ajv: drafts 2020-12 (also where none is named) and 07.
 *
 * 1. Nothing here throws, whatever the schema: one that can't be used refuses every input and says why.
 * 2. Problems told and their texts are bounded. Of a large input only the first problem is told: a million wrong rows must not cost a
 *    million errors.
 * 3. Patterns run in linear time. What else may take long is for whoever calls: see `schema-shape.ts`.
 * Formats are notes, not checks. Nothing is fetched: a `$ref` that leads outside makes the schema unusable.
 */
import { Ajv, type ErrorObject, type Options, type ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import { linearPattern } from "./linear-pattern.js";
import { shapeOf } from "./schema-shape.js";
import { isSmall } from "./small-value.js";

/** Problems told of one input. */
export const PROBLEMS_MAX = 10;
export const PROBLEM_CHARS_MAX = 300;
const PLACE_CHARS_MAX = 150;
const DRAFT_07 = /^https?:\/\/json-schema\.org\/draft-07\/schema#?$/;
const DRAFT_2020_12 = /^https?:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/;

/** As ajv asks for one; its text tells patterns apart. */
const regExp = Object.assign(
  (pattern: string) => {
    const linear = linearPattern(pattern);
    return { test: (text: string) => linear.test(text), toString: () => `linear ${pattern}` };
  },
  { code: "linearPattern" },
);

const OPTIONS: Options = {
  strict: false,
  validateFormats: false,
  logger: false,
  code: { regExp },
};

/** What is wrong with an input; empty: nothing. */
export type Check = (input: unknown) => readonly string[];
export const NONE: readonly string[] = [];

export interface Compiled {
  readonly check: Check;
  /** Why the schema can't be used. */
  readonly problem?: string;
}

export function compileSchema(text: string): Compiled {
  try {
    const schema: unknown = JSON.parse(text);
    const { problem } = shapeOf(schema);
    if (problem !== undefined) throw new Error(problem);
    return { check: checkBy(schema, compiled(schema, false)) };
  } catch (error) {
    return unusable(messageOf(error));
  }
}

function unusable(why: string): Compiled {
  const problem = cut(`the workflow's input schema can't be used: ${why}`);
  const problems = [`${problem}; mend it and register the workflow again`];
  return { check: () => problems, problem };
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
  // `#` is found in what was added; a schema with an id finds itself by that, which may be one that ajv has already.
  const hasId = typeof schema === "object" && schema !== null && "$id" in schema;
  const options = { ...OPTIONS, allErrors, addUsedSchema: !hasId };
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
  const place = instancePath === "" ? "the input" : shownPlace(instancePath);
  const extra: unknown = keyword === "additionalProperties" ? params["additionalProperty"] : undefined;
  return cut(typeof extra === "string" ? `${place} ${message} (${extra})` : `${place} ${message}`);
}

/** The end of a long one says the most, and leaves room for what is wrong there. */
const shownPlace = (path: string): string =>
  path.length <= PLACE_CHARS_MAX ? path : `…${path.slice(-PLACE_CHARS_MAX).toWellFormed()}`;

function cut(text: string): string {
  if (text.length <= PROBLEM_CHARS_MAX) return text;
  return `${text.slice(0, PROBLEM_CHARS_MAX - 1).toWellFormed()}…`;
}

/** What a stack that ran out says is no help to anybody. */
export function messageOf(error: unknown): string {
  if (error instanceof RangeError && /call stack/i.test(error.message))
    return "the schema refers to itself without an end, or the value is nested too deep for it";
  return error instanceof Error ? error.message : String(error);
}
