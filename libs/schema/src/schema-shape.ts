/**
 * What a schema can cost, told from its text before anything is held against it.
 *
 * 1. `weight` is about how many rules one value meets: references count as what they refer to. `Infinity`: it can't be told, since it
 *    refers to itself or in a way that is not followed here.
 * 2. A schema that leads back to itself without going into the value would never end: that is a problem, not a weight.
 */

export const SCHEMA_DEPTH_MAX = 200;
/** Beyond it nobody counts on. */
const WEIGHT_MAX = 1e9;

export interface SchemaShape {
  readonly weight: number;
  /** It compares the values of a list with each other. */
  readonly compares: boolean;
  /** Why it can't be used. */
  readonly problem?: string;
}

/** Keywords whose schemas see the same value as the schema that they stand in. */
const SAME_VALUE = [
  "allOf",
  "anyOf",
  "oneOf",
  "not",
  "if",
  "then",
  "else",
  "dependentSchemas",
  "dependencies",
];
const REFERENCES = ["$ref", "$dynamicRef", "$recursiveRef"];

export function shapeOf(schema: unknown): SchemaShape {
  if (depthOf(schema) > SCHEMA_DEPTH_MAX)
    return {
      weight: Infinity,
      compares: false,
      problem: `it is nested more than ${SCHEMA_DEPTH_MAX} levels deep`,
    };
  const walk = new Walk(schema);
  const weight = walk.weightOf(schema);
  const circle = walk.circle();
  return circle === undefined
    ? { weight, compares: walk.compares }
    : { weight: Infinity, compares: walk.compares, problem: circle };
}

function depthOf(schema: unknown): number {
  let level: unknown[] = [schema];
  for (let depth = 0; ; depth++) {
    const next: unknown[] = [];
    for (const one of level)
      if (isObject(one)) for (const value of Object.values(one)) if (isObject(value)) next.push(value);
    if (next.length === 0 || depth > SCHEMA_DEPTH_MAX) return depth + 1;
    level = next;
  }
}

class Walk {
  compares = false;
  private readonly weights = new Map<object, number>();
  private readonly open = new Set<object>();
  private readonly schemas: object[] = [];

  constructor(private readonly root: unknown) {}

  weightOf(node: unknown): number {
    if (!isObject(node)) return 1;
    const known = this.weights.get(node);
    if (known !== undefined) return known;
    if (this.open.has(node)) return Infinity;
    this.open.add(node);
    this.schemas.push(node);
    let weight = 1;
    for (const [key, value] of Object.entries(node)) {
      if (key === "uniqueItems" && value === true) this.compares = true;
      if (REFERENCES.includes(key) && typeof value === "string") {
        const target = this.resolve(value);
        weight += target === undefined ? Infinity : this.weightOf(target);
      } else weight += this.weightOf(value);
      if (weight > WEIGHT_MAX) weight = Infinity;
    }
    this.open.delete(node);
    this.weights.set(node, weight);
    return weight;
  }

  /** A sentence where a schema leads back to itself while it stays at one value. */
  circle(): string | undefined {
    const done = new Set<object>();
    const under = new Set<object>();
    const leadsBack = (node: object): boolean => {
      if (under.has(node)) return true;
      if (done.has(node)) return false;
      under.add(node);
      const found = this.sameValue(node).some(leadsBack);
      under.delete(node);
      done.add(node);
      return found;
    };
    return this.schemas.some(leadsBack)
      ? "a $ref in it leads back to itself without going into the value, so that checking would never end"
      : undefined;
  }

  private sameValue(node: object): object[] {
    const found: object[] = [];
    for (const [key, value] of Object.entries(node)) {
      if (REFERENCES.includes(key) && typeof value === "string") {
        const target = this.resolve(value);
        if (target !== undefined) found.push(target);
      } else if (SAME_VALUE.includes(key) && isObject(value)) {
        const one = key === "not" || key === "if" || key === "then" || key === "else";
        found.push(...(one ? [value] : Object.values(value).filter(isObject)));
      }
    }
    return found;
  }

  /** By JSON pointer; undefined where it is named in another way. */
  private resolve(reference: string): object | undefined {
    if (reference === "#") return isObject(this.root) ? this.root : undefined;
    if (!reference.startsWith("#/")) return undefined;
    let at: unknown = this.root;
    for (const token of reference.slice(2).split("/")) {
      const key = decoded(token);
      if (!isObject(at) || !Object.hasOwn(at, key)) return undefined;
      at = (at as Readonly<Record<string, unknown>>)[key];
    }
    return isObject(at) ? at : undefined;
  }
}

function decoded(token: string): string {
  try {
    return decodeURIComponent(token).replaceAll("~1", "/").replaceAll("~0", "~");
  } catch {
    return token;
  }
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;
