/**
 * Checks inputs against the JSON Schemas that workflows declare.
 *
 * 1. Nothing here throws or hangs, whatever schema and input: what could take long is checked on a thread of its own, within a time.
 *    What can't take long, which is nearly everything, is checked at once.
 * 2. A schema is compiled once; compiled ones are bounded.
 */
import { CheckPool } from "./check-pool.js";
import { type Check, compileSchema, NONE } from "./schema-check.js";
import { shapeOf } from "./schema-shape.js";
import { sizeOf } from "./small-value.js";

/** Compiled schemas kept. */
export const SCHEMAS_MAX = 500;
/** Characters of a schema beyond which it is not even compiled on the caller's thread. */
const SCHEMA_CHARS_MAX = 64 * 1024;
/** Rules of a schema beyond which it is not. */
const WEIGHT_MAX = 10_000;
/** Rules times size of an input: so much is done within a few milliseconds. */
const COST_MAX = 2_000_000;

/** The part of a registered definition that counts here. */
export interface DeclaredInput {
  /** Names the schema: the same hash has the same schema. */
  readonly hash: string;
  readonly definition: { readonly inputSchema: string };
}

export type InputVerdict = { readonly ok: true } | { readonly ok: false; readonly message: string };

type Problems = readonly string[];

interface Known {
  /** Undefined: for the thread alone. */
  readonly check: Check | undefined;
  /** The largest input that is checked at once. */
  readonly sizeMax: number;
}

const OK: InputVerdict = { ok: true };

export class SchemaValidator {
  /** By definition hash, the one used longest ago first. */
  readonly #known = new Map<string, Known>();
  readonly #max: number;
  readonly #pool: CheckPool;

  constructor(schemasMax = SCHEMAS_MAX, pool = sharedPool) {
    this.#max = schemasMax;
    this.#pool = pool;
  }

  /** How many compiled schemas are kept now. */
  get size(): number {
    return this.#known.size;
  }

  /** What is wrong with an input; empty: nothing. A promise, which never rejects, where it may take long. */
  problems({ hash, definition }: DeclaredInput, input: unknown): Problems | Promise<Problems> {
    const { inputSchema } = definition;
    if (inputSchema === "") return NONE;
    const known = this.#known.get(hash) ?? look(inputSchema);
    this.#known.delete(hash);
    this.#known.set(hash, known);
    if (this.#known.size > this.#max) {
      const [oldest] = this.#known.keys();
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    const { check, sizeMax } = known;
    return check !== undefined && sizeOf(input, sizeMax) <= sizeMax
      ? check(input)
      : this.#pool.problems(inputSchema, input);
  }

  /** The same as a verdict, with everything that is wrong in one message. */
  validate(declared: DeclaredInput, input: unknown): InputVerdict | Promise<InputVerdict> {
    const problems = this.problems(declared, input);
    return problems instanceof Promise ? problems.then(verdictOf) : verdictOf(problems);
  }
}

const verdictOf = (problems: Problems): InputVerdict =>
  problems.length === 0 ? OK : { ok: false, message: problems.join("; ") };

/** One thread for the process, whoever checks. */
const sharedPool = new CheckPool();

/** Why a schema can't be used; undefined where it can. For those who register workflows. */
export function schemaProblem(schema: string): string | undefined {
  return schema === "" ? undefined : compileSchema(schema).problem;
}

function look(schema: string): Known {
  const forThread = { check: undefined, sizeMax: 0 };
  if (schema.length > SCHEMA_CHARS_MAX) return forThread;
  const shape = shapeOfText(schema);
  if (shape !== undefined && shape.problem === undefined) {
    if (shape.weight > WEIGHT_MAX) return forThread;
    const most = COST_MAX / shape.weight;
    return {
      check: compileSchema(schema).check,
      sizeMax: Math.floor(shape.compares ? Math.sqrt(most) : most),
    };
  }
  // It refuses everything, at once.
  return { check: compileSchema(schema).check, sizeMax: Infinity };
}

function shapeOfText(schema: string) {
  try {
    return shapeOf(JSON.parse(schema));
  } catch {
    return undefined;
  }
}
