/**
 * Failure messages for people: a template of the definition, filled from what the handler was given.
 *
 * 1. Values are inserted as data: nothing in them is read as a placeholder or as code.
 * 2. A placeholder that names nothing stays as it is written.
 */
import { cutText } from "../text.js";

export const SHOWN_CHARS_MAX = 1_000;
export const SHOWN_VALUE_CHARS_MAX = 200;
const PLACEHOLDER = /\{([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\}/g;

/**
 * Blank counts as none: empty. `{item.id}` is the property `id` of `values.item`; a path that begins with none of the values is one in
 * `values.input`. Own properties alone are looked at. Never throws.
 */
export function bindMessage(template: string, values: Readonly<Record<string, unknown>>): string {
  if (template.trim() === "") return "";
  const bound = template.replace(PLACEHOLDER, (placeholder, path: string) => {
    const found = textAt(values, path.split("."));
    return found === undefined ? placeholder : cutText(found, SHOWN_VALUE_CHARS_MAX);
  });
  return bound.trim() === "" ? "" : cutText(bound, SHOWN_CHARS_MAX);
}

/** The paths of the placeholders, in their order. */
export const pathsIn = (template: string): readonly (readonly string[])[] =>
  Array.from(template.matchAll(PLACEHOLDER), ([, path = ""]) => path.split("."));

/** The names that its placeholders begin with. */
export const namesIn = (template: string): ReadonlySet<string> =>
  new Set(pathsIn(template).map(([name = ""]) => name));

function textAt(values: Readonly<Record<string, unknown>>, path: readonly string[]): string | undefined {
  try {
    return lookUp(values, path) ?? lookUp(values["input"], path);
  } catch {
    // What it holds can't be read.
    return undefined;
  }
}

/** As text; undefined where nothing stands there. */
function lookUp(values: unknown, path: readonly string[]): string | undefined {
  let at: unknown = values;
  for (const name of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Record<string, unknown>)[name];
  }
  if (typeof at === "string") return at;
  try {
    return JSON.stringify(at);
  } catch {
    return undefined;
  }
}
