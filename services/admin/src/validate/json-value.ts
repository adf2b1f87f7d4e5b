/** A field that holds JSON as text: its value, or an error that says where it stops being JSON. */
import { invalid } from "./fields.js";
import { jsonErrorPosition } from "./json-position.js";

/** Empty is null. */
export function jsonValue(field: string, text: string): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    const where = jsonErrorPosition(text);
    const place =
      where === undefined
        ? ""
        : ` at line ${where.line}, column ${where.column}: ${where.found} can't stand there`;
    throw invalid(field, `it is not JSON${place}`, {
      reason: "MALFORMED",
      ...(where === undefined ? {} : { line: where.line, column: where.column }),
    });
  }
}
