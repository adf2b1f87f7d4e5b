/**
 * One partition's open store: the port's reads and writes on a LevelDB that `level-state-store.ts` has opened and checked.
 *
 * 1. At most one LevelDB write is in flight, in the order of the calls: its threads would otherwise race for the lock.
 * 2. After a failed write nothing is written until the store is opened again: LevelDB may have half a record in its log.
 * 3. A record with a wrong checksum ends the store: every later call fails, and the next open puts the folder aside.
 */
import { PortError, type PartitionStore, type RangeOptions, type WriteBatch } from "@holdfast/engine";
import { fromLevel } from "./from-level.js";
import type { LevelDatabase } from "./level-database.js";
import { formatOf, markKey, markValue } from "./own-records.js";
import type { PartitionFolder } from "./partition-folder.js";
import {
  decodeValue,
  logicalKey,
  OWN_SPACE,
  physicalKey,
  RecordEncoder,
  STATE_SPACE,
} from "./record-format.js";
import { endSession } from "./session-file.js";

/** Writes that may wait behind the one in flight; one more is refused with `full`. */
export const WRITES_WAITING_MAX = 64;
/** A read of many keys holds the event loop about this long at most; the rest is read by LevelDB's threads. */
const SYNC_READ_MS_MAX = 2;
const SYNC_READS_BETWEEN_CLOCKS = 16;
/** What an iterator fetches in one step. Its own default, 16 KiB, makes a range of a thousand entries 2.5 times as slow. */
const RANGE_STEP_BYTES = 256 * 1024;
const RANGE_STEP_ENTRIES = 1_000;

type Batch = ReturnType<LevelDatabase["batch"]>;

export class LevelPartitionStore implements PartitionStore {
  private readonly encoder = new RecordEncoder();
  private readonly folderPath: string;
  private tail: Promise<void> = Promise.resolve();
  private waiting = 0;
  private closing: Promise<void> | undefined;
  private failure: PortError | undefined;

  /** @param nextBatch the number of the next write batch. */
  constructor(
    private readonly db: LevelDatabase,
    private readonly folder: PartitionFolder,
    private nextBatch: number,
  ) {
    this.folderPath = folder.path;
  }

  async getMany(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    this.assertUsable();
    const values: (Uint8Array | undefined)[] = [];
    const startedMs = performance.now();
    try {
      for (const key of keys) {
        if (
          values.length % SYNC_READS_BETWEEN_CLOCKS === 0 &&
          performance.now() - startedMs > SYNC_READ_MS_MAX
        )
          break;
        const physical = physicalKey(STATE_SPACE, key);
        values.push(this.decode(physical, this.db.getSync(physical)));
      }
      // Nothing was awaited so far, so that a snapshot taken now still sees what the reads above saw.
      if (values.length < keys.length)
        values.push(...(await this.getManyByThreads(keys.slice(values.length))));
      return values;
    } catch (error) {
      throw this.readFailed(error, `reading ${keys.length} keys`);
    }
  }

  getSync(key: string): Uint8Array | undefined {
    this.assertUsable();
    try {
      const physical = physicalKey(STATE_SPACE, key);
      return this.decode(physical, this.db.getSync(physical));
    } catch (error) {
      throw this.readFailed(error, "reading a key");
    }
  }

  async range(options: RangeOptions): Promise<[key: string, value: Uint8Array][]> {
    this.assertUsable();
    const { limit } = options;
    const found: [string, Uint8Array][] = [];
    if (limit <= 0 || options.from >= options.to) return found;
    try {
      const iterator = this.db.iterator({
        gte: physicalKey(STATE_SPACE, options.from),
        lt: physicalKey(STATE_SPACE, options.to),
        reverse: options.reverse ?? false,
        limit,
        highWaterMarkBytes: RANGE_STEP_BYTES,
        fillCache: true,
      });
      try {
        while (found.length < limit) {
          const entries = await iterator.nextv(Math.min(RANGE_STEP_ENTRIES, limit - found.length));
          if (entries.length === 0) break;
          for (const [physical, stored] of entries)
            found.push([logicalKey(physical), this.decode(physical, stored) as Uint8Array]);
        }
      } finally {
        await iterator.close();
      }
      return found;
    } catch (error) {
      throw this.readFailed(error, "reading a range");
    }
  }

  async count({ from, to }: { readonly from: string; readonly to: string }): Promise<number> {
    this.assertUsable();
    if (from >= to) return 0;
    let count = 0;
    try {
      // Its snapshot is taken here, before anything is awaited.
      const keys = this.db.keys({
        gte: physicalKey(STATE_SPACE, from),
        lt: physicalKey(STATE_SPACE, to),
        highWaterMarkBytes: RANGE_STEP_BYTES,
        fillCache: false,
      });
      try {
        for (let found = RANGE_STEP_ENTRIES; found > 0; count += found)
          found = (await keys.nextv(RANGE_STEP_ENTRIES)).length;
      } finally {
        await keys.close();
      }
      return count;
    } catch (error) {
      throw this.readFailed(error, "counting a range");
    }
  }

