/**
 * Opens partitions' stores: one LevelDB for each in `<dataDir>/partition-<n>`, checked before anybody reads from it.
 *
 * 1. What opens is the state after some prefix of the batches written, all of them after a clean stop.
 * 2. On any doubt the folder is put aside, untouched by any repair, and the next open starts empty. What is in doubt before LevelDB
 *    opens is not opened: LevelDB ends the process over some damage, and a node that met it would end again at each start.
 * 3. A folder that is locked, newer, or another's is left as it is.
 */
import { PortError, type PartitionStore, type StateStore } from "@holdfast/engine";
import { auditLogs } from "./audit/audit-logs.js";
import { auditTables } from "./audit/audit-tables.js";
import { fromLevel } from "./from-level.js";
import {
  assertUnlocked,
  DEFAULT_LIMITS,
  type LevelDatabase,
  type LevelLimits,
  openLevel,
} from "./level-database.js";
import { LevelPartitionStore } from "./level-partition-store.js";
import * as own from "./own-records.js";
import { PartitionFolder } from "./partition-folder.js";
import { OWN_SPACE, RecordEncoder } from "./record-format.js";
import { beginSession, type LastSession, lastSession } from "./session-file.js";

export interface LevelStateStoreOptions extends Partial<LevelLimits> {
  /** Where the partitions' folders are; made where it is missing. Relative paths are the process's. */
  readonly dataDir: string;
  /** After an unclean stop, tables up to this many bytes have their block checksums checked, newest first. 64 MiB take some 0.1 s. */
  readonly auditTableBytesMax?: number;
}

const AUDIT_TABLE_BYTES_MAX = 64 * 1024 * 1024;
/** After so many unclean stops in a row all tables are checked, whatever their size. */
const UNCLEAN_OPENS_MAX = 3;

export class LevelStateStore implements StateStore {
  private readonly dataDir: string;
  private readonly limits: LevelLimits;
  private readonly auditTableBytesMax: number;

  constructor(options: LevelStateStoreOptions) {
    const { dataDir, auditTableBytesMax = AUDIT_TABLE_BYTES_MAX, ...limits } = options;
    this.dataDir = dataDir;
    this.auditTableBytesMax = auditTableBytesMax;
    this.limits = { ...DEFAULT_LIMITS, ...limits };
  }

  async open(partition: number): Promise<PartitionStore> {
    const folder = new PartitionFolder(this.dataDir, partition);
    try {
      await folder.make();
      const session = await lastSession(folder.path);
      if ((await this.doubtAbout(folder, session)) !== undefined) await this.refuseInDoubt(folder);
      await beginSession(folder.path, session, session.holds);
      const db = await this.openDatabase(folder);
      const store = await this.checked(db, folder, session);
      if (session.holds === undefined)
        await beginSession(folder.path, session, own.formatOf(folder.partition));
      return store;
    } catch (error) {
      throw fromLevel(error, "opening it", folder.path);
    }
  }

  /**
   * Before LevelDB opens: it replays its logs in silence over what is missing, and ends the process over some damage in
   * tables. While another process has the folder, the answer means nothing.
   */
  private async doubtAbout(folder: PartitionFolder, session: LastSession): Promise<string | undefined> {
    const doubt = (await folder.damage()) ?? (await auditLogs(folder.path));
    if (doubt !== undefined || session.cleanBatch !== undefined) return doubt;
    // Stopped uncleanly again and again: perhaps by damage that the bounded check does not reach.
    const bytesMax =
      session.uncleanOpens >= UNCLEAN_OPENS_MAX ? Number.POSITIVE_INFINITY : this.auditTableBytesMax;
    return (await auditTables(folder.path, bytesMax)).doubt;
  }

  /** Throws for a folder that must not be opened, after it was put aside; returns where it was in use, and no longer is, and is sound. */
  private async refuseInDoubt(folder: PartitionFolder): Promise<void> {
    await assertUnlocked(folder.path);
    // Anew: another process may have had it a moment ago, and written while it was looked at.
    const session = await lastSession(folder.path);
    const doubt = await this.doubtAbout(folder, session);
    if (doubt === undefined) return;
    // LevelDB can't be asked what it holds, but may have said so when it could.
    if (session.holds !== undefined) assertOurs(session.holds, folder);
    throw await putAside(folder, doubt);
  }

