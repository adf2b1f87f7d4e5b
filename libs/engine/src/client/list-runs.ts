/**
 * One page of runs out of all partitions: each has its runs newest first, and they are merged by their creation.
 *
 * 1. A page is in order, and the pages of one list show each run that was there at its begin once.
 * 2. A run is only shown when no partition can still have a newer one: a partition that must look further is asked again.
 */
import type { Effect, ListRunsAnswer, ListRunsQuery, RunStatus, RunSummary } from "@holdfast/proto";
import { decodeRunsToken, encodeRunsToken, type PartitionCursor } from "./page-token.js";

export interface ListRunsFilter {
  /** Empty: all. */
  readonly workflow?: string;
  /** Empty: any. */
  readonly statuses?: readonly RunStatus[];
  readonly effects?: readonly Effect[];
  /** Unix nanoseconds; 0: no bound. */
  readonly createdAfterNs?: bigint;
  readonly createdBeforeNs?: bigint;
  /** 1-1,000; default 50. */
  readonly pageSize?: number;
  readonly pageToken?: string;
}

export interface RunsPage {
  /** Newest first. May be fewer than asked for, even none, where filters leave little: go on while there is a token. */
  readonly runs: RunSummary[];
  /** Empty: no more. */
  readonly nextPageToken: string;
}

export type AskRuns = (partition: number, query: ListRunsQuery) => Promise<ListRunsAnswer>;

/** Rounds of questions for one page; a filter that matches almost nothing ends the page early. */
const ROUNDS_MAX = 32;
/** At least so many rows are asked of a partition at once. */
const CHUNK_MIN = 8;
const NS_PER_S = 1_000_000_000n;

interface Source {
  readonly partition: number;
  /** Behind what was taken. */
  position: PartitionCursor;
  buffer: ListRunsAnswer | undefined;
  taken: number;
}

export async function listRuns(
  partitions: number,
  filter: ListRunsFilter & { readonly pageSize: number },
  ask: AskRuns,
): Promise<RunsPage> {
  const list = JSON.stringify([
    filter.workflow ?? "",
    filter.statuses ?? [],
    filter.effects ?? [],
    `${filter.createdAfterNs ?? 0n}-${filter.createdBeforeNs ?? 0n}`,
  ]);
  const from = filter.pageToken ? decodeRunsToken(filter.pageToken, list, partitions) : undefined;
  const sources = Array.from({ length: partitions }, (_, partition): Source => {
    return { partition, position: from?.cursors[partition] ?? { at: "start" }, buffer: undefined, taken: 0 };
  });
  const query = baseQuery(filter, partitions, from?.lastCreatedNs);
  const runs: RunSummary[] = [];
  for (let round = 0; round < ROUNDS_MAX && runs.length < filter.pageSize; round++) {
    const hungry = sources.filter((source) => source.position.at !== "end" && next(source) === undefined);
    await Promise.all(hungry.map((source) => refill(source, query, ask)));
    merge(sources, runs, filter.pageSize);
    if (sources.every((source) => source.position.at === "end")) return { runs, nextPageToken: "" };
  }
  const last = runs.at(-1);
  const lastCreatedNs = last === undefined ? (from?.lastCreatedNs ?? 0n) : createdNs(last);
  const cursors = sources.map((source) => source.position);
  return { runs, nextPageToken: encodeRunsToken(list, { cursors, lastCreatedNs }) };
}

function baseQuery(
  filter: ListRunsFilter & { readonly pageSize: number },
  partitions: number,
  lastCreatedNs = 0n,
): ListRunsQuery {
  const wanted = filter.createdBeforeNs ?? 0n;
  // Runs started since the list began would show out of order; those as old as the last shown may still come.
  const shown = lastCreatedNs === 0n ? 0n : lastCreatedNs + 1n;
  return {
    $typeName: "holdfast.v1.ListRunsQuery",
    workflow: filter.workflow ?? "",
    statuses: [...(filter.statuses ?? [])],
    effects: [...(filter.effects ?? [])],
    limit: Math.min(filter.pageSize, Math.max(CHUNK_MIN, Math.ceil((filter.pageSize * 2) / partitions))),
    cursor: new Uint8Array(),
    createdAfterNs: filter.createdAfterNs ?? 0n,
    createdBeforeNs: wanted === 0n || (shown !== 0n && shown < wanted) ? shown : wanted,
  };
}

async function refill(source: Source, query: ListRunsQuery, ask: AskRuns): Promise<void> {
  const { position } = source;
  const cursor = position.at === "cursor" ? position.cursor : query.cursor;
  const answer = await ask(source.partition, { ...query, cursor });
  source.buffer = answer;
  source.taken = 0;
  if (answer.runs.length === 0) source.position = behind(answer);
}

/** Takes the newest run again and again, as long as every partition that is not at its end has one to compare. */
function merge(sources: readonly Source[], runs: RunSummary[], pageSize: number): void {
  while (runs.length < pageSize) {
    let newest: Source | undefined;
    let newestRun: RunSummary | undefined;
    for (const source of sources) {
      const run = next(source);
      if (run === undefined) {
        if (source.position.at !== "end") return;
      } else if (newestRun === undefined || isNewer(run, newestRun)) {
        newest = source;
        newestRun = run;
      }
    }
    if (newest === undefined || newestRun === undefined) return;
    runs.push(newestRun);
    take(newest);
  }
}

function next(source: Source): RunSummary | undefined {
  return source.buffer?.runs[source.taken];
}

function take(source: Source): void {
  const { buffer } = source;
  const cursor = buffer?.cursors[source.taken++];
  if (buffer === undefined || cursor === undefined) return;
  source.position = source.taken < buffer.runs.length ? { at: "cursor", cursor } : behind(buffer);
}

function behind(answer: ListRunsAnswer): PartitionCursor {
  return answer.more ? { at: "cursor", cursor: answer.next } : { at: "end" };
}

/** Ties are told apart by id, so that the order is the same each time. */
function isNewer(a: RunSummary, b: RunSummary): boolean {
  const aNs = createdNs(a);
  const bNs = createdNs(b);
  return aNs === bNs ? a.runId > b.runId : aNs > bNs;
}

function createdNs(run: RunSummary): bigint {
  const at = run.createdAt;
  return at === undefined ? 0n : at.seconds * NS_PER_S + BigInt(at.nanos);
}
