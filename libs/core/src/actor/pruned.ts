/**
 * A run leaves: its records go, what it was is counted in a rollup, and a tombstone tells for a while that there was one.
 *
 * 1. Counted before it is gone, in the same entry (I7): by workflow, queue, cause and how it had ended.
 * 2. Small runs go at once; what a large one consists of is removed piece by piece, as garbage that nobody sees.
 */
import {
  type CountsRecord,
  Effect,
  GarbageRecordSchema,
  type PruneCause,
  type PrunedCount,
  PrunedCountSchema,
  RollupRecordSchema,
  RunStatus,
  type RunRecord,
  TombstoneRecordSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { DEFAULT_QUEUE } from "../definition/plan.js";
import type { FoldContext } from "../fold/context.js";
import { EVENTS_EMBEDDED_MAX } from "../limits.js";
import {
  countsKey,
  definitionKey,
  eventChunkKey,
  expiryKey,
  garbageKey,
  payloadKey,
  rollupKey,
  runKey,
  statusKey,
  stepKey,
  tombstoneKey,
} from "../state/tables.js";
import { settleAttention } from "./attention.js";
import { cancelsClosed } from "./batch-cancel.js";
import { takeOutAll } from "./dead-letters.js";
import { expiryClassOf } from "./expiry.js";
import { forgetSignatures } from "./signatures.js";

export interface Leaving {
  readonly runId: string;
  readonly run: RunRecord;
  readonly cause: PruneCause;
  /** The policy in words. */
  readonly policy: string;
  /** Where it is known; else the workflow's, as it was defined when the run began. */
  readonly queue?: string;
}

export function addPruned(list: PrunedCount[], cause: PruneCause, status: RunStatus): void {
  const found = list.find((entry) => entry.cause === cause && entry.status === status);
  if (found === undefined) list.push(init(PrunedCountSchema, { cause, status, runs: 1n }));
  else found.runs += 1n;
}

/** The queue that a run is counted under: its workflow's, as it was defined when it began. */
export function queueOfRun(ctx: Pick<FoldContext, "view">, run: RunRecord): string {
  return ctx.view.get(definitionKey(run.definitionHash))?.definition?.queue || DEFAULT_QUEUE;
}

/** The run must have ended. Its row in the expiry index is removed with it. */
export function pruneRun(ctx: FoldContext, leaving: Leaving): void {
  const { runId, run, cause, policy } = leaving;
  const { view, atNs } = ctx;
  for (const closed of cancelsClosed(runId, run)) ctx.emit(closed);
  const queue = leaving.queue ?? queueOfRun(ctx, run);
  const items = itemsOfRun(run);
  countOut(ctx, run, items);
  const key = rollupKey(run.workflow, queue);
  const rollup = view.get(key) ?? init(RollupRecordSchema, { pruned: [] });
  addPruned(rollup.pruned, cause, run.status);
  rollup.itemsSucceeded += items.succeeded;
  rollup.itemsFailed += items.failed;
  if (rollup.firstEndedNs === 0n || run.endedAtNs < rollup.firstEndedNs) rollup.firstEndedNs = run.endedAtNs;
  if (run.endedAtNs > rollup.lastEndedNs) rollup.lastEndedNs = run.endedAtNs;
  rollup.lastPrunedNs = atNs;
  view.put(key, rollup);
  const tombstone = init(TombstoneRecordSchema, {
    workflow: run.workflow,
    queue,
    status: run.status,
    endedAtNs: run.endedAtNs,
    prunedAtNs: atNs,
    cause,
    policy,
  });
  view.put(tombstoneKey(runId), tombstone);
  ctx.applied.tombstones += 1n;
  view.del(expiryKey(expiryClassOf(run), run.workflow, run.expiryNs, runId));
  takeOutAll({ ctx, run, runId });
  view.del(statusKey(run.workflow, run.status, run.createdAtNs, runId));
  forgetSignatures(view, runId, run);
  settleAttention(ctx, runId, run);
  removeRecords(ctx, runId, run);
  view.del(runKey(runId));
}

function itemsOfRun(run: RunRecord): { readonly succeeded: bigint; readonly failed: bigint } {
  let succeeded = 0n;
  let failed = 0n;
  for (const { items } of run.actions) {
    succeeded += BigInt(items?.counts?.succeeded ?? 0);
    failed += BigInt(items?.counts?.failed ?? 0);
  }
  return { succeeded, failed };
}

type RunCount = "completed" | "completedWithFailures" | "failed" | "cancelled";
const COUNT_OF: Readonly<Record<number, RunCount>> = {
  [RunStatus.COMPLETED]: "completed",
  [RunStatus.COMPLETED_WITH_FAILURES]: "completedWithFailures",
  [RunStatus.FAILED]: "failed",
  [RunStatus.CANCELLED]: "cancelled",
};

function countOut(ctx: FoldContext, run: RunRecord, items: { succeeded: bigint; failed: bigint }): void {
  const key = countsKey(run.workflow);
  const counts = ctx.view.get(key) as CountsRecord;
  counts[COUNT_OF[run.status] as RunCount] -= 1;
  counts.pruned += 1n;
  counts.itemsSucceeded -= items.succeeded;
  counts.itemsFailed -= items.failed;
  if (run.status === RunStatus.COMPLETED && run.effect === Effect.NONE_WITH_REASON) counts.noEffect -= 1;
  if (run.status === RunStatus.COMPLETED && run.effect === Effect.SILENT) counts.silentNoOp -= 1;
  ctx.view.put(key, counts);
}

/**
 * A run of one generation without items, jobs, and steps of an undo, has no record that its own doesn't tell of. Of any other there
 * may be more than it knows (steps and items of earlier generations and jobs), so those are looked for, by the sweep.
 */
function removeRecords({ view, atNs }: FoldContext, runId: string, run: RunRecord): void {
  const plain =
    run.generation === 1 &&
    run.actions.every(
      ({ items, steps, undo, batch }) =>
        items === undefined && batch === undefined && steps < 64 && (undo?.steps ?? 0) === 0,
    );
  if (!plain) {
    view.put(garbageKey(runId), init(GarbageRecordSchema, { prunedAtNs: atNs }));
    return;
  }
  if (run.input?.body.case === "stored") view.del(payloadKey(runId, 0));
  run.actions.forEach(({ output, steps }, action) => {
    if (output?.body.case === "stored") view.del(payloadKey(runId, action + 1));
    for (let index = 0; index < steps; index++) view.del(stepKey(runId, action, -1, index));
  });
  const chunks = Math.floor(((run.events[0]?.seq ?? 1) - 1) / EVENTS_EMBEDDED_MAX);
  for (let chunk = 0; chunk < chunks; chunk++) view.del(eventChunkKey(runId, chunk));
}
