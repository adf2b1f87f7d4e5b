/**
 * The signatures of a workflow in this partition: each failure counted under its own, in a bounded number of records.
 *
 * 1. A record's count is all failures since it was made; `runs` and `items` are those that are failed so now.
 * 2. At most `SIGNATURES_A_WORKFLOW_MAX` of a workflow have a record: the one that was least recently seen gives way, and what it
 *    had counted is added to what gave way.
 * 3. Who was counted by a record that has given way is not taken off the one that came later: they have different numbers.
 */
import {
  type SignatureListRecord,
  SignatureListRecordSchema,
  type SignatureRecord,
  SignatureRecordSchema,
  SignatureSeenSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import {
  SIGNATURE_EXAMPLES_MAX,
  SIGNATURE_HOURS,
  SIGNATURE_SAMPLE_CHARS_MAX,
  SIGNATURES_A_WORKFLOW_MAX,
} from "../limits.js";
import { signatureKey, signatureListKey } from "../state/tables.js";
import type { View } from "../state/view.js";
import { cutText } from "../text.js";
import type { Signature } from "./signature.js";

const HOUR_NS = 3_600_000_000_000n;
const HOURS = BigInt(SIGNATURE_HOURS);

export interface Seen {
  readonly signature: Signature;
  readonly runId: string;
  /** As it was written. */
  readonly message: string;
  readonly atNs: bigint;
}

/** Counts one more failure. The record, to be put by the caller. */
export function countFailure(view: View, { signature, runId, message, atNs }: Seen): SignatureRecord {
  const record = view.get(signatureKey(signature.id)) ?? makeRecord(view, signature, atNs);
  record.count += 1n;
  record.lastSeenNs = atNs;
  record.sample = cutText(message, SIGNATURE_SAMPLE_CHARS_MAX);
  countHour(record, atNs);
  if (record.examples.at(-1) !== runId) {
    const before = record.examples.indexOf(runId);
    if (before >= 0) record.examples.splice(before, 1);
    else if (record.examples.length >= SIGNATURE_EXAMPLES_MAX) record.examples.shift();
    record.examples.push(runId);
  }
  return record;
}

function countHour(record: SignatureRecord, atNs: bigint): void {
  const hour = atNs / HOUR_NS;
  if (record.hours.length < SIGNATURE_HOURS || hour >= record.hour + HOURS)
    record.hours = Array.from({ length: SIGNATURE_HOURS }, () => 0);
  else for (let gone = record.hour + 1n; gone <= hour; gone++) record.hours[Number(gone % HOURS)] = 0;
  record.hour = hour;
  const at = Number(hour % HOURS);
  record.hours[at] = Math.min((record.hours[at] ?? 0) + 1, 0xffff_ffff);
}

/** The hours' counts, oldest first, up to and with an hour's number. */
export function hoursUpTo({ hours, hour }: SignatureRecord, until: bigint): number[] {
  return Array.from({ length: SIGNATURE_HOURS }, (_, i) => {
    const wanted = until - HOURS + 1n + BigInt(i);
    return wanted > hour || wanted <= hour - HOURS ? 0 : (hours[Number(wanted % HOURS)] ?? 0);
  });
}

export const hourOf = (ns: bigint): bigint => ns / HOUR_NS;

function makeRecord(view: View, signature: Signature, atNs: bigint): SignatureRecord {
  const key = signatureListKey(signature.workflow);
  const list = view.get(key) ?? init(SignatureListRecordSchema, { kept: [] });
  if (list.kept.length >= SIGNATURES_A_WORKFLOW_MAX) makeRoom(view, list, atNs);
  list.numbers += 1n;
  list.kept.push(init(SignatureSeenSchema, { id: signature.id, seenNs: atNs }));
  view.put(key, list);
  const { workflow, action, mode, message } = signature;
  return init(SignatureRecordSchema, {
    workflow,
    action,
    mode,
    message,
    firstSeenNs: atNs,
    hours: [],
    examples: [],
    number: list.numbers,
  });
}

/**
 * The list says of each when it was seen at the latest that the list knows of: the first one by that is looked at, and where it has
 * been seen since, the list learns of it and the next one is. So a failure of a known signature changes one record, not two.
 */
function makeRoom(view: View, list: SignatureListRecord, atNs: bigint): void {
  for (;;) {
    let first = 0;
    for (let i = 1; i < list.kept.length; i++)
      if ((list.kept[i]?.seenNs ?? 0n) < (list.kept[first]?.seenNs ?? 0n)) first = i;
    const entry = list.kept[first];
    const record = entry && view.get(signatureKey(entry.id));
    if (entry !== undefined && record !== undefined && record.lastSeenNs > entry.seenNs) {
      entry.seenNs = record.lastSeenNs;
      continue;
    }
    list.kept.splice(first, 1);
    list.gaveWay += 1n;
    list.gaveWayFailures += record?.count ?? 0n;
    list.gaveWayAtNs = atNs;
    if (entry !== undefined) view.del(signatureKey(entry.id));
    return;
  }
}
