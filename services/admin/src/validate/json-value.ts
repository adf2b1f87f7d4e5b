/** A field that holds JSON as text: its bytes as they were sent, or an error that says where it is not what all read alike. */
import { fromUtf8, jsonFault, withoutMark } from "@holdfast/core";
import { invalid } from "./fields.js";

export interface JsonField {
  /** UTF-8; empty where nothing was sent. */
  readonly bytes: Uint8Array;
  /** For whoever looks into it, and no further: it is the bytes that are handed on. Nothing is null. */
  value(): unknown;
}

export function jsonField(field: string, text: string): JsonField {
  const bytes = withoutMark(Buffer.from(text, "utf8"));
  if (bytes.length === 0) return { bytes, value: () => null };
  const fault = jsonFault(bytes);
  if (fault === undefined) return { bytes, value: () => JSON.parse(fromUtf8(bytes)) as unknown };
  const { line, column, message } = fault;
  throw invalid(field, `it is not usable JSON: ${message}`, { reason: "MALFORMED", line, column });
}
