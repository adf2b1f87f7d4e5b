/**
 * In which ways a run has failed: kept with the run, counted with each signature, and indexed while the run has ended failed, so that
 * the failed runs of a signature are found without looking at any other.
 *
 * 1. An item that fails is counted as it fails; an action or run that fails by itself when the run ends. What an action over items
 *    fails with because of its items counts as theirs alone.
 * 2. A run has a row in the index of a signature exactly while it has ended failed (also in part) in that way. It has at least one then.
 * 3. A run tells `SIGNATURES_A_RUN_MAX` ways apart; those beyond count as other messages of their action and mode.
 * 4. A failure costs no row of its own: it changes the run's record and its signature's.
 */
import {
  type Failure,
  LatestRecordSchema,
  type RunRecord,
  type RunSignature,
  RunSignatureSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ActionPlan } from "../definition/plan.js";
import { traitsOf } from "../failure/modes.js";
import { otherSignature, type Signature, signatureOf } from "../failure/signature.js";
import { countFailure } from "../failure/signature-books.js";
import { SIGNATURES_A_RUN_MAX } from "../limits.js";
import { signatureKey, signatureRunKey } from "../state/tables.js";
import type { View } from "../state/view.js";
import { FAILED_STATUSES, isRunRetryable } from "../status.js";
import { type Actor, stateOf } from "./actor.js";

/** An item has failed for good. */
export function countFailedItem(actor: Actor, action: ActionPlan, failure: Failure): void {
  const signature = toldApart(
    actor.run,
    signatureOf(actor.run.workflow, action.name, failure, [actor.runId]),
  );
  const record = countFailure(actor.ctx.view, seen(actor, signature, failure));
  const entry = entryOf(actor.run, signature, action.index);
  // Counted by a record that has given way, all of its items are counted by the one that took its place.
  record.items += entry.number === record.number ? 1n : BigInt(entry.items) + 1n;
  entry.items += 1;
  entry.number = record.number;
  actor.ctx.view.put(signatureKey(signature.id), record);
}

/** An item that was retried is failed again as it was before: one more is, and nothing has failed anew. */
export function countItemAgain({ run, runId, ctx }: Actor, action: ActionPlan, failure: Failure): void {
  const signature = toldApart(run, signatureOf(run.workflow, action.name, failure, [runId]));
  const key = signatureKey(signature.id);
  const record = ctx.view.get(key);
  const entry = entryOf(run, signature, action.index);
  entry.items += 1;
  if (record === undefined) return;
  record.items += entry.number === record.number ? 1n : BigInt(entry.items);
  entry.number = record.number;
  ctx.view.put(key, record);
}

/** Items of an action are FAILED no more: all of them, or those that failed in a mode that is not terminal. */
export function uncountFailedItems(actor: Actor, action: ActionPlan, terminalToo: boolean): void {
  const { run, ctx } = actor;
  if (run.signatures.length === 0) return;
  run.signatures = run.signatures.filter((entry) => {
    if (entry.action !== action.index || entry.items === 0) return true;
    if (!terminalToo && traitsOf(entry.mode).terminal) return true;
    takeOff(ctx.view, entry, entry.items, 0);
    return false;
  });
}

/** One item is FAILED no more; `failure` is what it had failed with. */
export function uncountFailedItem({ run, runId, ctx }: Actor, action: ActionPlan, failure: Failure): void {
  const counted = (id: string): RunSignature | undefined =>
    run.signatures.find((entry) => entry.id === id && entry.items > 0);
  const entry =
    counted(signatureOf(run.workflow, action.name, failure, [runId]).id) ??
    // As builds counted it that left the run's id in.
    counted(signatureOf(run.workflow, action.name, failure).id) ??
    counted(otherSignature(run.workflow, action.name, failure.mode).id);
  // What failed before there were signatures was never counted.
  if (entry === undefined) return;
  takeOff(ctx.view, entry, 1, 0);
  entry.items -= 1;
  if (entry.items === 0) run.signatures = run.signatures.filter((other) => other !== entry);
}

