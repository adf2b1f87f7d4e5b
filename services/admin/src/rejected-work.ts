/** ListRejected and ReplayRejected: published work that could not become a run. */
import type { RejectedWorkEntry } from "@holdfast/engine";
import type { ListRejectedRequest, ReplayRejectedRequest } from "@holdfast/proto";
import type { AdminParts } from "./parts.js";
import * as check from "./validate/fields.js";

/** Bytes of a rejected body that are shown. */
export const BODY_SHOWN_BYTES_MAX = 4 * 1024;
/** Ids that one call replays. */
export const REPLAY_IDS_MAX = 1_000;
/** Replays under way at once. */
const REPLAYS_AT_ONCE = 16;
/** The id after which a list goes on: digits, few enough to be exact as a number. */
const TOKEN = /^[1-9]\d{0,14}$/;

export async function listRejected({ work }: AdminParts, request: ListRejectedRequest) {
  const workflow = check.optionalWorkflow(request.workflow);
  const limit = check.pageSize(request.pageSize);
  const afterId = pageToken(request.pageToken);
  const { entries, more } = await work.listRejected({
    ...(workflow === "" ? {} : { workflow }),
    afterId,
    limit,
  });
  const last = entries.at(-1);
  return { rejected: entries.map(shown), nextPageToken: more && last !== undefined ? String(last.id) : "" };
}

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
    rejectedAt: {
      seconds: BigInt(Math.floor(entry.rejectedAtMs / 1_000)),
      nanos: (entry.rejectedAtMs % 1_000) * 1_000_000,
    },
    body: entry.data.slice(0, BODY_SHOWN_BYTES_MAX),
    bodyBytes: BigInt(entry.data.length),
    contentType: header(entry, "content-type"),
    runId: header(entry, "holdfast-run-id"),
  };
}

function header({ headers }: RejectedWorkEntry, wanted: string): string {
  const found = Object.entries(headers).find(([name]) => name.toLowerCase() === wanted);
  return found?.[1].toWellFormed() ?? "";
}

/** Each id once. What is not there (any more) is listed, not an error: somebody else may have replayed it. */
export async function replayRejected({ work }: AdminParts, request: ReplayRejectedRequest) {
  const ids = [...new Set(request.ids)];
  if (ids.length === 0) throw check.invalid("ids", "none are given; ListRejected shows them");
  if (ids.length > REPLAY_IDS_MAX) throw check.tooMany("ids", ids.length, REPLAY_IDS_MAX);
  const notFound: bigint[] = [];
  let replayed = 0;
  const queue = ids.values();
  const replayNext = async (): Promise<void> => {
    for (const id of queue) {
      const known = id <= BigInt(Number.MAX_SAFE_INTEGER) && (await work.replayRejected(Number(id)));
      if (known) replayed += 1;
      else notFound.push(id);
    }
  };
  await Promise.all(Array.from({ length: REPLAYS_AT_ONCE }, replayNext));
  return { replayed, notFound: notFound.toSorted((a, b) => (a < b ? -1 : 1)) };
}
