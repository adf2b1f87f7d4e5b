/**
 * RetryFailed: begins a bulk retry and streams what becomes of each run, then what it came to.
 *
 * 1. matched = retried + raced + refused, always; each run is counted once. What was pruned is counted beside them.
 * 2. The operation is the partitions' own: when this call ends early, by its caller or by an error, it goes on, and the error says so.
 * 3. A dry run changes nothing; its results say what a real one would have done at that moment.
 */
import { isBulkEnded } from "@holdfast/core";
import { prunedFailed } from "@holdfast/engine";
import {
  type BulkOperationView,
  BulkResultKind,
  type BulkResult,
  type RetryFailedRequest,
  RetryResultKind as Kind,
} from "@holdfast/proto";
import { type CallContext, RpcError } from "@holdfast/rpc";
import { begin, find, wantedRetry } from "./bulk.js";
import { translate } from "./errors.js";
import { type AdminParts, withinDeadline } from "./parts.js";

/** Pages of results that one question brings. */
const PAGES = 20;
/** Between two questions, where there is nothing new. */
const PAUSE_MS = 10;
const PAUSE_MS_MAX = 300;

export async function* retryFailed(parts: AdminParts, request: RetryFailedRequest, context: CallContext) {
  const wanted = wantedRetry(request, context);
  const started = await begin(parts, wanted, context);
  yield { kind: { case: "started" as const, value: started } };
  const { operationId, spec } = wanted;
  let operation = started;
  let pauseMs = PAUSE_MS;
  for (let page = 0; !context.signal.aborted; ) {
    const found = await look(parts, operationId, context, page);
    operation = found.operation;
    for (const result of found.results) yield { kind: { case: "result" as const, value: shown(result) } };
    page = found.nextPage;
    if (page < operation.pages) continue;
    if (isBulkEnded(operation.status)) break;
    pauseMs = found.results.length > 0 ? PAUSE_MS : Math.min(pauseMs * 1.5, PAUSE_MS_MAX);
    await new Promise<void>((resolve) => void parts.clock.after(pauseMs, resolve));
  }
  if (context.signal.aborted) return;
  const beside = spec.byIds || spec.signature !== "" ? {} : await prunedOf(parts, request, context);
  yield { kind: { case: "outcome" as const, value: { ...outcomeOf(operation), ...beside } } };
}

async function look(parts: AdminParts, operationId: string, context: CallContext, page: number) {
  try {
    return await find(parts, operationId, context, page, PAGES);
  } catch (error) {
    const known = error instanceof RpcError ? error : translate(error);
    if (known?.code !== "UNAVAILABLE") throw error;
    throw new RpcError(
      "UNAVAILABLE",
      `${known.message}. Operation ${operationId} goes on by itself: look at it with GetBulkOperation`,
      { reason: "INTERRUPTED", operationId },
      { cause: error },
    );
  }
}

const KINDS: Readonly<Record<BulkResultKind, Kind>> = {
  [BulkResultKind.UNSPECIFIED]: Kind.UNSPECIFIED,
  [BulkResultKind.DONE]: Kind.RETRIED,
  [BulkResultKind.RACED]: Kind.RACED,
  [BulkResultKind.REFUSED]: Kind.REFUSED,
  [BulkResultKind.PRUNED]: Kind.PRUNED,
};

const shown = ({ runId, kind, reason, items }: BulkResult) => ({ runId, kind: KINDS[kind], reason, items });

function outcomeOf(operation: BulkOperationView) {
  const { counts, found, total, spec } = operation;
  const { done = 0n, raced = 0n, refused = 0n, pruned = 0n, refusals = [] } = counts ?? {};
  return {
    matched: done + raced + refused,
    retried: done,
    raced,
    refused,
    prunedPastRetention: pruned,
    refusedReasons: refusals
      .map(({ why, count }) => ({ reason: why, count }))
      .toSorted((a, b) => Number(b.count - a.count)),
    dryRun: spec?.dryRun ?? false,
    limited: total < found,
    operation,
  };
}

/** What of the workflow, or of the queue, was pruned past its retention. */
async function prunedOf(parts: AdminParts, { workflow, queue }: RetryFailedRequest, context: CallContext) {
  const retention = await parts.queries.retention(workflow, 0, withinDeadline(context, parts.clock));
  const { runs: prunedPastRetention, from, until } = prunedFailed(retention, queue);
  return {
    prunedPastRetention,
    ...(from === undefined ? {} : { prunedFrom: from }),
    ...(until === undefined ? {} : { prunedUntil: until }),
  };
}
