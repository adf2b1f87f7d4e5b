/**
 * Which rows a command reads in key order: named before its entry is folded, so that the engine can have them ready, since a
 * fold never waits.
 *
 * 1. Rows are as they stood before the entry: of two commands of one entry that read the same rows, the second one sees with
 *    `ctx.take` what the first has taken.
 * 2. Every scan has a limit; what is left over is asked for by another command.
 */
import {
  BulkPhase,
  type BulkStep,
  type CommandBatch,
  type ExpiryRecord,
  type Prune,
  PruneKind,
} from "@holdfast/proto";
import { filedRun } from "../bulk/select.js";
import {
  BULK_CLOSED_A_STEP,
  BULK_ROWS_A_STEP,
  BULK_RUNS_A_STEP,
  PRUNE_GARBAGE_MAX,
  PRUNE_ROWS_MAX,
  TIMERS_A_COMMAND_MAX,
} from "../limits.js";
import { isName, isRunId } from "../names.js";
import {
  candidateRun,
  type ExpiryClass,
  expiryPrefix,
  prefixEnd,
  readExpiryKey,
  RUN_TABLES,
  runKey,
  TIMERS_FROM,
  timersUpTo,
  U64_MAX,
} from "../state/tables.js";
import { u64 } from "../state/key-numbers.js";

export interface Scan {
  readonly from: string;
  /** Exclusive. */
  readonly to: string;
  readonly limit: number;
  /** The record that folding a row will read; undefined: none. */
  readonly reads?: (key: string, record: unknown) => string | undefined;
}

export type Row = readonly [key: string, record: unknown];

/** By the place of the command in its batch: the rows of its scans, one scan's after the other's. */
export type ScannedRows = ReadonlyMap<number, readonly Row[]>;

/** Only an owner's commands scan. */
export function scansOf(batch: CommandBatch): Map<number, readonly Scan[]> {
  const scans = new Map<number, readonly Scan[]>();
  if (batch.owner === undefined) return scans;
  batch.commands.forEach(({ kind }, at) => {
    if (kind.case === "timersFired")
      scans.set(at, [{ from: TIMERS_FROM, to: timersUpTo(kind.value.upToNs), limit: TIMERS_A_COMMAND_MAX }]);
    else if (kind.case === "prune") scans.set(at, pruneScans(kind.value));
    else if (kind.case === "bulkStep") scans.set(at, bulkScans(kind.value));
  });
  return scans;
}

function pruneScans({ kind, workflow, fromNs, upToNs, runId }: Prune): Scan[] {
  const expiring = (expiry: ExpiryClass): Scan[] => {
    const prefix = expiryPrefix(expiry, workflow);
    return [
      {
        from: prefix + u64(fromNs),
        to: upTo(prefix, upToNs),
        limit: PRUNE_ROWS_MAX,
        reads: (key, record) =>
          (record as ExpiryRecord).alone ? undefined : runKey(readExpiryKey(key).runId),
      },
    ];
  };
  switch (kind) {
    case PruneKind.COMPLETED:
      return isName(workflow) ? expiring("completed") : [];
    case PruneKind.FAILED:
      return isName(workflow) ? expiring("failed") : [];
    case PruneKind.DEAD_LETTERS:
      return isName(workflow) ? expiring("dead") : [];
    case PruneKind.TOMBSTONES:
      return [{ from: "j", to: upTo("j", upToNs), limit: 8 }];
    case PruneKind.GARBAGE:
      return !isRunId(runId)
        ? []
        : RUN_TABLES.map((table) => {
            const from = `${table}${runId}\0`;
            return { from, to: `${table}${runId}\x01`, limit: PRUNE_GARBAGE_MAX };
          });
    default:
      return [];
  }
}

function bulkScans({ phase, from, to }: BulkStep): Scan[] {
  switch (phase) {
    case BulkPhase.MATCHING:
      return [{ from, to, limit: BULK_ROWS_A_STEP, reads: (key) => runKey(filedRun(key)) }];
    case BulkPhase.ACTING:
      return [{ from, to, limit: BULK_RUNS_A_STEP, reads: (key) => runKey(candidateRun(key)) }];
    case BulkPhase.CLOSING:
      return [{ from, to, limit: BULK_CLOSED_A_STEP }];
    default:
      return [];
  }
}

/** One past the last key that begins with the prefix and a time up to `ns`. */
const upTo = (prefix: string, ns: bigint): string =>
  ns >= U64_MAX ? prefixEnd(prefix) : prefix + u64(ns + 1n);
