/** What must hold of bulk operations: each run is come to once, all is counted, and whoever has more to do has asked for it. */
import {
  type BulkPart,
  BulkPartSchema,
  type BulkRecord,
  BulkPhase,
  type BulkShareRecord,
  BulkResultKind,
  type RunRecord,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { isBulkEnded } from "../bulk/operation.js";
import { NOT_A_RUN_ID } from "../bulk/ids.js";
import { outstandingOf } from "../bulk/part.js";
import { nextBulkStep } from "../bulk/share.js";
import { isRunId } from "../names.js";
import { appliedKey, bulkKey, bulkShareKey, candidatePrefix, runKey } from "../state/tables.js";
import { resultsOf } from "./bulk-build.js";
import { must } from "./must.js";
import type { TestPartition } from "./partition.js";

export function checkBulk(partition: TestPartition): void {
  const { view, bulkWanted } = partition;
  const operations = view.keysOf("a").map((key) => key.slice(1));
  must((view.get(appliedKey)?.bulkOperations ?? 0) === operations.length, "bulk operations are counted");
  for (const id of operations) checkOperation(partition, id, view.get(bulkKey(id)) as BulkRecord);
  if (operations.length === 0 && view.keysOf("b").length === 0) {
    must(view.keysOf("C").length === 0, "nothing that was matched outlives its operation");
    return;
  }
  const shares = view.keysOf("b").map((key) => key.slice(1));
  const marks = new Map<string, number>();
  for (const key of view.keysOf("r")) {
    const { bulkOperation } = view.get(runKey(key.slice(1))) as RunRecord;
    if (bulkOperation !== "") marks.set(bulkOperation, (marks.get(bulkOperation) ?? 0) + 1);
  }
  for (const id of shares) {
    const share = view.get(bulkShareKey(id)) as BulkShareRecord;
    const part = share.part ?? init(BulkPartSchema);
    checkShare(partition, id, share, part);
    must(outstandingOf(part) === (marks.get(id) ?? 0), `${id}: its runs that have not ended are marked`);
    if (nextBulkStep(id, share) === undefined) bulkWanted.delete(id);
    else must(bulkWanted.has(id), `${id} has asked for its next step`);
  }
  const known = new Set(shares);
  for (const key of view.keysOf("C"))
    must(known.has(key.slice(1, key.indexOf("\0"))), "nothing that was matched outlives its part");
}

function checkShare({ view }: TestPartition, id: string, share: BulkShareRecord, part: BulkPart): void {
  const left = view.keysOf(candidatePrefix(id)).length;
  must(part.handled <= share.granted || share.granted === 0, `${id}: comes to no more than it was granted`);
  if (share.phase !== BulkPhase.CLOSING)
    must(left === part.matched - part.handled, `${id}: ${left} left of ${part.matched} − ${part.handled}`);
  else if (part.isClosed) must(left === 0, `${id}: all is let go`);
}

function checkOperation(partition: TestPartition, id: string, record: BulkRecord): void {
  const { parts, counts, total, wrongIds } = record;
  const handled = parts.reduce((sum, part) => sum + part.handled, 0);
  if (counts === undefined) throw new Error(`${id} has no counts`);
  const { done, raced, refused, pruned, refusals } = counts;
  must(
    done + raced + refused + pruned === BigInt(handled + wrongIds),
    `${id}: each that it came to is counted once`,
  );
  must(
    refusals.reduce((sum, { count }) => sum + count, 0n) === refused,
    `${id}: refusals are counted by reason`,
  );
  must(record.wave === 0 || BigInt(handled) <= total, `${id}: no more than its limit`);
  if (record.pagesGone > 0) return;
  const results = resultsOf(partition, id);
  must(results.length === handled + wrongIds, `${id}: a result for each`);
  const [wrong, named] = [results.slice(0, wrongIds), results.slice(wrongIds)];
  must(new Set(named.map(({ runId }) => runId)).size === handled, `${id}: comes to each run once`);
  must(new Set(wrong.map(({ reason }) => reason)).size === wrongIds, `${id}: tells each place once`);
  for (const { kind, runId, why } of wrong)
    must(kind === BulkResultKind.REFUSED && !isRunId(runId) && why === NOT_A_RUN_ID, `${id}: no run id`);
  const ofKind = (kind: BulkResultKind): bigint =>
    BigInt(results.filter((each) => each.kind === kind).length);
  must(ofKind(BulkResultKind.DONE) === done, `${id}: results and counts agree`);
  if (isBulkEnded(record.status))
    must(
      parts.every(({ isClosed }) => isClosed),
      `${id}: every part has closed before it ends`,
    );
}
