/**
 * The books of failure signatures, worked out again from the runs and items that are there.
 *
 * 1. What a run keeps of its failed items is what its items say.
 * 2. The index has a row for each way in which each failed run failed, and no other.
 * 3. What a signature counts as failed now is what the runs that it counts have; its list names exactly the signatures kept.
 */
import {
  type ActionState,
  ItemStatus,
  type RunRecord,
  type RunSignature,
  type SignatureListRecord,
  type SignatureRecord,
} from "@holdfast/proto";
import { STATUS_MASK } from "../actor/items.js";
import { runIdsOf } from "../actor/signatures.js";
import { OTHER_MESSAGES, otherSignature, signatureOf } from "../failure/signature.js";
import { hoursUpTo } from "../failure/signature-books.js";
import { SIGNATURE_EXAMPLES_MAX, SIGNATURES_A_WORKFLOW_MAX } from "../limits.js";
import {
  itemKey,
  type Key,
  readSignatureRunKey,
  runKey,
  signatureKey,
  signatureListKey,
} from "../state/tables.js";
import { FAILED_STATUSES, isRunRetryable, isRunTerminal } from "../status.js";
import { must, type RunUnderTest } from "./must.js";
import { itemBytes } from "./item-invariants.js";
import type { MemoryView } from "./memory-view.js";

export function checkSignatures(view: MemoryView, runs: readonly RunUnderTest[]): void {
  const rows = new Set(view.keysOf("G"));
  for (const at of runs) {
    checkRunSignatures(at);
    if (!isRunRetryable(at.run.status)) continue;
    must(at.run.signatures.length > 0, `run ${at.runId} has failed in at least one way`);
  }
  for (const row of rows) {
    const { signature, createdNs, runId } = readSignatureRunKey(row);
    const run = view.get(runKey(runId));
    must(run !== undefined && isRunRetryable(run.status), `run ${runId} of the index has failed`);
    must(run.createdAtNs === createdNs, `run ${runId} was created when its row says`);
    must(
      run.signatures.some(({ id }) => id === signature),
      `run ${runId} has failed as its row says`,
    );
  }
  const failed = runs.filter(({ run }) => isRunRetryable(run.status));
  const ways = failed.reduce((sum, { run }) => sum + run.signatures.length, 0);
  must(
    rows.size === ways,
    `the index has one row for each way in which a run has failed: ${rows.size} of ${ways}`,
  );
  checkRecords(view, runs);
}

/** By action, mode and message, and for what is told apart no more by action and mode. */
function checkRunSignatures(at: RunUnderTest): void {
  const { run, runId, plan, view } = at;
  if (isRunTerminal(run.status) && !isRunRetryable(run.status)) {
    must(run.signatures.length === 0, `run ${runId} has not failed in any way`);
    return;
  }
  must(
    isRunTerminal(run.status) || run.signatures.every(({ items }) => items > 0),
    `run ${runId} has not ended: only items of it have failed`,
  );
  const ids = run.signatures.map(({ id }) => id);
  must(new Set(ids).size === ids.length, `run ${runId} keeps each of its signatures once`);
  const left = new Map(run.signatures.map((entry) => [entry.id, entry.items]));
  for (const action of plan.actions) {
    if (action.forEach === undefined || run.actions[action.index]?.items === undefined) continue;
    itemBytes(at, action).forEach((byte, item) => {
      if ((byte & STATUS_MASK) !== ItemStatus.FAILED) return;
      const failure = view.get(itemKey(runId, action.index, item))?.failure;
      must(failure !== undefined, `item ${item} of run ${runId} keeps its failure`);
      const own = signatureOf(run.workflow, action.name, failure, [runId]).id;
      const id = (left.get(own) ?? 0) > 0 ? own : otherSignature(run.workflow, action.name, failure.mode).id;
      must(
        (left.get(id) ?? 0) > 0,
        `item ${item} of action ${action.name} of run ${runId} is counted under its signature`,
      );
      left.set(id, (left.get(id) ?? 0) - 1);
    });
  }
  must(
    [...left.values()].every((items) => items === 0),
    `run ${runId} counts no item as failed that is not`,
  );
  if (isRunTerminal(run.status)) checkWhole(at);
}

