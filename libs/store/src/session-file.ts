/**
 * How the last use of a partition's folder ended, and whose it is: a small file beside LevelDB's, readable before LevelDB opens.
 *
 * Why a file and not a record: LevelDB ends the whole process when it meets some kinds of damage in a table as it opens, reads or
 * compacts, so that what to check has to be known before it starts, and what is in doubt is never opened. A damaged or missing file
 * counts as an unclean stop.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { asFormat, type StoreFormat } from "./own-records.js";

const SESSION_FILE = "SESSION";
const CURRENT_FILE = "CURRENT";

export interface LastSession {
  /** The number of the last batch, when the store was closed cleanly and not touched since. */
  readonly cleanBatch: number | undefined;
  /** How many times in a row, up to now, it was opened and not closed cleanly. */
  readonly uncleanOpens: number;
  /** What the database was, when it was last opened: a word for one that can't be asked. */
  readonly holds: StoreFormat | undefined;
}

/** What the file holds: either of the first two. LevelDB names another manifest each time it opens, which tells a stale file. */
interface SessionRecord {
  readonly closed?: { readonly batch: number; readonly manifest: string };
  readonly opens?: number;
  readonly holds?: StoreFormat | undefined;
}

export async function lastSession(folder: string): Promise<LastSession> {
  const { closed, opens, holds: said } = parsed(await contentOf(join(folder, SESSION_FILE)));
  const manifest = await contentOf(join(folder, CURRENT_FILE));
  const holds = asFormat(said);
  if (closed !== undefined && closed.manifest === manifest)
    return { cleanBatch: closed.batch, uncleanOpens: 0, holds };
  return { cleanBatch: undefined, uncleanOpens: opens ?? 1, holds };
}

/** Before LevelDB opens, and again once it is known what it `holds`. Not synced: a stale file is told by its manifest. */
export async function beginSession(
  folder: string,
  last: LastSession,
  holds: StoreFormat | undefined,
): Promise<void> {
  await store(folder, { opens: last.uncleanOpens + 1, holds }, false);
}

/** After LevelDB has closed, and synced, everything up to this batch. */
export async function endSession(folder: string, batch: number, holds: StoreFormat): Promise<void> {
  const manifest = (await contentOf(join(folder, CURRENT_FILE))) ?? "";
  await store(folder, { closed: { batch, manifest }, holds }, true);
}

function store(folder: string, record: SessionRecord, flush: boolean): Promise<void> {
  return writeFile(join(folder, SESSION_FILE), JSON.stringify(record), { flush });
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function parsed(content: string | undefined): SessionRecord {
  if (content === undefined) return {};
  try {
    const record = JSON.parse(content) as SessionRecord | null;
    return typeof record === "object" && record !== null ? record : {};
  } catch {
    // Half written when the process was killed: as good as none.
    return {};
  }
}