  private async openDatabase(folder: PartitionFolder): Promise<LevelDatabase> {
    try {
      return await openLevel(folder.path, this.limits);
    } catch (error) {
      const failure = fromLevel(error, "opening it", folder.path);
      throw failure.code === "corrupt" ? await putAside(folder, failure.message, error) : failure;
    }
  }

  /** Hands the database over when it is what it should be; else closes it, and puts the folder aside on any doubt. */
  private async checked(
    db: LevelDatabase,
    folder: PartitionFolder,
    session: LastSession,
  ): Promise<PartitionStore> {
    let found: own.OwnRecord<number>;
    let cause: unknown;
    try {
      found = await inspect(db, folder, session);
      if (found.doubt === undefined) return new LevelPartitionStore(db, folder, found.value + 1);
    } catch (error) {
      const failure = fromLevel(error, "checking it", folder.path);
      if (failure.code !== "corrupt") {
        await db.close();
        throw failure;
      }
      cause = error;
      found = { doubt: failure.message };
    }
    await db.close();
    throw await putAside(folder, found.doubt, cause);
  }
}

/** The number of the last batch that the database holds, or why it can't be trusted. */
async function inspect(
  db: LevelDatabase,
  folder: PartitionFolder,
  session: LastSession,
): Promise<own.OwnRecord<number>> {
  const read: own.ReadOwn = (physical) => db.getSync(physical);
  const format = own.storeFormat(read);
  // First: a folder that isn't ours is left alone, whatever else may be the matter with it.
  if (format.value !== undefined) assertOurs(format.value, folder);
  if (format.doubt !== undefined) return format;
  if (format.value === undefined) return startNew(db, folder);
  const batch = own.lastBatch(read);
  if (batch.doubt === undefined && session.cleanBatch !== undefined && session.cleanBatch !== batch.value) {
    return {
      doubt: `it was closed after batch ${session.cleanBatch} and now ends with batch ${batch.value}`,
    };
  }
  return batch;
}

/** Says what an empty database is; a doubt where it is not empty. */
async function startNew(db: LevelDatabase, folder: PartitionFolder): Promise<own.OwnRecord<number>> {
  const anything = await db.keys({ limit: 1 }).all();
  if (anything.length > 0) return { doubt: "it holds records but not the one that says what they are" };
  const encoder = new RecordEncoder();
  encoder.encode(OWN_SPACE, own.FORMAT_KEY, own.formatValue(folder.partition));
  // Synced: no later loss of an unsynced tail may take away what the folder is.
  await db.put(encoder.key, encoder.value, { sync: true });
  return { value: 0 };
}

/** Throws for a folder that is intact and not for us: it is left alone. */
function assertOurs(found: own.StoreFormat, folder: PartitionFolder): void {
  const details = { folder: folder.path, found };
  if (found.format !== own.FORMAT_NAME || found.partition !== folder.partition) {
    throw new PortError(
      "config-mismatch",
      `${folder.path} holds ${found.format} of partition ${found.partition}, not ${own.FORMAT_NAME} of partition ${folder.partition}: ` +
        "its folder was renamed or copied. Move it back, or remove it: the state is then rebuilt from the log.",
      details,
    );
  }
  if (found.schema > own.SCHEMA_VERSION) {
    throw new PortError(
      "schema",
      `${folder.path} was written by a newer Holdfast (schema ${found.schema}; this one knows up to ${own.SCHEMA_VERSION}). ` +
        "Start the newer version, or remove the folder: the state is then rebuilt from the log.",
      details,
    );
  }
}

/** The error to throw once the folder is out of the way. */
async function putAside(folder: PartitionFolder, reason: string, cause?: unknown): Promise<PortError> {
  const quarantinedTo = await folder.putAside();
  return new PortError(
    "corrupt",
    `The state of partition ${folder.partition} can't be trusted: ${reason}. Its folder was put aside as ${quarantinedTo}; ` +
      "open the partition again to rebuild it from the log.",
    { folder: folder.path, quarantinedTo, reason },
    { cause },
  );
}
