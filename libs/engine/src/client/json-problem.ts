/**
 * What of a value JSON can't carry: where it would refuse it, and where it would lose it in silence.
 * Never throws, whatever it is given.
 *
 * 1. What `JSON.stringify` leaves out as everybody knows may be left out: members that are undefined. What has a `toJSON`, as dates do, is what that says.
 * 2. What would arrive as null, as `{}` or not at all is a problem: NaN and infinities, invalid dates, functions, symbols, and objects whose content
 *    stands elsewhere than in their members (Map, Set, RegExp, Error, Promise, bytes and the like).
 * 3. What is nested deeper than every other door lets in is a problem, too: one limit for all, in the core.
 * 4. `isJson` is for each value that is encoded, and builds nothing; the place is looked for only once there is something wrong.
 */
import { JSON_DEPTH_MAX } from "@holdfast/core";

/** Path segments that are shown. */
const SEGMENTS_MAX = 24;

export interface JsonProblem {
  /** As a reader would write it: `$.rows[3].total`. */
  readonly path: string;
  readonly what: string;
}

/** Whether JSON carries all of it. To be asked of what `JSON.stringify` has taken: that has no cycles. */
export function isJson(value: unknown): boolean {
  switch (typeof value) {
    case "number":
      return Number.isFinite(value);
    case "object":
      return value === null || isJsonObject(value, 0);
    case "function":
    case "symbol":
      return false;
    default:
      return true;
  }
}

function isJsonObject(value: object, depth: number): boolean {
  if (depth >= JSON_DEPTH_MAX || lossOf(value) !== undefined) return false;
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") return isInside(Reflect.apply(toJSON, value, [""]), depth);
  if (Array.isArray(value)) {
    for (const inner of value) if (!isInside(inner, depth)) return false;
    return true;
  }
  for (const key of Object.keys(value))
    if (!isInside((value as Record<string, unknown>)[key], depth)) return false;
  return true;
}

const isInside = (value: unknown, depth: number): boolean =>
  typeof value === "object" && value !== null ? isJsonObject(value, depth + 1) : isJson(value);

/** Objects of the language whose content is lost, by what they call themselves. */
const LOST: ReadonlyMap<string, string> = new Map([
  ["Map", "a Map; give Object.fromEntries(map) or an array"],
  ["Set", "a Set; give an array"],
  ["WeakMap", "a WeakMap"],
  ["WeakSet", "a WeakSet"],
  ["WeakRef", "a WeakRef"],
  ["RegExp", "a RegExp; give its source"],
  ["Error", "an Error; give its message"],
  ["Promise", "a Promise; await it"],
  ["ArrayBuffer", "bytes; put them into an artifact, or give base64"],
  ["SharedArrayBuffer", "bytes; put them into an artifact, or give base64"],
  ["DataView", "bytes; put them into an artifact, or give base64"],
  ["Generator", "a generator; give an array"],
  ["AsyncGenerator", "a generator; give an array"],
  ["Arguments", "the arguments of a function; give an array"],
]);
const BYTES = "bytes; put them into an artifact, or give base64";

/** What of an object itself would be lost; undefined: nothing, its members aside. */
function lossOf(value: object): string | undefined {
  const proto: unknown = Object.getPrototypeOf(value);
  if (proto === Object.prototype || proto === Array.prototype || proto === null) return undefined;
  if (ArrayBuffer.isView(value)) return BYTES;
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  if (tag === "Object" || tag === "Array") return undefined;
  if (tag === "Date") return Number.isNaN(Number(value)) ? "an invalid Date" : undefined;
  if (tag === "Number") return Number.isFinite(Number(value)) ? undefined : `${Number(value)}`;
  if (tag === "String" || tag === "Boolean" || tag === "BigInt") return undefined;
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") return undefined;
  const lost = LOST.get(tag);
  if (lost !== undefined) return lost;
  // Of a class that names itself: its members are what there is of it.
  return Object.keys(value).length === 0 ? `a ${tag}, of which JSON keeps nothing` : undefined;
}

/** The first place, depth first, that JSON refuses or loses; undefined where none is found. `root` stands for the value. */
export function findJsonProblem(value: unknown, root = "$"): JsonProblem | undefined {
  const walk = new Walk();
  try {
    const what = walk.visit(value, 0);
    return what === undefined ? undefined : { path: pathOf(root, walk.at), what };
  } catch (error) {
    const what = `reading it throws: ${error instanceof Error ? error.message : "something that is no error"}`;
    return { path: pathOf(root, walk.at), what };
  }
}

class Walk {
  /** The way to what is looked at. */
  readonly at: (string | number)[] = [];
  readonly #ancestors = new Set<object>();

  visit(value: unknown, depth: number): string | undefined {
    switch (typeof value) {
      case "number":
        return Number.isFinite(value) ? undefined : String(value);
      case "bigint":
        return "toJSON" in BigInt.prototype ? undefined : "a bigint; turn it into a string or a number";
      case "function":
        return "a function";
      case "symbol":
        return "a symbol";
      case "object":
        return value === null ? undefined : this.#object(value, depth);
      default:
        return undefined;
    }
  }

  #object(value: object, depth: number): string | undefined {
    if (this.#ancestors.has(value)) return "a reference back to what holds it; JSON has no cycles";
    if (depth >= JSON_DEPTH_MAX)
      return `nested more than ${JSON_DEPTH_MAX} levels deep; flatten it, or put it into an artifact`;
    const lost = lossOf(value);
    if (lost !== undefined) return lost;
    this.#ancestors.add(value);
    const problem = this.#inside(value, depth);
    this.#ancestors.delete(value);
    return problem;
  }

  #inside(value: object, depth: number): string | undefined {
    if ("toJSON" in value && typeof value.toJSON === "function") {
      const json: unknown = Reflect.apply(value.toJSON, value, [""]);
      return json === value ? undefined : this.visit(json, depth + 1);
    }
    const isArray = Array.isArray(value);
    for (const key of Object.keys(value)) {
      this.at.push(isArray ? Number(key) : key);
      const problem = this.visit((value as Record<string, unknown>)[key], depth + 1);
      if (problem !== undefined) return problem;
      this.at.pop();
    }
    return undefined;
  }
}

function pathOf(root: string, at: readonly (string | number)[]): string {
  const shown = at.length <= SEGMENTS_MAX ? at : at.slice(-SEGMENTS_MAX);
  let path = shown === at ? root : `${root}…`;
  for (const key of shown) path += typeof key === "number" ? `[${key}]` : memberPath(key);
  return path;
}

const KEY_CHARS_MAX = 64;

function memberPath(key: string): string {
  const cut = key.length > KEY_CHARS_MAX ? `${key.slice(0, KEY_CHARS_MAX)}…` : key;
  return /^[A-Za-z_$][\w$]*$/.test(cut) ? `.${cut}` : `[${JSON.stringify(cut)}]`;
}
