/**
 * Text and bytes: UTF-8 both ways, cutting without breaking a character, canonical JSON. Deterministic on every machine.
 */

interface Utf8Encoder {
  encode(text: string): Uint8Array;
}
interface Utf8Decoder {
  decode(bytes: Uint8Array): string;
}
/** Part of every JavaScript host; declared here because this package knows no host. */
declare const TextEncoder: new () => Utf8Encoder;
declare const TextDecoder: new (
  label: string,
  options: { fatal: boolean; ignoreBOM: boolean },
) => Utf8Decoder;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** Throws TypeError where the bytes are not UTF-8. */
export const fromUtf8 = (bytes: Uint8Array): string => decoder.decode(bytes);

/** At most `limit` UTF-16 units, never half a surrogate pair; what was cut shows as an ellipsis. */
export function cutText(text: string, limit: number): string {
  if (text.length <= limit) return text;
  let end = limit - 1;
  const last = text.charCodeAt(end - 1);
  if (last >= 0xd800 && last <= 0xdbff) end -= 1;
  return `${text.slice(0, end)}…`;
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** JSON with the keys of every object in code-unit order and no white space: equal values give equal text. */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((entry: Json) => canonicalJson(entry)).join(",")}]`;
  const object = value as { readonly [key: string]: Json };
  const keys = Object.keys(object).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalJson(object[key] as Json)}`).join(",")}}`;
}

/** Whether arrays and objects stand in each other more than so many levels deep. Looks no deeper. */
export function isDeeperThan(value: Json, levels: number): boolean {
  if (value === null || typeof value !== "object") return false;
  if (levels === 0) return true;
  return Object.values(value).some((entry: Json) => isDeeperThan(entry, levels - 1));
}

/** What stands at a JSON pointer (RFC 6901), or undefined where nothing does. "" is the whole value. */
export function atPointer(value: Json, pointer: string): Json | undefined {
  if (pointer === "") return value;
  let at: Json | undefined = value;
  for (const raw of pointer.slice(1).split("/")) {
    const key = raw.replaceAll("~1", "/").replaceAll("~0", "~");
    if (Array.isArray(at))
      at = /^(0|[1-9][0-9]*)$/.test(key) ? (at[Number(key)] as Json | undefined) : undefined;
    else if (at !== null && typeof at === "object" && Object.hasOwn(at, key))
      at = (at as { [k: string]: Json })[key];
    else return undefined;
    if (at === undefined) return undefined;
  }
  return at;
}

export const isPointer = (pointer: string): boolean =>
  pointer === "" || /^(\/([^~/]|~[01])*)+$/.test(pointer);

/** What kind of JSON a value is, with its article, for messages. */
export function jsonKind(value: Json | undefined): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  return `a ${typeof value}`;
}

/**
 * A JSON text as it is, of at most `limitBytes` of UTF-8: cut, it becomes `{"__truncated__":true,"bytes":n,"head":"…"}`,
 * which is valid JSON within the limit, `n` the whole text's size in bytes.
 */
export function snapshotOf(json: string, limitBytes: number): string {
  const bytes = utf8(json).length;
  if (bytes <= limitBytes) return json;
  const wrap = (head: string): string =>
    `{"__truncated__":true,"bytes":${bytes},"head":${JSON.stringify(head)}}`;
  let low = 0;
  let high = Math.min(json.length, limitBytes);
  while (low < high) {
    const mid = (low + high + 1) >> 1;
    if (utf8(wrap(headOf(json, mid))).length <= limitBytes) low = mid;
    else high = mid - 1;
  }
  return wrap(headOf(json, low));
}

/** The first `units` UTF-16 units, less one where that would halve a surrogate pair. */
function headOf(text: string, units: number): string {
  const last = units > 0 ? text.charCodeAt(units - 1) : 0;
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? units - 1 : units);
}

const UNITS: readonly (readonly [string, bigint])[] = [
  ["d", 86_400_000n],
  ["h", 3_600_000n],
  ["min", 60_000n],
  ["s", 1_000n],
];

/** Milliseconds in the largest unit that divides them. */
export function spanText(ms: bigint): string {
  for (const [unit, size] of UNITS) if (ms > 0n && ms % size === 0n) return `${ms / size} ${unit}`;
  return `${ms} ms`;
}

/** Unix nanoseconds as UTC to the second: "2026-03-01 12:00:00 UTC". Days by the civil-from-days algorithm (Howard Hinnant). */
export function timeText(ns: bigint): string {
  const seconds = ns / 1_000_000_000n;
  const days = seconds / 86_400n + 719_468n;
  const era = days / 146_097n;
  const dayOfEra = days % 146_097n;
  const yearOfEra = (dayOfEra - dayOfEra / 1_460n + dayOfEra / 36_524n - dayOfEra / 146_096n) / 365n;
  const dayOfYear = dayOfEra - (365n * yearOfEra + yearOfEra / 4n - yearOfEra / 100n);
  const shifted = (5n * dayOfYear + 2n) / 153n;
  const day = dayOfYear - (153n * shifted + 2n) / 5n + 1n;
  const month = shifted < 10n ? shifted + 3n : shifted - 9n;
  const year = yearOfEra + era * 400n + (month <= 2n ? 1n : 0n);
  const two = (value: bigint): string => value.toString().padStart(2, "0");
  const rest = seconds % 86_400n;
  return `${year}-${two(month)}-${two(day)} ${two(rest / 3_600n)}:${two((rest / 60n) % 60n)}:${two(rest % 60n)} UTC`;
}
