/**
 * A partition's state in memory, as bytes, with a strict eye on the fold's use of it.
 *
 * 1. A record that the fold changed without putting it is an error while `audits` is set: a real store would lose the change.
 * 2. `forget` drops decoded records, so that nothing but what is in the bytes can be relied upon.
 * 3. Every key is a binary string that names a known table, as real stores demand.
 */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { decode, encode } from "@holdfast/proto/codec";
import type { Row, Scan } from "../fold/scans.js";
import { type Key, schemaOf } from "../state/tables.js";
import type { View } from "../state/view.js";

type Stored = MessageShape<DescMessage>;

export type StateBytes = ReadonlyMap<string, Uint8Array>;

export class MemoryView implements View {
  private readonly bytes: Map<string, Uint8Array>;
  private readonly live = new Map<string, Stored>();
  private readonly dirty = new Set<string>();
  /** Looks at all decoded records at each commit, not only at those that were put. */
  audits = true;

  constructor(from: StateBytes = new Map()) {
    this.bytes = new Map(from);
  }

  get<M>(key: Key<M>): M | undefined {
    checkKey(key);
    const live = this.live.get(key);
    if (live !== undefined) return live as M;
    const bytes = this.bytes.get(key);
    if (bytes === undefined || this.dirty.has(key)) return undefined;
    const record = decode(schemaOf(key), bytes);
    this.live.set(key, record);
    return record as M;
  }

  put<M>(key: Key<M>, record: M): void {
    checkKey(key);
    this.live.set(key, record as Stored);
    this.dirty.add(key);
  }

  del<M>(key: Key<M>): void {
    checkKey(key);
    this.live.delete(key);
    this.dirty.add(key);
  }

  /** As stored at the last commit. */
  bytesOf(key: string): Uint8Array | undefined {
    return this.bytes.get(key);
  }

  /** Stores what was put. Throws where a record was changed and not put, if it audits. Says which keys now hold other bytes. */
  commit(): string[] {
    const changed: string[] = [];
    const looked: Iterable<[string, Stored | undefined]> = this.audits
      ? this.live
      : [...this.dirty].map((key) => [key, this.live.get(key)]);
    for (const [key, record] of looked) {
      if (record === undefined) continue;
      // Definitions are large and never change; `forget` looks at them.
      if (key.startsWith("d") && !this.dirty.has(key)) continue;
      const before = this.bytes.get(key);
      const now = encode(schemaOf(key), record);
      if (before !== undefined && sameBytes(before, now)) continue;
      if (!this.dirty.has(key))
        throw new Error(`the record under ${JSON.stringify(key)} was changed but not put`);
      this.bytes.set(key, now);
      changed.push(key);
    }
    for (const key of this.dirty) if (!this.live.has(key) && this.bytes.delete(key)) changed.push(key);
    this.dirty.clear();
    return changed;
  }

  /** Forgets all decoded records; to be called after `commit`. */
  forget(): void {
    if (!this.audits) {
      this.live.clear();
      return;
    }
    for (const [key, record] of this.live) {
      const bytes = this.bytes.get(key);
      if (bytes === undefined || !sameBytes(bytes, encode(schemaOf(key), record)))
        throw new Error(`the record under ${JSON.stringify(key)} was changed after its commit`);
    }
    this.live.clear();
  }

  /** The state's bytes as they are committed. */
  dump(): Map<string, Uint8Array> {
    return new Map(this.bytes);
  }

  /** Committed keys of a table, in order. */
  keysOf(table: string): string[] {
    return [...this.bytes.keys()].filter((key) => key.startsWith(table)).sort();
  }

  /** The first rows from `from` to before `to`, in key order. */
  scan({ from, to, limit }: Scan): Row[] {
    const keys = [...new Set([...this.bytes.keys(), ...this.live.keys()])]
      .filter((key) => key >= from && key < to && this.get(key) !== undefined)
      .sort();
    return keys.slice(0, limit).map((key) => [key, this.get(key)]);
  }
}

function checkKey(key: string): void {
  schemaOf(key);
  for (let i = 0; i < key.length; i++) {
    if (key.charCodeAt(i) > 0xff) throw new RangeError(`${JSON.stringify(key)} is no binary string`);
  }
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The keys whose bytes differ between two states. */
export function differences(a: StateBytes, b: StateBytes): string[] {
  const keys = new Set([...a.keys(), ...b.keys()]);
  return [...keys].filter((key) => {
    const left = a.get(key);
    const right = b.get(key);
    return left === undefined || right === undefined || !sameBytes(left, right);
  });
}
