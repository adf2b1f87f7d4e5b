/**
 * A workflow's input schema: from any library that speaks Standard Schema, from a JSON Schema, or a type alone.
 *
 * The library's own `validate` runs where values enter handlers and where runs are started; the JSON Schema goes into the definition, so
 * that starts from elsewhere are checked too. Input travels as it was given: defaults and transforms apply at the handler.
 */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { HoldfastError } from "../errors.js";
import { checkNames, namesOf } from "../known-options.js";

export type JsonSchema = boolean | { readonly [keyword: string]: unknown };

/** Only a JSON Schema: what it describes is checked, but TypeScript knows nothing of it. */
export interface JsonSchemaInput {
  readonly jsonSchema: JsonSchema;
}

/** A Standard Schema beside the JSON Schema of what it takes. */
export interface SchemaWithJson<S extends StandardSchemaV1 = StandardSchemaV1> {
  readonly schema: S;
  readonly jsonSchema: JsonSchema;
}

/** A type, and perhaps a JSON Schema, by `typed<T>()`. */
export interface Typed<T> {
  readonly jsonSchema?: JsonSchema;
  readonly "~type"?: T;
}

export type InputOption = StandardSchemaV1 | SchemaWithJson | JsonSchemaInput | Typed<unknown>;

/** What is given to a start. */
export type InputOf<O> = O extends StandardSchemaV1
  ? StandardSchemaV1.InferInput<O>
  : O extends SchemaWithJson<infer S>
    ? StandardSchemaV1.InferInput<S>
    : O extends { readonly "~type"?: infer T }
      ? T
      : unknown;

/** What handlers get. */
export type ParsedOf<O> = O extends StandardSchemaV1
  ? StandardSchemaV1.InferOutput<O>
  : O extends SchemaWithJson<infer S>
    ? StandardSchemaV1.InferOutput<S>
    : O extends { readonly "~type"?: infer T }
      ? T
      : unknown;

/**
 * An input that is only typed: `workflow("orders", { input: typed<{ rows: Row[] }>() })`. Nothing is checked at run time but
 * what the JSON Schema says, where one is given.
 */
export function typed<T>(jsonSchema?: JsonSchema): Typed<T> {
  return jsonSchema === undefined ? {} : { jsonSchema };
}

/** One thing wrong with an input: `$.rows[2].id: Required`. */
export interface InputIssue {
  readonly path: string;
  readonly message: string;
}

export type Parsed = { readonly value: unknown } | { readonly issues: readonly InputIssue[] };

export interface InputSchema {
  /** Undefined where nothing but the type is known. */
  readonly standard: StandardSchemaV1 | undefined;
  /** As the definition carries it; empty: none. */
  readonly json: string;
}

/** The library's JSON Schemas are asked for in this draft. */
const TARGET = "draft-2020-12";
const ISSUES_MAX = 20;
const INPUT = namesOf<SchemaWithJson & Typed<unknown>>({ schema: 1, jsonSchema: 1, "~type": 1 });

export function readInputSchema(option: InputOption | undefined): InputSchema {
  if (option === undefined) return { standard: undefined, json: "" };
  if ("~standard" in option) return { standard: option, json: stringify(jsonSchemaOf(option)) };
  checkNames(option, INPUT, "the input of a workflow", "INVALID_DEFINITION");
  const standard = "schema" in option ? option.schema : undefined;
  return { standard, json: stringify(option.jsonSchema) };
}

/** The handlers' value, or what is wrong. A promise only where the library validates asynchronously. */
export function parseInput(schema: StandardSchemaV1 | undefined, value: unknown): Parsed | Promise<Parsed> {
  if (schema === undefined) return { value };
  const result = schema["~standard"].validate(value);
  return result instanceof Promise ? result.then(toParsed) : toParsed(result);
}

export function issuesText(issues: readonly InputIssue[]): string {
  return issues.map((issue) => `${issue.path}: ${issue.message}`).join("; ");
}

function toParsed(result: StandardSchemaV1.Result<unknown>): Parsed {
  if (result.issues === undefined) return { value: result.value };
  return {
    issues: result.issues
      .slice(0, ISSUES_MAX)
      .map((issue) => ({ path: pathOf(issue), message: issue.message })),
  };
}

function pathOf(issue: StandardSchemaV1.Issue): string {
  let path = "$";
  for (const segment of issue.path ?? []) {
    const key = typeof segment === "object" ? segment.key : segment;
    path += typeof key === "number" ? `[${key}]` : `.${String(key)}`;
  }
  return path;
}

/** What the library offers: the Standard JSON Schema extension, or a `toJSONSchema` of its own. */
function jsonSchemaOf(schema: StandardSchemaV1): JsonSchema | undefined {
  const standard: object = schema["~standard"];
  try {
    if ("jsonSchema" in standard) {
      const converter = standard.jsonSchema as { input(options: { target: string }): JsonSchema };
      return converter.input({ target: TARGET });
    }
    if ("toJSONSchema" in schema && typeof schema.toJSONSchema === "function") {
      return Reflect.apply(schema.toJSONSchema, schema, [{ target: TARGET, io: "input" }]) as JsonSchema;
    }
  } catch {
    // What the library can't express as JSON Schema is then checked by the library alone.
  }
  return undefined;
}

function stringify(schema: JsonSchema | undefined): string {
  if (schema === undefined) return "";
  try {
    return JSON.stringify(schema);
  } catch (cause) {
    throw new HoldfastError(
      "INVALID_DEFINITION",
      "the input's JSON Schema is not JSON; give plain data",
      "never",
      {},
      { cause },
    );
  }
}
