/** What people and programs are shown of a failure signature. Reads only. */
import {
  FailureExampleSchema,
  type FailureSignatureView,
  FailureSignatureViewSchema,
  RunStatus,
  type SignatureRecord,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { hoursUpTo } from "../failure/signature-books.js";
import { timestamp } from "./timestamp.js";

const HOUR_NS = 3_600_000_000_000n;

/** `untilHour`: the hour since 1970 that the trend ends with. `statusOf`: what became of an example. */
export function signatureView(
  id: string,
  record: SignatureRecord,
  untilHour: bigint,
  statusOf: (runId: string) => RunStatus = () => RunStatus.UNSPECIFIED,
): FailureSignatureView {
  return init(FailureSignatureViewSchema, {
    id,
    workflow: record.workflow,
    action: record.action,
    mode: record.mode,
    message: record.message,
    sample: record.sample,
    firstSeen: timestamp(record.firstSeenNs),
    lastSeen: timestamp(record.lastSeenNs),
    count: record.count,
    runs: BigInt(record.runs),
    items: record.items,
    examples: record.examples.map((runId) => init(FailureExampleSchema, { runId, status: statusOf(runId) })),
    trend: hoursUpTo(record, untilHour),
    trendUntil: timestamp(untilHour * HOUR_NS),
    partitions: 1,
  });
}
