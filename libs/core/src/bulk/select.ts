/**
 * Which runs of a partition a bulk operation is for: the rows that are looked through in order, and what must hold of each run.
 *
 * 1. Failed runs are found by their expiry, those that have not ended by their status: what completed costs nothing.
 * 2. Matched is what is so when the operation begins in the partition; what fails later is another operation's.
 */
import { BulkKind, type BulkSpec, type RunRecord, RunStatus } from "@holdfast/proto";
import {
  definitionKey,
  type ExpiryClass,
  expiryPrefix,
  prefixEnd,
  readExpiryKey,
  readSignatureRunKey,
  readStatusKey,
  signatureRunsPrefix,
  statusPrefix,
} from "../state/tables.js";
import { isDeadLetter } from "../actor/dead-letters.js";
import { planOf } from "../definition/plan.js";
import type { View } from "../state/view.js";
import { FAILED_STATUSES, isRunRetryable, isRunTerminal, isTerminal } from "../status.js";

export interface KeyRange {
  readonly from: string;
  /** Exclusive. */
  readonly to: string;
}

/** Where the runs are filed that a selector may mean, in key order. */
export function rangesOf({ kind, workflow, signature }: BulkSpec): KeyRange[] {
  if (kind === BulkKind.CANCEL)
    return [under(workflow === "" ? "x" : statusPrefix(workflow, RunStatus.RUNNING))];
  if (signature !== "") return [under(signatureRunsPrefix(signature))];
  // What has items in the dead-letter set is filed with what is there as a whole.
  const classes: readonly ExpiryClass[] = kind === BulkKind.DISCARD ? ["dead"] : ["dead", "failed"];
  return classes.map((expiry) => under(expiryRowsOf(expiry, workflow)));
}

const under = (prefix: string): KeyRange => ({ from: prefix, to: prefixEnd(prefix) });

/** Of a workflow, or of all of them. */
const expiryRowsOf = (expiry: ExpiryClass, workflow: string): string =>
  workflow === "" ? expiryPrefix(expiry, "").slice(0, -1) : expiryPrefix(expiry, workflow);

/** What is to be looked through from a key on, which is "" at first; undefined: all was. */
export function rangeFrom(spec: BulkSpec, cursor: string): KeyRange | undefined {
  const range = rangesOf(spec).find(({ to }) => cursor < to);
  return range && { from: cursor > range.from ? cursor : range.from, to: range.to };
}

/** The run that a row of such a range is about. */
export function filedRun(key: string): string {
  const table = key.charAt(0);
  if (table === "G") return readSignatureRunKey(key).runId;
  return table === "y" ? readExpiryKey(key).runId : readStatusKey(key).runId;
}

/** Where to go on after a row of runs that have ended, which stand together: a cancel passes over all of a workflow's. */
export function passedOver(spec: BulkSpec, key: string): string | undefined {
  if (spec.kind !== BulkKind.CANCEL) return undefined;
  const { workflow } = readStatusKey(key);
  const open = statusPrefix(workflow, RunStatus.RUNNING);
  return key.startsWith(open) ? undefined : prefixEnd(`x${workflow}\0`);
}

/** Whether it was so when the operation began, and is what it asks for. */
export function matches(view: View, spec: BulkSpec, run: RunRecord, beganAtNs: bigint): boolean {
  const cancels = spec.kind === BulkKind.CANCEL;
  if (cancels ? isRunTerminal(run.status) : !isRunRetryable(run.status)) return false;
  // What was put aside is not taken up with the rest: it is named, or discarded.
  if (spec.kind === BulkKind.DISCARD ? run.deadLetters === undefined : isDeadLetter(run)) return false;
  const sinceNs = cancels ? run.createdAtNs : run.endedAtNs;
  if (sinceNs > beganAtNs || sinceNs < spec.fromNs) return false;
  if (spec.untilNs !== 0n && sinceNs >= spec.untilNs) return false;
  return isOfMode(spec, run) && (spec.queue === "" || isOnQueue(view, spec, run));
}

/** Of its failure: the mode itself, or one of those that its items failed with. */
export function isOfMode({ modes }: BulkSpec, { failure }: RunRecord): boolean {
  if (modes.length === 0) return true;
  if (failure === undefined) return false;
  return modes.includes(failure.mode) || failure.modes.some(({ mode }) => modes.includes(mode));
}

function isOnQueue(view: View, spec: BulkSpec, run: RunRecord): boolean {
  const definition = view.get(definitionKey(run.definitionHash))?.definition;
  if (definition === undefined) return false;
  return planOf(definition).actions.some(({ queue, index }) => {
    const status = run.actions[index]?.status;
    if (queue !== spec.queue || status === undefined) return false;
    return spec.kind === BulkKind.CANCEL ? !isTerminal(status) : FAILED_STATUSES.has(status);
  });
}
