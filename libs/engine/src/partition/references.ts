/**
 * Which objects of the object store a partition's state refers to, page by page. Reads only.
 *
 * 1. Says rather too much than too little: whatever in a row looks like an object's name is taken for one.
 * 2. Every table is looked through but those that are known to hold no payload: a new table can't be forgotten.
 */
import { type ReferencesAnswer, ReferencesAnswerSchema, type ReferencesQuery } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { PartitionState } from "./state.js";

/** Indexes, counts, dispositions, definitions: rows of these hold no payload. */
const WITHOUT_PAYLOADS = new Set("xytlwqjuvzgBHmAdc");
const ROWS_A_PAGE = 1_000;
const NAMES_A_PAGE = 5_000;
const NAME = /[0-9a-f]{64}/g;
const CHARS = 0x100;

export async function referencesOf(
  state: PartitionState,
  { after }: ReferencesQuery,
): Promise<ReferencesAnswer> {
  let from = after.length === 0 ? "\0" : `${Buffer.from(after).toString("latin1")}\0`;
  const names = new Set<string>();
  for (let left = ROWS_A_PAGE; left > 0 && names.size < NAMES_A_PAGE; ) {
    const table = from.charCodeAt(0);
    if (WITHOUT_PAYLOADS.has(from.charAt(0))) {
      from = String.fromCharCode(table + 1);
      continue;
    }
    const to = nextWithout(table);
    const rows = await state.rawRange(from, to, left);
    for (const [, bytes] of rows) {
      const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
      for (const [name] of text.matchAll(NAME)) names.add(name);
    }
    const last = rows.at(-1)?.[0];
    if (rows.length === left && last !== undefined)
      return init(ReferencesAnswerSchema, { names: [...names], next: Buffer.from(last, "latin1") });
    left -= rows.length;
    if (to.charCodeAt(0) >= CHARS - 1) return init(ReferencesAnswerSchema, { names: [...names] });
    from = to;
  }
  // The page is full of names: it goes on with this table.
  return init(ReferencesAnswerSchema, { names: [...names], next: Buffer.from(from, "latin1") });
}

/** The first table after this one that holds no payload: up to it all are looked through at once. */
function nextWithout(table: number): string {
  for (let next = table + 1; next < CHARS; next++) {
    const char = String.fromCharCode(next);
    if (WITHOUT_PAYLOADS.has(char)) return char;
  }
  return "\xff";
}
