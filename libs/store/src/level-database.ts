/** How LevelDB is opened: binary keys and values, and bounds on what each database takes. The only import of `level`. */
import { Level } from "level";
import { codeOf } from "./from-level.js";

/** All are for one database, and a node has one for each of its partitions. */
export interface LevelLimits {
  /** LevelDB holds up to two such buffers, and replays up to two logs of about this size when it opens. */
  readonly writeBufferBytes: number;
  readonly blockCacheBytes: number;
  /** Tables kept open; the index and filter of each stay in memory, some 20 KiB a table. LevelDB's own least is 74. */
  readonly openFilesMax: number;
  readonly compression: boolean;
}

/**
 * About 32 + 4 + 2 MiB a database at most: 16 partitions stay below 640 MiB. Larger write buffers mean fewer and larger tables, and so
 * less compaction: with 4 MiB, it took an eighth of a node's processor time.
 */
export const DEFAULT_LIMITS: LevelLimits = {
  writeBufferBytes: 16 * 1024 * 1024,
  blockCacheBytes: 4 * 1024 * 1024,
  openFilesMax: 100,
  compression: true,
};

export type LevelDatabase = Level<Buffer, Buffer>;

const BINARY = { keyEncoding: "buffer", valueEncoding: "buffer" } as const;

/** Opens or makes the database in `folder`. Throws what `level` throws. */
export async function openLevel(folder: string, limits: LevelLimits): Promise<LevelDatabase> {
  const db: LevelDatabase = new Level<Buffer, Buffer>(folder, {
    ...BINARY,
    writeBufferSize: limits.writeBufferBytes,
    cacheSize: limits.blockCacheBytes,
    maxOpenFiles: limits.openFilesMax,
    compression: limits.compression,
  });
  await db.open();
  return db;
}

/**
 * Throws what `level` throws when another has the database in `folder`, or its lock can't be taken at all. Nothing of the database is read:
 * it is asked for on terms that no folder meets, which LevelDB looks at once it has the lock and before anything else.
 */
export async function assertUnlocked(folder: string): Promise<void> {
  const db: LevelDatabase = new Level<Buffer, Buffer>(folder, {
    ...BINARY,
    createIfMissing: false,
    errorIfExists: true,
  });
  try {
    await db.open();
  } catch (error) {
    // A refused argument has no code, all else has.
    if (codeOf(error) !== undefined) throw error;
  }
}
