/** ListRejected, GetRejected, ReplayRejected, DiscardRejected and ListRejectedDecisions: published work that could not become a run. */
import {
  isEdit,
  PortError,
  type RejectedDecision,
  type RejectedWorkEntry,
  replayEdited,
  type WorkEdit,
} from "@holdfast/engine";
import {
  type DiscardRejectedRequest,
  type GetRejectedRequest,
  type ListRejectedDecisionsRequest,
  type ListRejectedRequest,
  RejectCode,
  type RejectedEdit,
  type ReplayRejectedRequest,
} from "@holdfast/proto";
import { type CallContext, RpcError } from "@holdfast/rpc";
import type { Logger } from "@holdfast/telemetry";
import { withinBytes } from "./answer-bytes.js";
import type { AdminParts } from "./parts.js";
import * as check from "./validate/fields.js";
import { jsonField } from "./validate/json-value.js";

/** Bytes of a rejected body that a list shows. */
export const BODY_SHOWN_BYTES_MAX = 4 * 1024;
/** Bytes of one that is looked at by itself. */
export const BODY_WHOLE_BYTES_MAX = 3 * 1024 * 1024;
/** Characters of a header that a list shows. */
const HEADER_SHOWN_CHARS_MAX = 256;
/** Headers of one that are shown, or changed. */
const HEADERS_MAX = 64;
/** Ids that one call replays or discards. */
export const REPLAY_IDS_MAX = 1_000;
/** Replays under way at once. */
const REPLAYS_AT_ONCE = 16;
/** The id after which a list goes on: digits, few enough to be exact as a number. */
const TOKEN = /^[1-9]\d{0,14}$/;
const HEADER_NAME = /^[A-Za-z0-9-]{1,64}$/;
/** Headers that name the message to the stream, or that a rejected one was given. */
const NOT_TO_BE_CHANGED = /^(nats-|holdfast-(reject|original|kept))/i;

export async function listRejected({ work }: AdminParts, request: ListRejectedRequest) {
  const workflow = check.optionalWorkflow(request.workflow);
  const limit = check.pageSize(request.pageSize);
  const afterId = pageToken(request.pageToken);
  const { entries, more } = await work.listRejected({
    ...(workflow === "" ? {} : { workflow }),
    afterId,
    limit,
    bodyBytesMax: BODY_SHOWN_BYTES_MAX,
  });
  const rejected = withinBytes(entries.map(shown), bytesOfRejected);
  const last = rejected.at(-1);
  const hasMore = more || rejected.length < entries.length;
  return { rejected, nextPageToken: hasMore && last !== undefined ? String(last.id) : "" };
}

/** Of text: at most 4 bytes a character. */
const bytesOfRejected = ({ body, subject, reason, contentType, runId }: ReturnType<typeof shown>): number =>
  body.length + 4 * (subject.length + reason.length + contentType.length + runId.length);
const bytesOfDecision = ({ subject, reason, who }: RejectedDecision): number =>
  4 * (subject.length + reason.length + who.length);

function pageToken(token: string): number {
  if (token === "") return 0;
  if (TOKEN.test(token)) return Number(token);
  throw check.invalid(
    "page_token",
    "it is not one; pass the token of the last page with the same workflow, or none to begin anew",
  );
}

function shown(entry: RejectedWorkEntry) {
  return {
    id: BigInt(entry.id),
    subject: entry.subject,
    code: entry.code,
    reason: entry.reason,
    rejectedAt: timestamp(entry.rejectedAtMs),
    body: entry.data.slice(0, BODY_SHOWN_BYTES_MAX),
    bodyBytes: BigInt(entry.bodyBytes),
    contentType: header(entry, "content-type").slice(0, HEADER_SHOWN_CHARS_MAX),
    runId: header(entry, "holdfast-run-id").slice(0, HEADER_SHOWN_CHARS_MAX),
  };
}

const timestamp = (ms: number) => ({
  seconds: BigInt(Math.floor(ms / 1_000)),
  nanos: (ms % 1_000) * 1_000_000,
});

function header({ headers }: RejectedWorkEntry, wanted: string): string {
  const found = Object.entries(headers).find(([name]) => name.toLowerCase() === wanted);
  return found?.[1].toWellFormed() ?? "";
}

export async function getRejected({ work }: AdminParts, { id }: GetRejectedRequest) {
  const entry = id <= BigInt(Number.MAX_SAFE_INTEGER) ? await work.getRejected(Number(id)) : undefined;
  if (entry === undefined) throw noRejected(id);
  const headers = Object.entries(entry.headers)
    .slice(0, HEADERS_MAX)
    .map(([name, value]) => [name.toWellFormed(), value.toWellFormed()] as const);
  return {
    rejected: { ...shown(entry), body: entry.data.slice(0, BODY_WHOLE_BYTES_MAX) },
    headers: Object.fromEntries(headers),
    bodyProblem: entry.bodyProblem ?? "",
  };
}

const noRejected = (id: bigint): RpcError =>
  new RpcError("NOT_FOUND", `there is no rejected work ${id}: ListRejected shows what there is`, {
    reason: "NO_SUCH_REJECTED",
  });

