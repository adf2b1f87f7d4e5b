/**
 * Checks a closed LevelDB folder's write-ahead logs before LevelDB opens it and replays them.
 *
 * Why: LevelDB skips a damaged record of its log in silence and goes on with the next, which would leave a state
 * that no prefix of the batches ever had. A lost *tail* is harmless (the command log replays it); a *gap* is not.
 *
 * 1. Reads only. May run while another process writes: then its answer means nothing, and the caller finds the lock.
 * 2. Sequences of all live logs together must be dense, from what the manifest has on.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DamagedBytes } from "./byte-reader.js";
import { readLogRecords } from "./log-records.js";
import { readManifest } from "./manifest.js";

/** A write batch begins with its first sequence (8 bytes) and its number of operations (4 bytes). */
const BATCH_HEADER_BYTES = 12;

/** The reason for doubt, as a sentence; undefined when the logs replay to a prefix of what was written. */
export async function auditLogs(folder: string): Promise<string | undefined> {
  try {
    return await findGap(folder);
  } catch (error) {
    if (error instanceof DamagedBytes) return error.message;
    // A file that the manifest or the listing names, and that is not there.
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      return `a file vanished or is missing: ${(error as Error).message}`;
    throw error;
  }
}

async function findGap(folder: string): Promise<string | undefined> {
  const manifest = await readManifest(folder);
  if (manifest === undefined) return undefined;
  const numbers = (await readdir(folder))
    .flatMap((name) => (/^\d+\.log$/.test(name) ? [Number.parseInt(name, 10)] : []))
    .filter((number) => number >= manifest.logNumber)
    .toSorted((a, b) => a - b);
  if (manifest.logNumber > 0 && numbers[0] !== manifest.logNumber) {
    return `the write-ahead log ${manifest.logNumber}, which the manifest names, is missing`;
  }
  let expected: number | undefined;
  for (const number of numbers) {
    const name = `${String(number).padStart(6, "0")}.log`;
    const { records, damage } = readLogRecords(await readFile(join(folder, name)), BATCH_HEADER_BYTES);
    for (const record of records) {
      if (record.length < BATCH_HEADER_BYTES) return `${name} holds a record without a header`;
      const sequence = Number(record.readBigUInt64LE(0));
      const inOrder = expected === undefined ? sequence <= manifest.lastSequence + 1 : sequence === expected;
      if (!inOrder)
        return `${name} goes on at sequence ${sequence} where ${expected ?? manifest.lastSequence + 1} was due`;
      expected = sequence + record.readUInt32LE(8);
    }
    if (damage?.validAfter) return `${name} is damaged at byte ${damage.offset}, and intact records follow`;
  }
  return undefined;
}
