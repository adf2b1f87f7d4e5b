/** What must hold of a JSON body before anybody folds it, beyond being JSON. */
import { JSON_DEPTH_MAX } from "@holdfast/core";

export type JsonText =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly why: string };

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Parses a body. An empty one is null. Never throws. */
export function parseJsonBody(body: Uint8Array): JsonText {
  if (body.length === 0) return { ok: true, value: null };
  let text: string;
  try {
    text = decoder.decode(body);
  } catch {
    return { ok: false, why: "it is not UTF-8" };
  }
  if (depthOf(text) > JSON_DEPTH_MAX) {
    return { ok: false, why: `it is nested more than ${JSON_DEPTH_MAX} levels deep` };
  }
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch (error) {
    return { ok: false, why: error instanceof Error ? error.message : String(error) };
  }
}

/** The deepest nesting of arrays and objects, by brackets outside strings. Right for JSON; any number for other text. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (inString) {
      if (char === 0x5c) at++;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x5b || char === 0x7b) deepest = Math.max(deepest, ++depth);
    else if (char === 0x5d || char === 0x7d) depth--;
  }
  return deepest;
}
