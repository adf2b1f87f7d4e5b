/**
 * Batches that follow from their number alone, and the state after the first n of them: whatever a store
 * holds after a crash can be held against that. Used by tests and by the process that they kill.
 */
import type { PartitionStore, WriteBatch } from "@holdfast/engine";

const KEYS = 300;
const COUNT_KEY = "count";
const EVERYTHING = { from: "", to: "\xff\xff", limit: 10_000 };

/** Batch n, from 1. Sizes vary from nothing to several of LevelDB's log blocks. */
export function numberedBatch(n: number): WriteBatch {
  const puts: [string, Uint8Array][] = [[COUNT_KEY, Buffer.from(String(n))]];
  for (let i = 0; i < n % 5; i++) puts.push([keyOf(n * 7 + i * 11), filled(n + i, (n * 37) % 400)]);
  if (n % 97 === 0) puts.push([keyOf(n), filled(n, 70_000)]);
  return { puts, dels: [keyOf(n * 13), keyOf(n * 17)] };
}

function keyOf(n: number): string {
  return `k\x00${String.fromCharCode((n % KEYS) >>> 8, (n % KEYS) & 0xff)}`;
}

/** Bytes that do not pack well, so that files have about the size of what is in them. */
function filled(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

/** The state after batches 1…n, readable, in order. */
export function stateAfter(n: number): string[] {
  const state = new Map<string, Uint8Array>();
  for (let i = 1; i <= n; i++) {
    const { puts, dels } = numberedBatch(i);
    for (const key of dels) state.delete(key);
    for (const [key, value] of puts) state.set(key, value);
  }
  return [...state].map(([key, value]) => shown(key, value)).toSorted();
}

/** How many batches the store holds, and all that is in it. */
export async function stateOf(store: PartitionStore): Promise<{ batches: number; state: string[] }> {
  const entries = await store.range(EVERYTHING);
  const state = entries.map(([key, value]) => shown(key, value)).toSorted();
  const [count] = await store.getMany([COUNT_KEY]);
  return { batches: count === undefined ? 0 : Number(Buffer.from(count).toString()), state };
}

function shown(key: string, value: Uint8Array): string {
  return `${Buffer.from(key, "latin1").toString("hex")}=${Buffer.from(value).toString("base64")}`;
}
