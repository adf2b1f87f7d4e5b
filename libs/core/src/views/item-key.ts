/** What names an item beside its index: the text or number that stands where its action says. Read from its input, kept nowhere. */
import { numberKey } from "../breaker/name.js";
import { kindOfSlice, sliceAt } from "../json-slices.js";
import { jsonFault } from "../json-text.js";
import { ITEM_KEY_CHARS_MAX } from "../limits.js";
import { fromUtf8 } from "../text.js";

/** Undefined: no key stands there. Unlike a breaker's key, one that is too long is none: what a person types must be what it is. */
export function keyOfItem(input: Uint8Array | undefined, pointer: string | undefined): string | undefined {
  if (pointer === undefined || input === undefined || jsonFault(input) !== undefined) return undefined;
  const slice = sliceAt(input, pointer);
  const kind = kindOfSlice(slice);
  if (slice === undefined || (kind !== "a string" && kind !== "a number")) return undefined;
  const text = fromUtf8(slice);
  const key = kind === "a number" ? numberKey(text) : (JSON.parse(text) as string);
  return key === "" || key.length > ITEM_KEY_CHARS_MAX ? undefined : key;
}
