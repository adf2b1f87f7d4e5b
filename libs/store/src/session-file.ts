/**
 * How the last use of a partition's folder ended: a small file beside LevelDB's, readable before LevelDB opens.
 *
 * Why a file and not a record: LevelDB ends the whole process when it meets some kinds of damage in a table while it
 * compacts, so that what to check has to be known before it starts. A damaged or missing file counts as an unclean stop.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

const SESSION_FILE = "SESSION";
const CURRENT_FILE = "CURRENT";

export interface LastSession {
  /** The number of the last batch, when the store was closed cleanly and not touched since. */
  readonly cleanBatch: number | undefined;
  /** How many times in a row, up to now, it was opened and not closed cleanly. */
  readonly uncleanOpens: number;
}

/** What the file holds: either of both. LevelDB names another manifest each time it opens, which tells a stale file. */
interface SessionRecord {
  readonly closed?: { readonly batch: number; readonly manifest: string };
  readonly opens?: number;
}

export async function lastSession(folder: string): Promise<LastSession> {
  const { closed, opens } = parsed(await contentOf(join(folder, SESSION_FILE)));
  const manifest = await contentOf(join(folder, CURRENT_FILE));
  if (closed !== undefined && closed.manifest === manifest)
    return { cleanBatch: closed.batch, uncleanOpens: 0 };
  return { cleanBatch: undefined, uncleanOpens: opens ?? 1 };
}

/** Before LevelDB opens. Not synced: a stale file is told by its manifest. */
export async function beginSession(folder: string, last: LastSession): Promise<void> {
  await store(folder, { opens: last.uncleanOpens + 1 }, false);
}

/** After LevelDB has closed, and synced, everything up to this batch. */
export async function endSession(folder: string, batch: number): Promise<void> {
  await store(
    folder,
    { closed: { batch, manifest: (await contentOf(join(folder, CURRENT_FILE))) ?? "" } },
    true,
  );
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
