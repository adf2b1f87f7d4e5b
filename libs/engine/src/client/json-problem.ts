/**
 * Says where in a value something stands that JSON can't carry. Only asked once `JSON.stringify` has failed: it is slow.
 * Never throws, whatever it is given.
 */

/** How deep and how far it looks before it gives up on naming the place. */
const DEPTH_MAX = 200;
const VALUES_MAX = 100_000;

export interface JsonProblem {
  /** As a reader would write it: `$.rows[3].total`. */
  readonly path: string;
  readonly what: string;
}

/** The first place, depth first, that JSON refuses; undefined where none is found. */
export function findJsonProblem(value: unknown): JsonProblem | undefined {
  const walk = new Walk();
  try {
    return walk.visit(value, "$", 0);
  } catch (error) {
    return {
      path: walk.path,
      what: `reading it throws: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
}

class Walk {
  path = "$";
  readonly #ancestors = new Set<object>();
  #left = VALUES_MAX;

  visit(value: unknown, path: string, depth: number): JsonProblem | undefined {
    this.path = path;
    if (typeof value === "bigint") return { path, what: "a bigint; turn it into a string or a number" };
    if (typeof value !== "object" || value === null || --this.#left < 0) return undefined;
    if (this.#ancestors.has(value))
      return { path, what: "a reference back to what holds it; JSON has no cycles" };
    if (depth > DEPTH_MAX) return { path, what: `nested more than ${DEPTH_MAX} deep` };
    this.#ancestors.add(value);
    const problem = this.#visitInside(value, path, depth);
    this.#ancestors.delete(value);
    return problem;
  }

  #visitInside(value: object, path: string, depth: number): JsonProblem | undefined {
    if ("toJSON" in value && typeof value.toJSON === "function") {
      const json: unknown = Reflect.apply(value.toJSON, value, [""]);
      return json === value ? undefined : this.visit(json, path, depth + 1);
    }
    const isArray = Array.isArray(value);
    for (const [key, inner] of Object.entries(value)) {
      const problem = this.visit(inner, isArray ? `${path}[${key}]` : `${path}${memberPath(key)}`, depth + 1);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }
}

function memberPath(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}
