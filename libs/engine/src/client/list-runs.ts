/** One page of runs out of all partitions, newest first. */
import type { Effect, ListRunsAnswer, ListRunsQuery, RunStatus, RunSummary } from "@holdfast/proto";
import { bytesOfSummary } from "../partition/row-bytes.js";
import { mergePages } from "./merge-pages.js";
import { stampNs } from "./stamp-ns.js";

export interface ListRunsFilter {
  /** Empty: all. */
  readonly workflow?: string;
  /** Empty: any. */
  readonly statuses?: readonly RunStatus[];
  readonly effects?: readonly Effect[];
  /** Only those in which something waits for an approval or a signal. */
  readonly waiting?: boolean;
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

export async function listRuns(
  partitions: number,
  filter: ListRunsFilter & { readonly pageSize: number },
  ask: AskRuns,
): Promise<RunsPage> {
  const { workflow = "", statuses = [], effects = [], waiting = false } = filter;
  const { createdAfterNs = 0n, createdBeforeNs = 0n } = filter;
  const { rows, nextPageToken } = await mergePages<RunSummary>({
    kind: "runs",
    list: JSON.stringify([
      workflow,
      statuses,
      effects,
      `${createdAfterNs}-${createdBeforeNs}`,
      ...(waiting ? [waiting] : []),
    ]),
    partitions,
    pageSize: filter.pageSize,
    pageToken: filter.pageToken ?? "",
    beforeNs: createdBeforeNs,
    timeNs: (run) => stampNs(run.createdAt),
    name: (run) => run.runId,
    bytesOf: bytesOfSummary,
    ask: async ({ partition, cursor, limit, beforeNs }) => {
      const answer = await ask(partition, {
        $typeName: "holdfast.v1.ListRunsQuery",
        workflow,
        statuses: [...statuses],
        effects: [...effects],
        waiting,
        limit,
        cursor,
        createdAfterNs,
        createdBeforeNs: beforeNs,
      });
      return { ...answer, rows: answer.runs };
    },
  });
  return { runs: rows, nextPageToken };
}
