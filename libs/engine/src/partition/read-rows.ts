/** Reads the rows that an entry's commands scan, and the records that folding those will ask for, before it is folded. */
import { type Entry, type Row, type Scan, scansOf } from "@holdfast/core";
import type { CommandBatch } from "@holdfast/proto";
import type { LogEntry } from "../ports/command-log.js";
import type { PartitionState } from "./state.js";

export async function withRows(
  state: PartitionState,
  { seq, atNs }: LogEntry,
  batch: CommandBatch,
): Promise<Entry> {
  const scans = scansOf(batch);
  if (scans.size === 0) return { seq, atNs, batch };
  const scanned = new Map<number, readonly Row[]>();
  for (const [at, each] of scans) scanned.set(at, await rowsOf(state, each));
  return { seq, atNs, batch, scanned };
}

/** To be called right before rows that were read are folded, as records are changed in place and a commit may have begun since. */
export function settleRows(state: PartitionState, { scanned }: Entry): void {
  if (scanned === undefined) return;
  for (const rows of scanned.values()) for (const [key] of rows) state.settle(key);
}

async function rowsOf(state: PartitionState, scans: readonly Scan[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { from, to, limit, reads } of scans) {
    const found = await state.range(from, to, limit);
    if (reads !== undefined) {
      const wanted = found.flatMap(([key, record]) => reads(key, record) ?? []);
      await state.load(state.missing(wanted));
    }
    for (const row of found) rows.push(row);
  }
  return rows;
}