/** The run has just ended: what failed by itself is counted, and the run is filed under each way in which it failed. */
export function fileSignatures(actor: Actor): void {
  const { run, runId, plan, ctx } = actor;
  if (!isRunRetryable(run.status)) {
    dropSignatures(ctx.view, run);
    return;
  }
  for (const action of plan.actions) {
    const { status, failure, generation } = stateOf(actor, action);
    if (!FAILED_STATUSES.has(status) || failure === undefined) continue;
    if (action.forEach !== undefined && failure.modes.length > 0) continue;
    addWhole(actor, action.name, action.index, failure, generation === run.generation);
  }
  if (run.signatures.length === 0 && run.failure !== undefined) addWhole(actor, "", 0, run.failure, true);
  for (const entry of run.signatures) {
    ctx.view.put(signatureRunKey(entry.id, run.createdAtNs, runId), init(LatestRecordSchema));
    const record = recordOf(ctx.view, entry);
    if (record === undefined) continue;
    record.runs += 1;
    ctx.view.put(signatureKey(entry.id), record);
  }
}

/** The run's own id and its parent's: what the engine writes of a failure names them, and runs that begin with them. */
export function runIdsOf({ run, runId }: Pick<Actor, "run" | "runId">): string[] {
  const parent = run.requester?.of;
  return parent?.case === "action" ? [runId, parent.value.runId] : [runId];
}

/** `isNew`: it failed in this generation, and has not been counted. */
function addWhole(actor: Actor, name: string, index: number, failure: Failure, isNew: boolean): void {
  const { run, ctx } = actor;
  const signature = toldApart(run, signatureOf(run.workflow, name, failure, runIdsOf(actor)));
  const key = signatureKey(signature.id);
  if (isNew) {
    const record = countFailure(ctx.view, seen(actor, signature, failure));
    const entry = entryOf(run, signature, index);
    if (entry.number !== record.number) record.items += BigInt(entry.items);
    entry.number = record.number;
    ctx.view.put(key, record);
  } else {
    const entry = entryOf(run, signature, index);
    if (entry.items === 0) entry.number = ctx.view.get(key)?.number ?? 0n;
  }
}

/** The ended run is set off again: what of it failed by itself will be seen anew; its items stay failed until they are reopened. */
export function unfileSignatures({ ctx, run, runId }: Actor): void {
  removeRows(ctx.view, runId, run);
  run.signatures = run.signatures.filter((entry) => entry.items > 0);
}

/** An ended run leaves: nothing of it is failed any more. */
export function forgetSignatures(view: View, runId: string, run: RunRecord): void {
  if (isRunRetryable(run.status)) removeRows(view, runId, run);
  dropSignatures(view, run);
}

function removeRows(view: View, runId: string, run: RunRecord): void {
  for (const entry of run.signatures) {
    view.del(signatureRunKey(entry.id, run.createdAtNs, runId));
    takeOff(view, entry, 0, 1);
  }
}

function dropSignatures(view: View, run: RunRecord): void {
  for (const entry of run.signatures) if (entry.items > 0) takeOff(view, entry, entry.items, 0);
  run.signatures = [];
}

/** Where the record that counted them is still there. */
function takeOff(view: View, entry: RunSignature, items: number, runs: number): void {
  const record = recordOf(view, entry);
  if (record === undefined) return;
  record.items -= BigInt(items);
  record.runs -= runs;
  view.put(signatureKey(entry.id), record);
}

function recordOf(view: View, { id, number }: RunSignature) {
  const record = view.get(signatureKey(id));
  return record?.number === number ? record : undefined;
}

/** The signature itself, or that of other messages where the run has as many as are told apart. */
function toldApart(run: RunRecord, signature: Signature): Signature {
  if (run.signatures.length < SIGNATURES_A_RUN_MAX) return signature;
  if (run.signatures.some(({ id }) => id === signature.id)) return signature;
  return otherSignature(signature.workflow, signature.action, signature.mode);
}

function entryOf(run: RunRecord, { id, mode }: Signature, action: number): RunSignature {
  const found = run.signatures.find((entry) => entry.id === id);
  if (found !== undefined) return found;
  const entry = init(RunSignatureSchema, { id, action, mode });
  run.signatures.push(entry);
  return entry;
}

const seen = ({ ctx, runId }: Actor, signature: Signature, { message }: Failure) => ({
  signature,
  runId,
  message,
  atNs: ctx.atNs,
});