  async write({ puts, dels }: WriteBatch): Promise<void> {
    this.assertUsable();
    if (this.waiting > WRITES_WAITING_MAX) {
      throw new PortError(
        "full",
        `${WRITES_WAITING_MAX} writes wait for the disk in ${this.folderPath}: wait for some of them first.`,
        {
          folder: this.folderPath,
        },
      );
    }
    const batch = this.db.batch();
    try {
      for (const key of dels) batch.del(physicalKey(STATE_SPACE, key));
      // After the deletions: LevelDB applies a batch in order, and a key that stands in both is put.
      for (const [key, value] of puts) this.put(batch, STATE_SPACE, key, value);
      this.put(batch, OWN_SPACE, markKey(this.nextBatch), markValue(this.nextBatch));
    } catch (error) {
      await batch.close();
      throw error;
    }
    this.nextBatch++;
    await this.commit(batch);
  }

  async sizeBytes(): Promise<number> {
    this.assertUsable();
    try {
      return await this.folder.sizeBytes();
    } catch (error) {
      throw fromLevel(error, "measuring its size", this.folderPath);
    }
  }

  /** Waits for writes, says that all went well, syncs once. Calling it again waits for the same end. */
  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    await this.tail;
    const clean = this.failure === undefined;
    try {
      try {
        if (clean) await this.sync();
      } finally {
        await this.db.close();
      }
      // Last of all: whoever finds it may believe that everything before it is there.
      if (clean) await endSession(this.folderPath, this.nextBatch - 1, formatOf(this.folder.partition));
    } catch (error) {
      throw fromLevel(error, "closing", this.folderPath);
    }
  }

  /** LevelDB syncs its log up to and with a batch that is written so. */
  private async sync(): Promise<void> {
    const batch = this.db.batch();
    this.put(batch, OWN_SPACE, markKey(this.nextBatch), markValue(this.nextBatch));
    this.nextBatch++;
    await batch.write({ sync: true });
  }

  private put(batch: Batch, space: number, key: string, value: Uint8Array): void {
    const { encoder } = this;
    encoder.encode(space, key, value);
    // LevelDB copies both at once, which is what makes the encoder's one buffer enough.
    batch.put(encoder.key, encoder.value);
  }

  private commit(batch: Batch): Promise<void> {
    const done = this.writeAfter(this.tail, batch);
    this.tail = settled(done);
    return done;
  }

  private async writeAfter(previous: Promise<void>, batch: Batch): Promise<void> {
    this.waiting++;
    try {
      await previous;
      if (this.failure !== undefined) {
        await batch.close();
        throw this.failure;
      }
      await batch.write();
    } catch (error) {
      this.failure ??= fromLevel(error, "writing", this.folderPath);
      throw this.failure;
    } finally {
      this.waiting--;
    }
  }

  private async getManyByThreads(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    const physical = keys.map((key) => physicalKey(STATE_SPACE, key));
    const snapshot = this.db.snapshot();
    try {
      const stored = await this.db.getMany(physical, { snapshot });
      return stored.map((value, i) => this.decode(physical[i] as Buffer, value));
    } finally {
      await snapshot.close();
    }
  }

  private decode(physical: Buffer, stored: Buffer | undefined): Uint8Array | undefined {
    if (stored === undefined) return undefined;
    const value = decodeValue(physical, stored);
    if (value !== undefined) return value;
    const keyHex = physical.subarray(1).toString("hex");
    throw new PortError(
      "corrupt",
      `The record under key ${keyHex} (hex) in ${this.folderPath} is not what was written: its checksum differs. Open the partition ` +
        "again: the folder is then put aside and its state rebuilt from the log.",
      { folder: this.folderPath, keyHex },
    );
  }

  /** Translates, and on damage makes sure that nobody goes on with this folder. */
  private readFailed(thrown: unknown, what: string): PortError {
    const failure = fromLevel(thrown, what, this.folderPath);
    if (failure.code === "corrupt" && this.failure === undefined) {
      this.failure = failure;
      // Part of what `close` waits for. Where even this can't be written, the next read of the record finds the damage again.
      this.tail = settled(Promise.all([this.tail, this.folder.markDamaged(failure.message)]));
    }
    return failure;
  }

  private assertUsable(): void {
    if (this.closing !== undefined) {
      throw new PortError("closed", `The state in ${this.folderPath} is closed: open the partition again.`, {
        folder: this.folderPath,
      });
    }
    if (this.failure !== undefined) throw this.failure;
  }
}

/** Its end, whatever it was: whoever asked for it hears of failures. */
async function settled(done: Promise<unknown>): Promise<void> {
  await Promise.allSettled([done]);
}
