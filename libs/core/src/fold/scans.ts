/**
 * Which rows a command reads in key order: named before its entry is folded, so that the engine can have them ready, since a
 * fold never waits.
 *
 * 1. Rows are as they stood before the entry: of two commands of one entry that read the same rows, the second one sees with
 *    `ctx.take` what the first has taken.
 * 2. Every scan has a limit; what is left over is asked for by another command.
 */
import type { CommandBatch } from "@holdfast/proto";
import { TIMERS_A_COMMAND_MAX } from "../limits.js";
import { TIMERS_FROM, timersUpTo } from "../state/tables.js";

export interface Scan {
  readonly from: string;
  /** Exclusive. */
  readonly to: string;
  readonly limit: number;
}

export type Row = readonly [key: string, record: unknown];

/** Rows by the place of the command in its batch. */
export type ScannedRows = ReadonlyMap<number, readonly Row[]>;

/** Only an owner's commands scan. */
export function scansOf(batch: CommandBatch): Map<number, Scan> {
  const scans = new Map<number, Scan>();
  if (batch.owner === undefined) return scans;
  batch.commands.forEach(({ kind }, at) => {
    if (kind.case === "timersFired") {
      scans.set(at, { from: TIMERS_FROM, to: timersUpTo(kind.value.upToNs), limit: TIMERS_A_COMMAND_MAX });
    }
  });
  return scans;
}
