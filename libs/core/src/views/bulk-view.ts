/** A bulk operation as people are shown it. */
import {
  type BulkOperationView,
  BulkOperationViewSchema,
  type BulkRecord,
  BulkStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { endsOf, isBulkEnded } from "../bulk/operation.js";
import { outstandingOf } from "../bulk/part.js";
import { BULK_KEPT_NS } from "../limits.js";
import { quoted } from "../names.js";
import { timestamp } from "./timestamp.js";

/** What is said of an operation that is not there. */
export const noBulkText = (operationId: string): string =>
  `there is no bulk operation ${quoted(operationId)}: it never was, or ended more than a day ago`;

/** Which partitions hold an operation up that does not know all that match yet. */
function matchingText({ parts }: BulkRecord): string {
  const silent = parts.flatMap(({ isMatched }, at) => (isMatched ? [] : [at]));
  if (silent.length === 0) return "";
  const which = silent.length === 1 ? `partition ${silent[0]}` : `partitions ${silent.join(", ")}`;
  return `waits for ${which} to say which runs match`;
}

export function bulkView(operationId: string, record: BulkRecord): BulkOperationView {
  const { parts, spec, status, counts, pages, wave, detail, total, wrongIds, startedAtNs, endedAtNs } =
    record;
  let found = 0;
  let outstanding = 0;
  let handled = 0;
  for (const part of parts) {
    found += part.matched;
    outstanding += outstandingOf(part);
    handled += part.handled;
  }
  const ended = isBulkEnded(status);
  return init(BulkOperationViewSchema, {
    operationId,
    spec,
    status,
    startedAt: timestamp(startedAtNs),
    endedAt: ended ? timestamp(endedAtNs) : undefined,
    keptUntil: ended ? timestamp(endedAtNs + BULK_KEPT_NS) : undefined,
    found: BigInt(found + wrongIds),
    total: total + BigInt(wrongIds),
    counts,
    left: ended && total > BigInt(handled) ? total - BigInt(handled) : 0n,
    ends: endsOf(parts),
    outstanding: BigInt(Math.max(outstanding, 0)),
    wave,
    detail: status === BulkStatus.MATCHING ? matchingText(record) : detail,
    pages,
    wrongIds,
  });
}
