/**
 * Reads LevelDB's manifest: which files make up the database now. Never writes.
 * Source of the format: google/leveldb, `db/version_edit.cc`.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ByteReader, DamagedBytes } from "./byte-reader.js";
import { readLogRecords } from "./log-records.js";

export interface Manifest {
  /** Logs below this number are obsolete; this one must exist (0: none was named yet). */
  readonly logNumber: number;
  /** The highest write sequence when the manifest was last written. */
  readonly lastSequence: number;
  /** Live tables: number to size in bytes. */
  readonly tables: ReadonlyMap<number, number>;
}

const COMPARATOR = 1;
const LOG_NUMBER = 2;
const NEXT_FILE = 3;
const LAST_SEQUENCE = 4;
const COMPACT_POINTER = 5;
const DELETED_FILE = 6;
const NEW_FILE = 7;
const PREVIOUS_LOG = 9;

/** undefined where the folder holds no database yet. Throws `DamagedBytes`, or the file system's error. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  let current: string;
  try {
    current = (await readFile(join(folder, "CURRENT"), "latin1")).trimEnd();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  if (!/^MANIFEST-\d+$/.test(current)) throw new DamagedBytes("CURRENT names no manifest");
  const { records, damage } = readLogRecords(await readFile(join(folder, current)));
  if (damage?.validAfter) throw new DamagedBytes(`${current} is damaged at byte ${damage.offset}`);
  return foldEdits(records);
}

function foldEdits(edits: readonly Buffer[]): Manifest {
  let logNumber = 0;
  let lastSequence = 0;
  const tables = new Map<number, number>();
  for (const edit of edits) {
    const reader = new ByteReader(edit);
    while (!reader.done) {
      const tag = reader.varint();
      switch (tag) {
        case COMPARATOR:
          reader.slice();
          break;
        case LOG_NUMBER:
          logNumber = reader.varint();
          break;
        case LAST_SEQUENCE:
          lastSequence = reader.varint();
          break;
        case NEXT_FILE:
        case PREVIOUS_LOG:
          reader.varint();
          break;
        case COMPACT_POINTER:
          reader.varint();
          reader.slice();
          break;
        case DELETED_FILE:
          reader.varint();
          tables.delete(reader.varint());
          break;
        case NEW_FILE: {
          reader.varint();
          const number = reader.varint();
          tables.set(number, reader.varint());
          reader.slice();
          reader.slice();
          break;
        }
        default:
          throw new DamagedBytes(`the manifest holds the unknown tag ${tag}`);
      }
    }
  }
  return { logNumber, lastSequence, tables };
}
