/**
 * The failure signatures of a partition, for people: one, or page by page in the order of their ids; and the failed runs of one,
 * newest first, from its index alone.
 */
import {
  isName,
  isSignatureId,
  prefixEnd,
  readSignatureRunKey,
  runKey,
  signatureKey,
  signatureListKey,
  signatureRunsPrefix,
  signatureView,
  timestamp,
} from "@holdfast/core";
import {
  FailedRunRefSchema,
  type FailureSignatureView,
  type ListSignaturesAnswer,
  ListSignaturesAnswerSchema,
  type ListSignaturesQuery,
  RunStatus,
  type SignatureListRecord,
  type SignatureRecord,
  type SignatureRunsAnswer,
  SignatureRunsAnswerSchema,
  type SignatureRunsQuery,
  type SignaturesGaveWay,
  SignaturesGaveWaySchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { PartitionState } from "./state.js";

/** About a kilobyte each. */
const PAGE_MAX = 200;
const RUNS_MAX = 1_000;
const LISTS_MAX = 10_000;

type Row = readonly [id: string, record: SignatureRecord];

export async function listSignatures(
  state: PartitionState,
  query: ListSignaturesQuery,
): Promise<ListSignaturesAnswer> {
  const { id, untilHour, failedOnly, after } = query;
  if (id !== "")
    return init(ListSignaturesAnswerSchema, { signatures: oneSignature(state, id, untilHour), gaveWay: [] });
  const limit = Math.min(Math.max(query.limit, 1), PAGE_MAX);
  const rows = await rowsOf(state, query, limit);
  return init(ListSignaturesAnswerSchema, {
    signatures: rows
      .filter(([, record]) => !failedOnly || record.runs > 0 || record.items > 0n)
      .map(([at, record]) => signatureView(at, record, untilHour)),
    gaveWay: after === "" ? await gaveWay(state, query.workflow) : [],
    nextAfter: rows.length < limit ? "" : (rows.at(-1)?.[0] ?? ""),
  });
}

function oneSignature(state: PartitionState, id: string, untilHour: bigint): FailureSignatureView[] {
  const record = isSignatureId(id) ? state.get(signatureKey(id)) : undefined;
  if (record === undefined) return [];
  const statusOf = (runId: string) => state.get(runKey(runId))?.status ?? RunStatus.UNSPECIFIED;
  return [signatureView(id, record, untilHour, statusOf)];
}

/** Of one workflow by its list, of all by the table. */
async function rowsOf(
  state: PartitionState,
  { workflow, after }: ListSignaturesQuery,
  limit: number,
): Promise<readonly Row[]> {
  if (workflow === "") {
    const from = after === "" ? "f" : `f${isSignatureId(after) ? after : ""}\0`;
    const rows = await state.range(from, prefixEnd("f"), limit);
    return rows.map(([key, record]) => [key.slice(1), record as SignatureRecord]);
  }
  const kept = isName(workflow) ? (state.get(signatureListKey(workflow))?.kept ?? []) : [];
  const ids = kept
    .map((entry) => entry.id)
    .filter((id) => id > after)
    .toSorted()
    .slice(0, limit);
  return ids.flatMap((id): Row[] => {
    const record = state.get(signatureKey(id));
    return record === undefined ? [] : [[id, record]];
  });
}

async function gaveWay(state: PartitionState, workflow: string): Promise<SignaturesGaveWay[]> {
  const lists: (readonly [string, SignatureListRecord | undefined])[] =
    workflow === ""
      ? (await state.range("S", prefixEnd("S"), LISTS_MAX)).map(([key, list]) => [
          key.slice(1),
          list as SignatureListRecord,
        ])
      : [[workflow, isName(workflow) ? state.get(signatureListKey(workflow)) : undefined]];
  return lists.flatMap(([name, list]) =>
    list === undefined || list.gaveWay === 0n
      ? []
      : [
          init(SignaturesGaveWaySchema, {
            workflow: name,
            signatures: list.gaveWay,
            failures: list.gaveWayFailures,
            at: timestamp(list.gaveWayAtNs),
          }),
        ],
  );
}

/** Costs what it shows, however many runs there are. */
export async function signatureRuns(
  state: PartitionState,
  { id, limit: asked, before }: SignatureRunsQuery,
): Promise<SignatureRunsAnswer> {
  if (!isSignatureId(id)) return init(SignatureRunsAnswerSchema, { runs: [] });
  const limit = Math.min(Math.max(asked, 1), RUNS_MAX);
  const prefix = signatureRunsPrefix(id);
  const to = before.length === 0 ? prefixEnd(prefix) : prefix + String.fromCharCode(...before);
  const rows = await state.range(prefix, to, limit, true);
  const runs = rows.map(([key]) => {
    const { runId, createdNs } = readSignatureRunKey(key);
    return init(FailedRunRefSchema, { runId, createdAt: timestamp(createdNs) });
  });
  const last = rows.length < limit ? undefined : rows.at(-1)?.[0].slice(prefix.length);
  const next = last === undefined ? new Uint8Array() : Uint8Array.from(last, (char) => char.charCodeAt(0));
  return init(SignatureRunsAnswerSchema, { runs, next });
}
