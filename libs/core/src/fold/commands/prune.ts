/**
 * Prune: one bounded piece of a sweep. What may go is decided here, by the log's time and the policies of the moment.
 *
 * 1. A run inside its floor stays, whatever the sweep wants: it is filed anew and counted as carried forward (I6).
 *    So does one that its parent may still need (needed.ts).
 * 2. Costs what it removes and what it carries forward, whatever stays.
 * 3. The pieces of one sweep leave one record; the newest are kept.
 */
import {
  type Command,
  type CountsRecord,
  type ExpiryRecord,
  type ForgetRecord,
  ForgetRecordSchema,
  type Prune,
  PruneCause,
  PruneKind,
  type RunRecord,
  type SweepRecord,
  SweepRecordSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { countLetters } from "../../actor/dead-letters.js";
import { aloneRun, carryForward, keptUntilNs } from "../../actor/expiry.js";
import { askNeed, mayBeNeeded } from "../../actor/needed.js";
import { addPruned, pruneRun } from "../../actor/pruned.js";
import { DEFAULT_QUEUE } from "../../definition/plan.js";
import { PRUNE_GARBAGE_MAX, SWEEPS_KEPT_MAX, TOMBSTONE_NS } from "../../limits.js";
import { isRunId } from "../../names.js";
import {
  completedText,
  deadLetterText,
  failedText,
  maxTerminalText,
  type ResolvedRetention,
  retentionOf,
  shareOfTerminalRuns,
} from "../../policy/retention.js";
import {
  countsKey,
  forgetDue,
  forgetKey,
  garbageKey,
  readExpiryKey,
  runKey,
  sweepKey,
  tombstoneKey,
} from "../../state/tables.js";
import { isRunTerminal } from "../../status.js";
import { timeText } from "../../text.js";
import type { FoldContext } from "../context.js";
import type { Row } from "../scans.js";

export function prune(ctx: FoldContext, command: Command, wanted: Prune, rows: readonly Row[]): void {
  switch (wanted.kind) {
    case PruneKind.COMPLETED:
      pruneRuns(ctx, wanted, rows, whyCompleted);
      break;
    case PruneKind.FAILED:
    case PruneKind.DEAD_LETTERS:
      pruneRuns(ctx, wanted, rows, whyFailed);
      break;
    case PruneKind.TOMBSTONES:
      forgetTombstones(ctx, wanted, rows);
      break;
    case PruneKind.GARBAGE:
      removeGarbage(ctx, wanted, rows);
      break;
    default:
      break;
  }
  ctx.accept(command, {});
}

interface Verdict {
  readonly cause: PruneCause;
  readonly policy: string;
}

interface Sweeping {
  readonly ctx: FoldContext;
  readonly policy: ResolvedRetention;
  readonly counts: CountsRecord;
  /** Ended runs beyond this are too many. */
  readonly share: number | undefined;
}

/** Why a run goes; `later`: it is to be looked at again then; `stays`: neither it nor any after it goes now. */
type Why = (
  sweeping: Sweeping,
  run: RunRecord,
  runId: string,
) => Verdict | { readonly later: bigint } | "stays";

const keptRuns = (counts: CountsRecord): number =>
  counts.completed + counts.completedWithFailures + counts.failed + counts.cancelled;

const whyCompleted: Why = ({ ctx, policy, counts, share }, run) => {
  if (run.endedAtNs + policy.completedNs <= ctx.atNs)
    return { cause: PruneCause.RETENTION, policy: completedText(policy) };
  if (share !== undefined && keptRuns(counts) > share)
    return { cause: PruneCause.MAX_TERMINAL_RUNS, policy: maxTerminalText(policy) };
  return "stays";
};

const whyFailed: Why = ({ ctx, policy }, run, runId) => {
  if (run.expiryNs > ctx.atNs) return "stays";
  const later = keptUntilNs(ctx.view, run);
  if (later > ctx.atNs) return { later };
  // It has not been given up: its next recovery comes first.
  if (run.recoverAtNs > 0n) return { later: (run.recoverAtNs > ctx.atNs ? run.recoverAtNs : ctx.atNs) + 1n };
  if (mayBeNeeded(run)) return { later: askNeed(ctx, runId, run) };
  if (run.deadLetters !== undefined)
    return { cause: PruneCause.DEAD_LETTER_RETENTION, policy: deadLetterText(policy) };
  if (run.discarded === undefined) return { cause: PruneCause.RETENTION, policy: failedText(policy) };
  const { who, reason, atNs } = run.discarded;
  const by = who === "" ? "" : ` by ${who}`;
  const said = `discarded${by} at ${timeText(atNs)}: ${reason}; ${failedText(policy)}`;
  return { cause: PruneCause.DISCARDED, policy: said };
};

function pruneRuns(ctx: FoldContext, wanted: Prune, rows: readonly Row[], why: Why): void {
  // Of what is no name, nothing is scanned.
  if (rows.length === 0) return;
  const counts = ctx.view.get(countsKey(wanted.workflow));
  if (counts === undefined) return;
  const policy = retentionOf(ctx.view, wanted.workflow);
  const share = shareOfTerminalRuns(policy, ctx.applied.partitions);
  const sweep = sweepOf(ctx, wanted.sweepNs);
  const gone: string[] = [];
  let letters = 0;
  for (const [key, record] of rows) {
    const { runId, atNs } = readExpiryKey(key);
    const row = record as ExpiryRecord;
    const run = row.alone ? aloneRun(wanted.workflow, atNs, row) : ctx.view.get(runKey(runId));
    // Set off again or pruned by an earlier command of this entry.
    if (run === undefined || !isRunTerminal(run.status) || run.expiryNs !== atNs || ctx.isTaken(key))
      continue;
    // A run may have many rows in the dead-letter set: the rest is for another command.
    letters += countLetters(run);
    if (letters > PRUNE_GARBAGE_MAX && gone.length > 0) break;
    sweep.scanned += 1n;
    const verdict = why({ ctx, policy, counts, share }, run, runId);
    if (verdict === "stays") break;
    if ("later" in verdict) {
      carryForward(ctx.view, runId, run, verdict.later);
      sweep.carriedForward += 1n;
      continue;
    }
    addPruned(sweep.pruned, verdict.cause, run.status);
    ctx.take(key);
    pruneRun(ctx, { runId, run, ...verdict, ...(row.alone ? { queue: row.queue || DEFAULT_QUEUE } : {}) });
    gone.push(runId);
  }
  if (gone.length > 0) {
    const forgetNs = ctx.atNs + TOMBSTONE_NS;
    ctx.view.put(forgetKey(forgetNs, ctx.seq, ctx.nextRow()), init(ForgetRecordSchema, { runIds: gone }));
  }
  keepSweep(ctx, sweep);
}

function forgetTombstones(ctx: FoldContext, wanted: Prune, rows: readonly Row[]): void {
  if (rows.length === 0) return;
  const sweep = sweepOf(ctx, wanted.sweepNs);
  for (const [key, record] of rows) {
    if (forgetDue(key) > ctx.atNs) break;
    if (!ctx.take(key)) continue;
    for (const runId of (record as ForgetRecord).runIds) {
      if (ctx.view.get(tombstoneKey(runId)) === undefined) continue;
      ctx.view.del(tombstoneKey(runId));
      ctx.applied.tombstones -= 1n;
      sweep.tombstonesForgotten += 1n;
    }
  }
  keepSweep(ctx, sweep);
}

function removeGarbage(ctx: FoldContext, { runId }: Prune, rows: readonly Row[]): void {
  if (!isRunId(runId) || ctx.view.get(garbageKey(runId)) === undefined) return;
  const found = new Map<string, number>();
  for (const [key] of rows) {
    found.set(key.charAt(0), (found.get(key.charAt(0)) ?? 0) + 1);
    ctx.take(key);
  }
  if ([...found.values()].every((count) => count < PRUNE_GARBAGE_MAX)) ctx.view.del(garbageKey(runId));
}

function sweepOf(ctx: FoldContext, sweepNs: bigint): SweepRecord {
  return (
    ctx.view.get(sweepKey(sweepNs)) ?? init(SweepRecordSchema, { sweepNs, beganAtNs: ctx.atNs, pruned: [] })
  );
}

function keepSweep(ctx: FoldContext, sweep: SweepRecord): void {
  if (sweep.scanned === 0n && sweep.tombstonesForgotten === 0n) return;
  sweep.lastAtNs = ctx.atNs;
  ctx.view.put(sweepKey(sweep.sweepNs), sweep);
  const { sweeps } = ctx.applied;
  if (sweeps.at(-1) === sweep.sweepNs) return;
  sweeps.push(sweep.sweepNs);
  if (sweeps.length > SWEEPS_KEPT_MAX) ctx.view.del(sweepKey(sweeps.shift() as bigint));
}
