/**
 * A small store as an older build wrote it, with the log that it is of: what must open with every later build, and add up.
 *
 * 1. The state is of a node that was stopped in the middle of the log; the rest of the log is a tail that it had not folded.
 * 2. A file that is there is never written anew: it is what users have on their disks.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import type { MemoryCommandLog, MemoryStateStore } from "../memory/index.js";

const MS = 1_000_000n;
const BYTE_KEYS_FROM = "\0";
const BYTE_KEYS_TO = "\xff";
const ROWS_MAX = 100_000;

/** How many runs each workflow has, by what they are. */
export type GoldenCounts = Readonly<Record<string, Readonly<Record<string, number>>>>;

interface GoldenPartition {
  /** Keys and records, in base64. */
  readonly rows: readonly (readonly [string, string])[];
  /** What the rows are the fold of. */
  readonly appliedSeq: number;
  /** When each entry came, in Unix milliseconds, and its bytes in base64. */
  readonly log: readonly (readonly [number, string])[];
}

export interface Golden {
  readonly schema: number;
  readonly partitions: readonly GoldenPartition[];
  /** At the state's place in the log, and at the log's end, as the build that wrote it counted. */
  readonly counts: { readonly stored: GoldenCounts; readonly end: GoldenCounts };
  /** Runs that had been pruned by the log's end. */
  readonly pruned: number;
}

const pathOf = (schema: number): URL => new URL(`./schema-${schema}.json.gz`, import.meta.url);

export const hasGolden = (schema: number): boolean => existsSync(pathOf(schema));

export const readGolden = (schema: number): Golden =>
  JSON.parse(gunzipSync(readFileSync(pathOf(schema))).toString("utf8")) as Golden;

/** Throws where there is one: `flag` says so to the file system. */
export function writeGolden(golden: Golden): string {
  const path = pathOf(golden.schema);
  writeFileSync(path, gzipSync(JSON.stringify(golden), { level: 9 }), { flag: "wx" });
  return path.pathname;
}

const encoded = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const decoded = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));

/** The rows of a partition that no node has open. */
export async function rowsOf(
  store: MemoryStateStore,
  partition: number,
): Promise<(readonly [string, string])[]> {
  const db = await store.open(partition);
  const rows = await db.range({ from: BYTE_KEYS_FROM, to: BYTE_KEYS_TO, limit: ROWS_MAX });
  await db.close();
  return rows.map(([key, value]) => [Buffer.from(key, "latin1").toString("base64"), encoded(value)]);
}

export async function logOf(
  log: MemoryCommandLog,
  partition: number,
): Promise<(readonly [number, string])[]> {
  const entries: [number, string][] = [];
  for (let seq = 1; ; seq++) {
    const entry = await log.entry(partition, seq);
    if (entry === undefined) return entries;
    entries.push([Number(entry.atNs / MS), encoded(entry.data)]);
  }
}

/** Puts the rows of a golden store into one that is empty. */
export async function restore(golden: Golden, store: MemoryStateStore): Promise<void> {
  for (const [partition, { rows }] of golden.partitions.entries()) {
    const db = await store.open(partition);
    const puts = rows.map(
      ([key, value]) => [Buffer.from(key, "base64").toString("latin1"), decoded(value)] as const,
    );
    await db.write({ puts, dels: [] });
    await db.close();
  }
}

/** Appends a golden store's log, or what its state is of, to one that is empty; `at` sets the time that the next entry is given. */
export async function replay(
  golden: Golden,
  log: MemoryCommandLog,
  part: "stored" | "end",
  at: (ms: number) => Promise<void>,
): Promise<void> {
  const entries = golden.partitions.flatMap(({ log: each, appliedSeq }, partition) =>
    each
      .slice(0, part === "stored" ? appliedSeq : undefined)
      .map(([ms, data], order) => ({ ms, partition, order, data: decoded(data) })),
  );
  entries.sort((a, b) => a.ms - b.ms || a.partition - b.partition || a.order - b.order);
  for (const { ms, partition, data } of entries) {
    await at(ms);
    await log.append(partition, data);
  }
}
