/**
 * A partition's state as the fold sees it: decoded records over the store, changes gathered into atomic commits.
 *
 * 1. What `get` gives includes every change, committed or not. Records are shared: the fold changes them in place.
 * 2. A commit holds all changes up to one log entry, and the applied record with them: never half an entry.
 * 3. The cache is bounded; a changed record stays until it is stored.
 * 4. At most one commit is under way. Folding goes on meanwhile: the log is the truth, the store catches up.
 * 5. A commit's records are encoded as they were when it began, in slices between which others have the thread: one that is asked
 *    for before its turn, and so may be changed, is encoded first.
 */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { appliedKey, type Key, prefixEnd, schemaOf, type View } from "@holdfast/core";
import { ActionStatus, type RunRecord } from "@holdfast/proto";
import { decode, encode } from "@holdfast/proto/codec";
import type { PartitionStore } from "../ports/state-store.js";

type Stored = MessageShape<DescMessage>;
/** null: known not to be there. */
type Slot = Stored | null;

/**
 * Rows of these tables are only ever put where none is: one made and deleted between two commits never reaches the store. They
 * are read in ranges or soon after they were put, so they take no room in the cache.
 */
const isWriteOnce = (key: string): boolean => WRITE_ONCE[key.charCodeAt(0)] === 1;
const WRITE_ONCE = new Uint8Array(256);
for (const table of "xtoyjGK") WRITE_ONCE[table.charCodeAt(0)] = 1;

/** Records that a commit encodes before it lets others have the thread: about two milliseconds. */
const ENCODED_A_SLICE = 512;

/**
 * A run of which nothing is running has ended, or waits for a timer: it is seldom asked for soon. Kept in the cache, ten thousand
 * waiting runs would push out those that go on.
 */
const isIdle = (slot: Slot): boolean =>
  slot?.$typeName === "holdfast.v1.RunRecord" &&
  !(slot as RunRecord).actions.some((action) => action.status === ActionStatus.RUNNING);

export class PartitionState implements View {
  private young = new Map<string, Slot>();
  private old = new Map<string, Slot>();
  private dirty = new Map<string, Slot>();
  private committing = new Map<string, Slot>();
  /** While the commit under way has records to encode: those that were encoded before their turn, or once more after it. */
  private early: Map<string, Uint8Array> | undefined;
  private readonly born = new Set<string>();
  private commitUnderWay: Promise<void> | undefined;
  /** Reads that the prefetch did not foresee, for the metrics. */
  unforeseenReads = 0;

  constructor(
    private readonly db: PartitionStore,
    private readonly cacheRecords: number,
  ) {}

  get dirtyCount(): number {
    return this.dirty.size;
  }

  get<M>(key: Key<M>): M | undefined {
    const slot = this.lookUp(key);
    if (slot !== undefined) return (slot ?? undefined) as M | undefined;
    this.unforeseenReads += 1;
    const bytes = this.db.getSync(key);
    const record = bytes === undefined ? null : decode(schemaOf(key), bytes);
    this.remember(key, record);
    return (record ?? undefined) as M | undefined;
  }

  put<M>(key: Key<M>, record: M): void {
    const slot = record as Stored;
    const before = this.dirty.get(key);
    if (before === slot) return;
    if (before === undefined && isWriteOnce(key)) this.born.add(key);
    this.dirty.set(key, slot);
    this.remember(key, slot);
  }

  del<M>(key: Key<M>): void {
    if (this.born.delete(key)) this.dirty.delete(key);
    else this.dirty.set(key, null);
    this.remember(key, null);
  }

  /** Those of the keys that would have to be read. */
  missing(keys: Iterable<string>): string[] {
    const missing: string[] = [];
    for (const key of keys) if (this.lookUp(key) === undefined) missing.push(key);
    return missing;
  }

