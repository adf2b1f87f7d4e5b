/**
 * Checks the block checksums of a closed LevelDB folder's newest tables, which LevelDB itself does not check when it reads.
 *
 * Why: a flipped bit in a key, an index or a Bloom filter does not give wrong bytes but *no* bytes, which no checksum of
 * a record can tell from a key that was never written; and keys out of order make a compaction end the whole process.
 * Bounded, so it is done only after an unclean stop, newest tables first: older ones were there, and read, before it.
 * Source of the format: google/leveldb, `doc/table_format.md`.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ByteReader, DamagedBytes } from "./byte-reader.js";
import { maskedCrc32c } from "./crc32c.js";
import { readManifest } from "./manifest.js";
import { unpackSnappy } from "./snappy.js";

const FOOTER_BYTES = 48;
const MAGIC = 0xdb4775248b80fb57n;
/** A block's own trailer: how it is packed (1 byte), its checksum (4 bytes). */
const BLOCK_TRAILER_BYTES = 5;
const SNAPPY = 1;

interface Block {
  readonly offset: number;
  readonly size: number;
}

export interface TableAudit {
  /** The reason for doubt, as a sentence. */
  readonly doubt: string | undefined;
  readonly bytesChecked: number;
}

/** Checks up to `bytesMax` bytes. Reads only; while another process has the database, its answer means nothing. */
export async function auditTables(folder: string, bytesMax: number): Promise<TableAudit> {
  let bytesChecked = 0;
  try {
    const manifest = await readManifest(folder);
    const newestFirst = [...(manifest?.tables ?? [])].toSorted(([a], [b]) => b - a);
    for (const [number, size] of newestFirst) {
      if (bytesChecked + size > bytesMax) break;
      const table = await readTable(folder, number);
      if (table === undefined) return { doubt: `table ${number} is missing`, bytesChecked };
      if (table.length !== size)
        return { doubt: `table ${number} has ${table.length} bytes, not ${size}`, bytesChecked };
      checkTable(table, number);
      bytesChecked += size;
    }
    return { doubt: undefined, bytesChecked };
  } catch (error) {
    if (error instanceof DamagedBytes) return { doubt: error.message, bytesChecked };
    throw error;
  }
}

async function readTable(folder: string, number: number): Promise<Buffer | undefined> {
  try {
    return await readFile(join(folder, `${String(number).padStart(6, "0")}.ldb`));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Throws `DamagedBytes` unless every block of the table has the checksum that was written with it. */
function checkTable(table: Buffer, number: number): void {
  if (table.length < FOOTER_BYTES || table.readBigUInt64LE(table.length - 8) !== MAGIC) {
    throw new DamagedBytes(`table ${number} has no footer`);
  }
  const footer = new ByteReader(table, table.length - FOOTER_BYTES);
  const metaIndex = handle(footer);
  const index = handle(footer);
  for (const root of [metaIndex, index]) {
    for (const block of handlesIn(contents(table, root, number))) checkBlock(table, block, number);
  }
}

function handle(reader: ByteReader): Block {
  return { offset: reader.varint(), size: reader.varint() };
}

function checkBlock(table: Buffer, { offset, size }: Block, number: number): void {
  const end = offset + size;
  if (end + BLOCK_TRAILER_BYTES > table.length - FOOTER_BYTES)
    throw new DamagedBytes(`table ${number} refers to a block beyond its end`);
  if (table.readUInt32LE(end + 1) !== maskedCrc32c(table, offset, end + 1)) {
    throw new DamagedBytes(`table ${number} is damaged in its block at byte ${offset}`);
  }
}

function contents(table: Buffer, block: Block, number: number): Buffer {
  checkBlock(table, block, number);
  const end = block.offset + block.size;
  const stored = table.subarray(block.offset, end);
  return table[end] === SNAPPY ? unpackSnappy(stored) : stored;
}

/** The values of an index block: each is where another block stands. */
function handlesIn(block: Buffer): Block[] {
  if (block.length < 4) throw new DamagedBytes("an index block is too short");
  const entriesEnd = block.length - 4 - 4 * block.readUInt32LE(block.length - 4);
  const reader = new ByteReader(block, 0, Math.max(0, entriesEnd));
  const handles: Block[] = [];
  while (!reader.done) {
    reader.varint();
    const keyLength = reader.varint();
    const valueLength = reader.varint();
    reader.take(keyLength);
    handles.push(handle(new ByteReader(reader.take(valueLength))));
  }
  return handles;
}
