/**
 * Failure messages as they are declared: a placeholder that can never be filled is a mistake of whoever wrote it, and told where it is registered.
 * What only types say of an input is not known here, so any path may be one of such an input.
 */
import { pathsIn } from "@holdfast/core";
import { nearestOf } from "../known-options.js";
import type { DeclaredAction } from "./compile.js";

type Schema = Readonly<Record<string, unknown>>;

/** What is wrong with the messages of a workflow; `inputSchema`: as the definition carries it. */
export function messageProblems(actions: readonly DeclaredAction[], inputSchema: string): string[] {
  const schema = parsed(inputSchema);
  const names = new Set(actions.map(({ name }) => name));
  return actions.flatMap((action) => {
    const paths = pathsIn(action.options.failureMessage ?? "");
    return paths.flatMap((path) => {
      const known = knownFor(action);
      const [first = "", ...rest] = path;
      const written = `{${path.join(".")}}`;
      const why = known.has(first)
        ? first === "input"
          ? unknownIn(schema, rest)
          : undefined
        : names.has(first)
          ? { what: `action "${first}" is not in its after`, meant: undefined }
          : unknownOf(first, action, known, schema, path);
      if (why === undefined) return [];
      const meant = why.meant === undefined ? "" : `: did you mean {${why.meant}}?`;
      return [`failureMessage of action "${action.name}" holds ${written}, but ${why.what}${meant}`];
    });
  });
}

interface Unknown {
  readonly what: string;
  readonly meant: string | undefined;
}

/** The names under which its handler gets something. */
function knownFor({ over, options }: DeclaredAction): ReadonlySet<string> {
  const { after = [], batch, outputOf, linesOf, itemsOf } = options;
  const sources = [outputOf?.action, linesOf?.action, itemsOf].filter((name) => name !== undefined);
  const own = over === "items" ? ["item", "index"] : [];
  return new Set([
    "input",
    ...own,
    ...(batch !== undefined && over === "items" ? ["items"] : []),
    ...after,
    ...sources,
  ]);
}

function unknownOf(
  first: string,
  { over }: DeclaredAction,
  known: ReadonlySet<string>,
  schema: Schema | undefined,
  path: readonly string[],
): Unknown | undefined {
  const unknown = unknownIn(schema, path);
  if (unknown === undefined && schema !== undefined && isSaid(schema)) return undefined;
  if (over === "once" && (first === "item" || first === "index"))
    return {
      what: `the action is not over items; of the input write {input.${path.join(".")}}`,
      meant: undefined,
    };
  if (unknown === undefined) return undefined;
  const others = new Map([...known].map((name) => [name, 1] as const));
  return { what: unknown.what, meant: unknown.meant ?? nearestOf(first, others) };
}

/** Whether the schema says which members there are. */
const isSaid = (schema: Schema): boolean => objectOf(schema["properties"]) !== undefined;

/** Why nothing can stand there in the input; undefined: something may. */
function unknownIn(schema: Schema | undefined, path: readonly string[]): Unknown | undefined {
  let at = schema;
  for (const [depth, name] of path.entries()) {
    const properties = objectOf(at?.["properties"]);
    if (at === undefined || properties === undefined || isOpen(at)) return undefined;
    if (!Object.hasOwn(properties, name)) {
      const nearest = nearestOf(name, new Map(Object.entries(properties)));
      const before = path.slice(0, depth).join(".");
      return {
        what: `the input has no ${[...path.slice(0, depth), name].join(".")}`,
        meant: nearest === undefined ? undefined : [before, nearest].filter((part) => part !== "").join("."),
      };
    }
    at = objectOf(properties[name]);
  }
  return undefined;
}

/** More members than it names may be there, or are said in another place. */
const isOpen = (schema: Schema): boolean =>
  schema["additionalProperties"] === true ||
  objectOf(schema["additionalProperties"]) !== undefined ||
  ["patternProperties", "$ref", "allOf", "anyOf", "oneOf", "if"].some((keyword) => keyword in schema);

const objectOf = (value: unknown): Schema | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Schema) : undefined;

function parsed(schema: string): Schema | undefined {
  try {
    return schema === "" ? undefined : objectOf(JSON.parse(schema));
  } catch {
    return undefined;
  }
}
