/** Puts a value into a JSON text by the names that lead to it. What else stands in the text stays byte for byte. */
import { kindOfSlice, sliceAt } from "@holdfast/core/shown";

/** Where something that is no object stands on the way. */
export class NoObject extends Error {
  override readonly name = "NoObject";

  constructor(readonly names: readonly string[]) {
    super(`${names.join(".")} is no object`);
  }
}

/** `text` is JSON, null is an empty object; objects that are missing on the way are made. Throws `NoObject`. */
export function withMember(text: string, names: readonly string[], json: string): string {
  const bytes = Buffer.from(text, "utf8");
  if (kindOfSlice(sliceAt(bytes, "")) === "null") return nested(names, json);
  for (let depth = 0; ; depth++) {
    const holder = sliceAt(bytes, pointerOf(names.slice(0, depth)));
    if (holder === undefined || kindOfSlice(holder) !== "an object")
      throw new NoObject(names.slice(0, depth));
    const value = sliceAt(holder, pointerOf(names.slice(depth, depth + 1)));
    if (value === undefined) {
      const close = holder.byteOffset - bytes.byteOffset + holder.length - 1;
      const isEmpty = /^\{\s*\}$/.test(Buffer.from(holder).toString("utf8"));
      // The outermost braces stand there already.
      const member = nested(names.slice(depth), json).slice(1, -1);
      return spliced(bytes, close, close, `${isEmpty ? "" : ","}${member}`);
    }
    if (depth === names.length - 1) {
      const from = value.byteOffset - bytes.byteOffset;
      return spliced(bytes, from, from + value.length, json);
    }
  }
}

const nested = (names: readonly string[], json: string): string =>
  names.reduceRight((inner, name) => `{${JSON.stringify(name)}:${inner}}`, json);

const pointerOf = (names: readonly string[]): string =>
  names.map((name) => `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

const spliced = (bytes: Buffer, from: number, to: number, text: string): string =>
  Buffer.concat([bytes.subarray(0, from), Buffer.from(text, "utf8"), bytes.subarray(to)]).toString("utf8");
