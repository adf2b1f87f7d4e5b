/**
 * Appends entries to a partition under the eyes of the invariants.
 *
 * 1. After every entry: what the entry may change (`transitions.ts`), and the rules of the runs that it touched.
 * 2. After every 16th entry, after one that touched the books of a feature, and at the end: all rules of all runs and books.
 * 3. One of eight partitions is audited: a record that the fold changed without putting it is an error. In the others such a
 *    change shows as a replica that has other bytes.
 * 4. One that is told not to watch only appends: for draws of a pinned seed, which are asked what they come to and nothing else.
 */
import { type CommandBatch, CommandBatchSchema } from "@holdfast/proto";
import { decode } from "@holdfast/proto/codec";
import { checkPartition, checkTouchedRuns } from "./invariants.js";
import { MemoryView, type StateBytes } from "./memory-view.js";
import { foldLogEntry, type LogEntry, type TestPartition } from "./partition.js";
import { checkStep, mustBeSame } from "./transitions.js";

const ALL_EVERY = 16;
const AUDIT_EVERY = 8;
/** Tables of breakers, bulk operations, schedules, signatures, dead letters, attention, messages and retention: their rules look at whole books. */
const BOOKS = /^[BHLabCeESDKFomz]/;

export interface Watching {
  /** Drawn with the sequence, so that a failure repeats: 0 audits. */
  readonly audit?: number;
  /** Decoded records are forgotten after so many entries; 0: never. */
  readonly forgetEvery?: number;
}

export class Watch {
  private before: StateBytes;
  private readonly forgetEvery: number;
  private readonly isBlind: boolean;
  private unseen = 0;

  constructor(
    readonly partition: TestPartition,
    watching: Watching | undefined,
  ) {
    const { audit = 0, forgetEvery = 0 } = watching ?? {};
    this.isBlind = watching === undefined;
    partition.view.audits = !this.isBlind && audit % AUDIT_EVERY === 0;
    this.forgetEvery = forgetEvery;
    this.before = partition.view.dump();
  }

  /** Appends an entry and holds what became of it against the rules. */
  append(batchOf: CommandBatch): void {
    this.partition.append(batchOf);
    this.look();
  }

  /** Looks at the last entry of a partition to which somebody else appended it. */
  look(): void {
    if (this.isBlind) return;
    const { partition } = this;
    const after = partition.view.dump();
    const last = partition.log.at(-1) as LogEntry;
    const { changed, effects } = partition;
    const batch = decode(CommandBatchSchema, last.bytes);
    checkStep({ before: this.before, after, batch, effects, changed });
    this.before = after;
    this.unseen += 1;
    if (this.unseen >= ALL_EVERY || changed.some((key) => BOOKS.test(key))) this.end();
    else checkTouchedRuns(partition, changed);
    if (this.forgetEvery > 0 && last.seq % this.forgetEvery === 0) partition.view.forget();
  }

  /** Entries that nobody looks at, such as many at once: the next step begins after them. */
  skip(): void {
    if (this.isBlind) return;
    this.before = this.partition.view.dump();
    this.end();
  }

  /** All rules. */
  end(): void {
    if (this.isBlind) return;
    this.unseen = 0;
    checkPartition(this.partition);
  }

  /** I2: another replica that folds the same log has the same bytes. `from`: the state before the first entry of the log. */
  replay(from?: StateBytes): void {
    if (this.isBlind) return;
    const replica = new MemoryView(from);
    for (const entry of this.partition.log) foldLogEntry(replica, entry);
    replica.commit();
    mustBeSame(replica.dump(), this.partition.view.dump(), "I2: another replica has other bytes");
  }
}
