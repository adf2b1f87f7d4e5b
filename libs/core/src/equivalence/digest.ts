/**
 * One short digest over all that the fold makes of a log: after every entry the rows that have other bytes, and the effects in their order, answers
 * among them. Two builds that give the same digest have told the same story, byte by byte.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { MemoryView, type StateBytes } from "../testing/memory-view.js";
import { foldLogEntry, type LogEntry } from "../testing/partition.js";
import { utf8 } from "../text.js";

const DIGEST_CHARS = 16;

/** `from`: the state before the first entry. */
export function digestOfLog(log: readonly LogEntry[], from: StateBytes = new Map()): string {
  const view = new MemoryView(from);
  view.audits = false;
  const hash = sha256.create();
  const add = (what: string | Uint8Array): void => {
    const bytes = typeof what === "string" ? utf8(what) : what;
    // With its length, so that nothing moves from one to the next unseen.
    hash.update(utf8(`${bytes.length}:`));
    hash.update(bytes);
  };
  for (const entry of log) {
    add(entry.bytes);
    const effects = foldLogEntry(view, entry);
    for (const key of view.commit()) {
      add(key);
      add(view.bytesOf(key) ?? "-");
    }
    add(canonical(effects));
  }
  return bytesToHex(hash.digest()).slice(0, DIGEST_CHARS);
}

/** As JSON, with names in order and whatever JSON has no word for. */
function canonical(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") throw new Error("an effect is made of values");
  if (value instanceof Uint8Array) return `x${bytesToHex(value)}`;
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (value instanceof Map || value instanceof Set) return `{${canonical([...value])}}`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "undefined";
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, one]) => `${name}:${canonical(one)}`).join()}}`;
}
