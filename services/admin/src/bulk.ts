/**
 * Bulk operations: begun, looked at, listed and aborted. What they do is the partitions' work, and goes on whoever has asked.
 *
 * 1. A call that is sent again under the same operation id begins nothing new, and answers with the operation as it is now.
 * 2. What is wrong with a request is said before anything begins.
 */
import { randomUUID } from "node:crypto";
import { CANCEL_GRACE_DEFAULT_MS, type BulkIds, bulkSpecProblem, sortIds } from "@holdfast/core";
import { abortBulkCommand, startBulkCommand } from "@holdfast/engine";
import {
  type AbortBulkOperationRequest,
  BulkKind,
  type BulkOperationView,
  type BulkSpec,
  BulkSpecSchema,
  FailureMode,
  type GetBulkOperationRequest,
  type ListBulkOperationsRequest,
  type RetryFailedRequest,
  type StartBulkOperationRequest,
  type StartBulkRetryRequest,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { CallContext } from "@holdfast/rpc";
import { retryStrategy } from "./change-run.js";
import { commandId, submit } from "./control-command.js";
import { refusedError } from "./errors.js";
import { type AdminParts, withinDeadline } from "./parts.js";
import { registered } from "./start-run.js";
import * as check from "./validate/fields.js";

/** Results of one step's runs each: as many as one answer holds. */
const PAGES_AT_ONCE = 20;

export interface Wanted {
  readonly operationId: string;
  readonly spec: BulkSpec;
  readonly ids: BulkIds;
}

/** What a retry asks for, checked. */
export function wantedRetry(request: RetryFailedRequest, context: CallContext): Wanted {
  return wantedOf(
    request,
    {
      kind: BulkKind.RETRY,
      strategy: retryStrategy(request.strategy),
      recommended: request.recommended,
      force: request.force,
      canaryFirst: request.canaryFirst,
      canaryThen: request.canaryThen,
      fromNs: check.timestampNs("ended_from", request.endedFrom),
      untilNs: check.timestampNs("ended_until", request.endedUntil),
    },
    context,
  );
}

type Selecting = Pick<
  RetryFailedRequest,
  "workflow" | "runIds" | "queue" | "signature" | "modes" | "dryRun" | "limit" | "reason" | "operationId"
>;

function wantedOf(
  request: Selecting,
  fields: Parameters<typeof init<typeof BulkSpecSchema>>[1],
  context: CallContext,
): Wanted {
  const { workflow, queue, signature, dryRun, limit, operationId } = request;
  const ids = sortIds(request.runIds);
  const spec = init(BulkSpecSchema, {
    ...fields,
    workflow,
    queue,
    signature,
    byIds: ids.listed > 0,
    modes: check.enumFilter("modes", FailureMode, request.modes),
    dryRun,
    limit,
    who: context.who,
    reason: check.reason(request.reason),
  });
  const problem = bulkSpecProblem(spec, ids);
  if (problem !== undefined) throw check.invalid("selector", problem);
  return {
    operationId: operationId === "" ? randomUUID() : check.runId(operationId, "operation_id"),
    spec,
    ids,
  };
}

/** Begins it, or finds that it has begun. */
export async function begin(
  parts: AdminParts,
  { operationId, spec, ids }: Wanted,
  context: CallContext,
): Promise<BulkOperationView> {
  if (spec.workflow !== "") await registered(parts, spec.workflow);
  const command = startBulkCommand({
    operationId,
    spec,
    ids,
    id: commandId("bulk-start", operationId, operationId),
    nowMs: parts.clock.nowMs(),
  });
  const { accepted, rejected } = await submit(parts, operationId, command);
  if (accepted === undefined) throw refusedError(rejected);
  return (await find(parts, operationId, context)).operation;
}

interface Found {
  readonly operation: BulkOperationView;
  readonly results: NonNullable<Awaited<ReturnType<AdminParts["queries"]["bulk"]>>["results"]>;
  readonly nextPage: number;
}

export async function find(
  parts: AdminParts,
  operationId: string,
  context: CallContext,
  fromPage = 0,
  pages = 0,
): Promise<Found> {
  const options = withinDeadline(context, parts.clock);
  const { operation, results, nextPage } = await parts.queries.bulk(
    operationId,
    { fromPage, pages },
    options,
  );
  if (operation === undefined) throw new Error(`operation ${operationId} was answered without itself`);
  return { operation, results, nextPage };
}

export async function startBulkRetry(
  parts: AdminParts,
  { retry }: StartBulkRetryRequest,
  context: CallContext,
) {
  if (retry === undefined) throw check.invalid("retry", "it is missing: say which runs");
  return { operation: await begin(parts, wantedRetry(retry, context), context) };
}

const OTHER_KINDS: ReadonlySet<BulkKind> = new Set([
  BulkKind.CANCEL,
  BulkKind.MOVE_TO_DEAD_LETTERS,
  BulkKind.DISCARD,
]);

export async function startBulkOperation(
  parts: AdminParts,
  request: StartBulkOperationRequest,
  context: CallContext,
) {
  const kind = check.enumValue("kind", BulkKind, request.kind);
  if (!OTHER_KINDS.has(kind))
    throw check.invalid("kind", "use CANCEL, MOVE_TO_DEAD_LETTERS or DISCARD; StartBulkRetry retries");
  const graceMs = kind === BulkKind.CANCEL ? (request.graceMs ?? CANCEL_GRACE_DEFAULT_MS) : 0;
  const fromNs = check.timestampNs("from", request.from);
  const untilNs = check.timestampNs("until", request.until);
  const wanted = wantedOf(request, { kind, graceMs, fromNs, untilNs }, context);
  return { operation: await begin(parts, wanted, context) };
}

export async function getBulkOperation(
  parts: AdminParts,
  { operationId, pageSize, pageToken }: GetBulkOperationRequest,
  context: CallContext,
) {
  check.runId(operationId, "operation_id");
  if (!/^\d{0,9}$/.test(pageToken))
    throw check.invalid("page_token", "it is none that an answer about this operation gave");
  const pages = pageSize === 0 ? 0 : Math.min(PAGES_AT_ONCE, Math.ceil(pageSize / 50));
  const found = await find(parts, operationId, context, Number(pageToken), pages);
  const { operation, results, nextPage } = found;
  return {
    operation,
    results,
    nextPageToken: pages > 0 && nextPage < operation.pages ? String(nextPage) : "",
  };
}

export async function listBulkOperations(
  parts: AdminParts,
  { limit }: ListBulkOperationsRequest,
  context: CallContext,
) {
  return {
    operations: await parts.queries.bulks(check.pageSize(limit), withinDeadline(context, parts.clock)),
  };
}

export async function abortBulkOperation(
  parts: AdminParts,
  { operationId, reason }: AbortBulkOperationRequest,
  context: CallContext,
) {
  check.runId(operationId, "operation_id");
  const command = abortBulkCommand({
    operationId,
    who: context.who,
    reason: check.reason(reason),
    id: commandId("bulk-abort", operationId, ""),
    nowMs: parts.clock.nowMs(),
  });
  const { rejected } = await submit(parts, operationId, command);
  if (rejected !== undefined) throw refusedError(rejected);
  return {};
}
