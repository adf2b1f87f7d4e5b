/** GetRun, ListRuns, ListItems and GetCounts: what the partitions' owners say, with requests checked and payloads brought along. */
import { QueryFailedError, type QueryOptions } from "@holdfast/engine";
import {
  Effect,
  type GetCountsRequest,
  type GetRunRequest,
  ItemStatus,
  type ListItemsRequest,
  type ListRunsRequest,
  type Payload,
  RunStatus,
  type RunView,
} from "@holdfast/proto";
import { type CallContext, RpcError } from "@holdfast/rpc";
import { type AdminParts, withinDeadline } from "./parts.js";
import * as check from "./validate/fields.js";

/** Payloads kept elsewhere are brought along up to this many bytes: common clients take answers up to 4 MiB. */
export const ANSWER_PAYLOAD_BYTES_MAX = 3 * 1024 * 1024;

export async function getRun(parts: AdminParts, request: GetRunRequest, context: CallContext) {
  const runId = check.runId(request.runId);
  const options = withinDeadline(context, parts.clock);
  const run = await parts.pending.orPending(runId, () => wholeRun(parts, runId, options));
  await bringPayloads(parts, run);
  return { run };
}

/** A run too large for one message is shown without its input, outputs and history, rather than not at all. */
async function wholeRun({ queries }: AdminParts, runId: string, options: QueryOptions): Promise<RunView> {
  try {
    return await queries.getRun(runId, { ...options, full: true });
  } catch (error) {
    if (!(error instanceof QueryFailedError) || error.code !== "INVALID") throw error;
    return queries.getRun(runId, options);
  }
}

/** Replaces references by what they stand for, while there is room; a larger one stays a reference with its size. */
async function bringPayloads(parts: AdminParts, run: RunView): Promise<void> {
  const runId = run.summary?.runId ?? "";
  let room = ANSWER_PAYLOAD_BYTES_MAX;
  const bring = async (payload: Payload | undefined, what: string): Promise<void> => {
    const size = keptElsewhere(payload);
    if (payload === undefined || size === undefined || size > room) return;
    const stored = what === "the input" ? () => parts.queries.getPayload(runId, undefined) : undefined;
    if (payload.body.case === "stored" && stored === undefined) return;
    const body = await parts.payloads.bytes(payload, what, stored);
    if (body === undefined) return;
    room -= body.length;
    payload.body = { case: "inline", value: body };
  };
  await bring(run.input, "the input");
  await bring(run.output, "the output");
  for (const action of run.actions) await bring(action.output, `the output of action ${action.name}`);
}

/** Bytes of a payload that is not in the message itself. */
function keptElsewhere(payload: Payload | undefined): number | undefined {
  if (payload?.body.case === "ref") return Number(payload.body.value.size);
  return payload?.body.case === "stored" ? payload.body.value : undefined;
}

export async function listRuns(parts: AdminParts, request: ListRunsRequest, context: CallContext) {
  const createdAfterNs = check.timestampNs("created_after", request.createdAfter);
  const createdBeforeNs = check.timestampNs("created_before", request.createdBefore);
  if (createdBeforeNs !== 0n && createdAfterNs >= createdBeforeNs) {
    throw check.invalid(
      "created_before",
      "it is not later than created_after, so no run can be between them; swap them or leave one out",
    );
  }
  const filter = {
    workflow: check.optionalWorkflow(request.workflow),
    statuses: check.enumFilter("statuses", RunStatus, request.statuses),
    effects: check.enumFilter("effects", Effect, request.effects),
    waiting: request.waiting,
    createdAfterNs,
    createdBeforeNs,
    pageSize: check.pageSize(request.pageSize),
    pageToken: request.pageToken,
  };
  return parts.queries.listRuns(filter, withinDeadline(context, parts.clock));
}

export async function listItems(parts: AdminParts, request: ListItemsRequest, context: CallContext) {
  const runId = check.runId(request.runId);
  const wanted = check.optionalAction(request.action);
  const filter = {
    statuses: check.enumFilter("statuses", ItemStatus, request.statuses),
    keys: check.itemKeys("keys", request.keys),
    pageSize: check.pageSize(request.pageSize),
    pageToken: request.pageToken,
  };
  const options = withinDeadline(context, parts.clock);
  const action = wanted === "" ? onlyActionOverItems(await parts.queries.getRun(runId, options)) : wanted;
  const { items, counts, nextPageToken } = await parts.queries.listItems(
    runId,
    { ...filter, action },
    options,
  );
  return { items, nextPageToken, action, ...(counts === undefined ? {} : { counts }) };
}

function onlyActionOverItems(run: RunView): string {
  const runId = run.summary?.runId ?? "";
  const names = run.actions.flatMap(({ name, items }) => (items === undefined ? [] : [name]));
  const [only] = names;
  if (only !== undefined && names.length === 1) return only;
  if (only !== undefined) {
    throw check.invalid(
      "action",
      `run ${runId} has several actions over items; name one of ${names.join(", ")}`,
      { choices: names },
    );
  }
  const all = run.actions.map(({ name }) => name).join(", ");
  throw new RpcError(
    "FAILED_PRECONDITION",
    `run ${runId} has no action over items that has begun; its actions are ${all}`,
    {
      reason: "NO_ITEMS",
      runId,
    },
  );
}

export async function getCounts(parts: AdminParts, request: GetCountsRequest, context: CallContext) {
  const workflow = check.optionalWorkflow(request.workflow);
  const [{ workflows, total }, rejected] = await Promise.all([
    parts.queries.counts(workflow, withinDeadline(context, parts.clock)),
    parts.work.countRejected(),
  ]);
  return { workflows, total, rejected: BigInt(rejected) };
}