/** What failed by itself has a signature too. */
function checkWhole({ run, runId, plan }: RunUnderTest): void {
  for (const action of plan.actions) {
    const { status, failure } = run.actions[action.index] as ActionState;
    if (failure === undefined || (action.forEach !== undefined && failure.modes.length > 0)) continue;
    if (!FAILED_STATUSES.has(status)) continue;
    const ids = [
      signatureOf(run.workflow, action.name, failure, runIdsOf({ run, runId })).id,
      otherSignature(run.workflow, action.name, failure.mode).id,
    ];
    must(
      run.signatures.some(({ id }) => ids.includes(id)),
      `run ${runId} has the signature of action ${action.name}, which failed by itself`,
    );
  }
}

function checkRecords(view: MemoryView, runs: readonly RunUnderTest[]): void {
  const counted = new Map<string, { runs: number; items: number }>();
  const nameOf = ({ id, number }: Pick<RunSignature, "id" | "number">): string => `${id}/${number}`;
  for (const { run } of runs) {
    for (const entry of run.signatures) {
      const sum = counted.get(nameOf(entry)) ?? { runs: 0, items: 0 };
      if (isRunRetryable(run.status)) sum.runs += 1;
      sum.items += entry.items;
      counted.set(nameOf(entry), sum);
    }
  }
  const kept = new Set<string>();
  for (const key of view.keysOf("f") as Key<SignatureRecord>[]) {
    const id = key.slice(1);
    const record = view.get(key) as SignatureRecord;
    kept.add(id);
    must(
      record.message === OTHER_MESSAGES || signatureOf(record.workflow, record.action, record).id === id,
      `signature ${id} is what it is called`,
    );
    const sum = counted.get(nameOf({ id, number: record.number })) ?? { runs: 0, items: 0 };
    must(
      record.runs === sum.runs,
      `signature ${id}: ${record.runs} runs are counted, ${sum.runs} are failed`,
    );
    must(
      record.items === BigInt(sum.items),
      `signature ${id}: ${record.items} items are counted, ${sum.items} are failed`,
    );
    must(record.count > 0n && record.sample !== "", `signature ${id} was seen`);
    must(
      record.firstSeenNs > 0n && record.firstSeenNs <= record.lastSeenNs,
      `signature ${id} was first seen before last`,
    );
    must(
      record.examples.length > 0 &&
        record.examples.length <= SIGNATURE_EXAMPLES_MAX &&
        new Set(record.examples).size === record.examples.length,
      `signature ${id} has a few examples`,
    );
    const hours = hoursUpTo(record, record.hour).reduce((total, count) => total + count, 0);
    must(hours > 0 && BigInt(hours) <= record.count, `signature ${id}: its hours are part of its count`);
  }
  checkLists(view, kept, runs);
}

function checkLists(
  view: MemoryView,
  kept: ReadonlySet<string>,
  runs: readonly { readonly run: RunRecord }[],
): void {
  const listed = (view.keysOf("S") as Key<SignatureListRecord>[]).flatMap((key) => {
    const list = view.get(key) as SignatureListRecord;
    must(list.kept.length <= SIGNATURES_A_WORKFLOW_MAX, "signatures of a workflow are bounded");
    must(list.numbers === BigInt(list.kept.length) + list.gaveWay, "every signature is kept or gave way");
    for (const { id, seenNs } of list.kept) {
      const record = view.get(signatureKey(id));
      must(record !== undefined && seenNs <= record.lastSeenNs, `signature ${id} of the list is there`);
      must(key === signatureListKey(record.workflow), `signature ${id} is listed with its workflow`);
    }
    return list.kept.map(({ id }) => id);
  });
  must(listed.length === kept.size && listed.every((id) => kept.has(id)), "each signature is listed once");
  const unknown = runs
    .flatMap(({ run }) => run.signatures)
    .filter(({ id, number }) => number > 0n && !kept.has(id));
  const gaveWay = (view.keysOf("S") as Key<SignatureListRecord>[]).some(
    (key) => (view.get(key)?.gaveWay ?? 0n) > 0n,
  );
  must(unknown.length === 0 || gaveWay, "a signature of a run is kept unless it gave way");
}