  async load(keys: readonly string[]): Promise<void> {
    const values = await this.db.getMany(keys);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as string;
      // Something may have been put meanwhile.
      if (this.lookUp(key) !== undefined) continue;
      const bytes = values[i];
      this.remember(key, bytes === undefined ? null : decode(schemaOf(key), bytes));
    }
  }

  /** Records in key order, as they are now: what the store has, with the changes that it does not have yet. */
  async range(from: string, to: string, limit: number, reverse = false): Promise<[string, Stored][]> {
    const changes = this.changesIn(from, to);
    const deleted = [...changes.values()].filter((slot) => slot === null).length;
    const rows = await this.db.range({ from, to, limit: limit + deleted, reverse });
    const merged = new Map<string, Stored>();
    for (const [key, bytes] of rows) if (!changes.has(key)) merged.set(key, decode(schemaOf(key), bytes));
    const horizon = rows.length === limit + deleted ? rows.at(-1)?.[0] : undefined;
    for (const [key, slot] of changes) {
      const beyond = horizon !== undefined && (reverse ? key < horizon : key > horizon);
      if (slot !== null && !beyond) merged.set(key, slot);
    }
    const sorted = [...merged].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    if (reverse) sorted.reverse();
    return sorted.slice(0, limit);
  }

  /** As `range`, forwards, with the records' bytes. */
  async rawRange(from: string, to: string, limit: number): Promise<[string, Uint8Array][]> {
    const changes = this.changesIn(from, to);
    const deleted = [...changes.values()].filter((slot) => slot === null).length;
    // Encoded before anything is waited for: records are changed in place.
    const changed = [...changes].flatMap(([key, slot]): [string, Uint8Array][] =>
      slot === null ? [] : [[key, encode(schemaOf(key), slot)]],
    );
    const rows = await this.db.range({ from, to, limit: limit + deleted });
    const horizon = rows.length === limit + deleted ? rows.at(-1)?.[0] : undefined;
    const merged = [
      ...rows.filter(([key]) => !changes.has(key)),
      ...changed.filter(([key]) => horizon === undefined || key <= horizon),
    ];
    return merged.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).slice(0, limit);
  }

  private changesIn(from: string, to: string): Map<string, Slot> {
    const changes = new Map<string, Slot>();
    for (const source of [this.committing, this.dirty]) {
      for (const [key, slot] of source) if (key >= from && key < to) changes.set(key, slot);
    }
    for (const key of changes.keys()) this.settle(key);
    return changes;
  }

  /** How many records there are under a prefix, as things stand at the call. */
  async count(prefix: string): Promise<number> {
    const to = prefixEnd(prefix);
    const changed = this.changesIn(prefix, to);
    // Asked for in the same moment as the count, so that both are of one state of the store.
    let more = 0;
    for (const [key, slot] of changed) {
      const stored = this.db.getSync(key) !== undefined;
      more += (slot === null ? 0 : 1) - (stored ? 1 : 0);
    }
    return (await this.db.count({ from: prefix, to })) + more;
  }

  /**
   * Stores all changes so far; resolves when they are stored. `before` is called at the moment whose state is stored, to
   * put the applied record. Calls while a commit is under way wait for it first.
   */
  async commit(before: () => void): Promise<void> {
    while (this.commitUnderWay !== undefined) await this.commitUnderWay;
    if (this.dirty.size === 0) return;
    before();
    this.committing = this.dirty;
    this.dirty = new Map();
    this.born.clear();
    this.commitUnderWay = this.store();
    await this.commitUnderWay;
  }

  /** Encodes a record of the commit under way, as it is, before it is changed. */
  settle(key: string): void {
    const { early } = this;
    if (early === undefined) return;
    const slot = this.committing.get(key);
    if (slot !== undefined && slot !== null && !early.has(key)) early.set(key, encode(schemaOf(key), slot));
  }

  private async store(): Promise<void> {
    try {
      const early = new Map<string, Uint8Array>();
      this.early = early;
      // It is changed by every entry, without being asked for.
      this.settle(appliedKey);
      const puts: [string, Uint8Array][] = [];
      const dels: string[] = [];
      let left = ENCODED_A_SLICE;
      for (const [key, slot] of this.committing) {
        if (slot === null) dels.push(key);
        else {
          const bytes = early.get(key);
          puts.push([key, bytes ?? encode(schemaOf(key), slot)]);
          if (bytes === undefined && isIdle(slot)) {
            this.young.delete(key);
            this.old.delete(key);
          }
        }
        if (--left > 0) continue;
        left = ENCODED_A_SLICE;
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      this.early = undefined;
      await this.db.write({ puts, dels });
      this.committing = new Map();
    } finally {
      this.early = undefined;
      this.commitUnderWay = undefined;
    }
  }

  private lookUp(key: string): Slot | undefined {
    this.settle(key);
    let slot = this.young.get(key);
    if (slot !== undefined) return slot;
    slot = this.dirty.get(key);
    if (slot === undefined) slot = this.committing.get(key);
    if (slot === undefined) slot = this.old.get(key);
    if (slot !== undefined) this.remember(key, slot);
    return slot;
  }

  /** Two generations: what is not asked for while the young one fills is forgotten with the old one. */
  private remember(key: string, slot: Slot): void {
    if (isWriteOnce(key)) return;
    if (this.young.size * 2 >= this.cacheRecords && !this.young.has(key)) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(key, slot);
  }
}