/** Each id once. What is not there (any more) is listed, not an error: somebody else may have replayed it. */
export async function replayRejected(
  parts: AdminParts,
  request: ReplayRejectedRequest,
  { who }: CallContext,
  logger: Logger,
) {
  const ids = idsOf(request.ids);
  const by = { who, reason: check.reason(request.reason) };
  const edit = request.edit === undefined ? {} : checkedEdit(request.edit);
  if (isEdit(edit)) {
    const [id = 0n, ...others] = ids;
    if (others.length > 0)
      throw check.invalid("edit", "it is of one message, and several are named; name one");
    const runId = await replayOne(parts, id, edit, by);
    if (runId === undefined) return { replayed: 0, notFound: [id] };
    logger.info("rejected work was replayed changed", { id: Number(id), ...by, runId });
    return { replayed: 1, runId };
  }
  const { done, ...answer } = await eachOf(ids, async (id) => await parts.work.replayRejected(id, by));
  for (const id of done) logger.info("rejected work was replayed", { id, ...by });
  return { ...answer, replayed: done.length };
}

export async function discardRejected(
  { work }: AdminParts,
  request: DiscardRejectedRequest,
  { who }: CallContext,
  logger: Logger,
) {
  const ids = idsOf(request.ids);
  const by = { who, reason: check.reason(request.reason) };
  if (by.reason.trim() === "")
    throw check.invalid("reason", "there is none; say why, it is kept with the decision");
  const { done, ...answer } = await eachOf(ids, async (id) => await work.discardRejected(id, by));
  for (const id of done) logger.info("rejected work was discarded", { id, ...by });
  return { ...answer, discarded: done.length };
}

export async function listRejectedDecisions({ work }: AdminParts, request: ListRejectedDecisionsRequest) {
  const decisions = await work.listDecided(check.pageSize(request.limit));
  return {
    decisions: withinBytes(decisions, bytesOfDecision).map(decisionShown),
  };
}

const decisionShown = ({ id, subject, what, edited, who, reason, atMs }: RejectedDecision) => ({
  id: BigInt(id),
  subject,
  discarded: what === "discard",
  edited,
  who,
  reason,
  at: timestamp(atMs),
});

/** The id of its run; undefined: it is not there. */
async function replayOne(
  { work, definitions, validator }: AdminParts,
  id: bigint,
  edit: WorkEdit,
  by: { readonly who: string; readonly reason: string },
): Promise<string | undefined> {
  if (id > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  const validate: Parameters<typeof replayEdited>[0]["validator"]["validate"] = async (definition, value) => {
    const problems = await validator.problems(definition, value);
    return problems.length === 0 ? { ok: true } : { ok: false, message: problems.slice(0, 5).join("; ") };
  };
  const replayed = await conflictsTold(() =>
    replayEdited({ work, definitions, validator: { validate } }, Number(id), edit, by),
  );
  if (replayed.kind === "absent") return undefined;
  if (replayed.kind === "replayed") return replayed.runId;
  throw new RpcError(
    "INVALID_ARGUMENT",
    `rejected work ${id} would be rejected again: ${replayed.reason}; nothing was changed`,
    { reason: RejectCode[replayed.code] ?? "" },
  );
}

async function conflictsTold<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const told = refusedReason(error);
    if (told === undefined) throw error;
    throw new RpcError("FAILED_PRECONDITION", told, { reason: "DECIDED" }, { cause: error });
  }
}

/** Why one message can't be had so, whatever becomes of others; undefined: the call has failed. */
const refusedReason = (error: unknown): string | undefined =>
  error instanceof PortError && REFUSALS.has(error.code) ? error.message : undefined;

const REFUSALS: ReadonlySet<string> = new Set(["conflict", "not-found", "too-large"]);

function idsOf(given: readonly bigint[]): readonly bigint[] {
  const ids = [...new Set(given)];
  if (ids.length === 0) throw check.invalid("ids", "none are given; ListRejected shows them");
  if (ids.length > REPLAY_IDS_MAX) throw check.tooMany("ids", ids.length, REPLAY_IDS_MAX);
  return ids;
}

/** Some at once; each is done, not there, or refused. */
async function eachOf(ids: readonly bigint[], act: (id: number) => Promise<boolean>) {
  const done: number[] = [];
  const notFound: bigint[] = [];
  const refused: { id: bigint; reason: string }[] = [];
  const queue = ids.values();
  const next = async (): Promise<void> => {
    for (const id of queue) {
      try {
        const isThere = id <= BigInt(Number.MAX_SAFE_INTEGER) && (await act(Number(id)));
        if (isThere) done.push(Number(id));
        else notFound.push(id);
      } catch (error) {
        const reason = refusedReason(error);
        if (reason === undefined) throw error;
        refused.push({ id, reason });
      }
    }
  };
  await Promise.all(Array.from({ length: REPLAYS_AT_ONCE }, next));
  return {
    done,
    notFound: notFound.toSorted((a, b) => (a < b ? -1 : 1)),
    refused: refused.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
  };
}

function checkedEdit({ inputJson, workflow, headers }: RejectedEdit): WorkEdit {
  const names = Object.keys(headers);
  if (names.length > HEADERS_MAX) throw check.tooMany("edit.headers", names.length, HEADERS_MAX);
  for (const name of names) {
    if (!HEADER_NAME.test(name) || NOT_TO_BE_CHANGED.test(name))
      throw check.invalid(
        "edit.headers",
        `${JSON.stringify(name.slice(0, 64))} is no header that can be changed`,
      );
    if (!/^[\x20-\x7e]{0,1024}$/.test(headers[name] ?? ""))
      throw check.invalid("edit.headers", `the value of ${name} is not 0 to 1024 characters of ASCII`);
  }
  return {
    ...(inputJson === undefined ? {} : { input: jsonField("edit.input_json", inputJson).bytes }),
    ...(workflow === undefined ? {} : { workflow: check.workflowName(workflow) }),
    headers,
  };
}
