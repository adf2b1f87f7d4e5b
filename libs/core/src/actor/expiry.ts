/**
 * Ended runs in the order in which they may be pruned, and the floor: until when a failed run is kept whatever happens.
 *
 * 1. A run is in the expiry index exactly while it has ended (I7): completed ones by when they ended, so that a changed policy counts
 *    at once; others by when the floor that was promised ends; those with anything in the dead-letter set by when both that and the
 *    floor end.
 * 2. A promise is never shortened: a run that ends again is kept at least as long as was promised before (I6). Only a discard ends what
 *    the dead-letter set promised, never the floor.
 */
import {
  type ExpiryRecord,
  ExpiryRecordSchema,
  type RunRecord,
  RunRecordSchema,
  RunStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { retentionOf } from "../policy/retention.js";
import { definitionKey, type ExpiryClass, expiryKey, runKey } from "../state/tables.js";
import type { View } from "../state/view.js";
import { isRunRetryable } from "../status.js";
import type { Actor } from "./actor.js";
import { deadUntilNs } from "./dead-letters.js";

export function expiryClassOf({ status, deadLetters }: RunRecord): ExpiryClass {
  if (deadLetters !== undefined) return "dead";
  return status === RunStatus.COMPLETED ? "completed" : "failed";
}

/** Until when a run that did not complete is kept by the policy as it is now, and by what was promised. */
export function keptUntilNs(view: View, run: RunRecord): bigint {
  const byPolicy = run.endedAtNs + retentionOf(view, run.workflow).failedNs;
  return latest(byPolicy, run.expiryNs, run.promisedUntilNs, deadUntilNs(view, run));
}

const latest = (...times: bigint[]): bigint => times.reduce((last, at) => (at > last ? at : last), 0n);

/** What people are shown: until when a failed run can be retried, whatever happens. 0: it is not failed. */
export const retryableUntilNs = (view: View, run: RunRecord): bigint =>
  isRunRetryable(run.status) ? keptUntilNs(view, run) : 0n;

/** Files a run that has just ended. */
export function fileExpiry({ ctx, run, runId }: Actor): void {
  run.expiryNs = 0n;
  fileEnded(ctx.view, runId, run);
}

/** Files a run that has ended; what its record says of a promise, and its last floor, are kept to. */
export function fileEnded(view: View, runId: string, run: RunRecord): void {
  const expiry = expiryClassOf(run);
  run.expiryNs = expiry === "completed" ? run.endedAtNs : keptUntilNs(view, run);
  run.retryableUntilNs = isRunRetryable(run.status) ? run.expiryNs : 0n;
  view.put(expiryKey(expiry, run.workflow, run.expiryNs, runId), expiryRow(view, run));
}

const MANY_RECORDS = init(ExpiryRecordSchema);

/** Only of what is completed, which changes no more but by being restarted: then it is filed anew. */
function expiryRow(view: View, run: RunRecord): ExpiryRecord {
  if (run.status !== RunStatus.COMPLETED || !isAlone(run)) return MANY_RECORDS;
  const { effect, createdAtNs } = run;
  const queue = view.get(definitionKey(run.definitionHash))?.definition?.queue ?? "";
  return init(ExpiryRecordSchema, { alone: true, queue, effect, createdAtNs });
}

/** Nothing of it stands anywhere but in its record, and nobody outside is to be told of its going. */
const isAlone = (run: RunRecord): boolean =>
  run.generation === 1 &&
  run.input?.body.case !== "stored" &&
  (run.events[0]?.seq ?? 1) === 1 &&
  run.actions.every(
    ({ items, batch, batchCancels, undo, steps, output }) =>
      items === undefined &&
      batch === undefined &&
      batchCancels.length === 0 &&
      undo === undefined &&
      steps === 0 &&
      output?.body.case !== "stored",
  );

/** The completed run of a row that is alone, as far as pruning it asks. */
export const aloneRun = (
  workflow: string,
  endedAtNs: bigint,
  { effect, createdAtNs }: ExpiryRecord,
): RunRecord =>
  init(RunRecordSchema, {
    workflow,
    status: RunStatus.COMPLETED,
    generation: 1,
    createdAtNs,
    endedAtNs,
    expiryNs: endedAtNs,
    effect,
  });

/** Takes a run out of retention that is set off again; what was promised stays promised. */
export function unfileExpiry({ ctx, run, runId }: Actor): void {
  const expiry = expiryClassOf(run);
  ctx.view.del(expiryKey(expiry, run.workflow, run.expiryNs, runId));
  if (expiry !== "completed" && run.expiryNs > run.promisedUntilNs) run.promisedUntilNs = run.expiryNs;
  run.expiryNs = 0n;
  run.retryableUntilNs = 0n;
}

/** Files an ended run anew, as `change` puts something of it into the dead-letter set or takes it out. The floor stays promised. */
export function refileExpiry(actor: Actor, change: () => void): void {
  const { ctx, run, runId } = actor;
  const from = expiryClassOf(run);
  ctx.view.del(expiryKey(from, run.workflow, run.expiryNs, runId));
  if (from === "failed" && run.expiryNs > run.promisedUntilNs) run.promisedUntilNs = run.expiryNs;
  change();
  fileExpiry(actor);
}

/** Files a run for later that a sweep met inside its floor. The policy of the moment becomes a promise. */
export function carryForward(view: View, runId: string, run: RunRecord, untilNs: bigint): void {
  const expiry = expiryClassOf(run);
  view.del(expiryKey(expiry, run.workflow, run.expiryNs, runId));
  if (run.deadLetters !== undefined) {
    run.deadLetters.untilNs = deadUntilNs(view, run);
    run.promisedUntilNs = latest(
      run.promisedUntilNs,
      run.endedAtNs + retentionOf(view, run.workflow).failedNs,
    );
  }
  run.expiryNs = untilNs;
  if (run.retryableUntilNs > 0n) run.retryableUntilNs = untilNs;
  view.put(expiryKey(expiry, run.workflow, untilNs, runId), MANY_RECORDS);
  view.put(runKey(runId), run);
}
