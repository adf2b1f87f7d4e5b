/** One page of the dead-letter set out of all partitions, the last moved first. */
import { partitionOf } from "@holdfast/core";
import {
  type DeadLetterView,
  type FailureMode,
  type ListDeadLettersAnswer,
  type ListDeadLettersQuery,
  ListDeadLettersQuerySchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { mergePages } from "./merge-pages.js";
import { stampNs } from "./stamp-ns.js";

export interface ListDeadLettersFilter {
  /** Empty: any. */
  readonly workflow?: string;
  readonly queue?: string;
  readonly modes?: readonly FailureMode[];
  readonly runId?: string;
  /** Unix nanoseconds; 0: no bound. */
  readonly movedAfterNs?: bigint;
  readonly movedBeforeNs?: bigint;
  /** 1-1,000; default 50. */
  readonly pageSize?: number;
  readonly pageToken?: string;
}

export interface DeadLettersPage {
  /** The last moved first. May be fewer than asked for, even none, where filters leave little: go on while there is a token. */
  readonly letters: DeadLetterView[];
  /** Empty: no more. */
  readonly nextPageToken: string;
}

export type AskDeadLetters = (
  partition: number,
  query: ListDeadLettersQuery,
) => Promise<ListDeadLettersAnswer>;

export async function listDeadLetters(
  partitions: number,
  filter: ListDeadLettersFilter & { readonly pageSize: number },
  ask: AskDeadLetters,
): Promise<DeadLettersPage> {
  const { workflow = "", queue = "", modes = [], runId = "", movedAfterNs = 0n, movedBeforeNs = 0n } = filter;
  const home = runId === "" ? undefined : partitionOf(runId, partitions);
  const { rows, nextPageToken } = await mergePages<DeadLetterView>({
    kind: "dead-letters",
    list: JSON.stringify([workflow, queue, modes, runId, `${movedAfterNs}-${movedBeforeNs}`]),
    partitions: home === undefined ? partitions : 1,
    pageSize: filter.pageSize,
    pageToken: filter.pageToken ?? "",
    beforeNs: movedBeforeNs,
    timeNs: ({ movedAt }) => stampNs(movedAt),
    name: ({ runId: run, action, item }) => `${run}/${action}/${String(item ?? 0).padStart(10, "0")}`,
    bytesOf: ({ failure, reason, who }) => 3 * (failure.length + reason.length + who.length) + 512,
    ask: async ({ partition, cursor, limit, beforeNs }) => {
      const query = init(ListDeadLettersQuerySchema, {
        workflow,
        queue,
        modes: [...modes],
        runId,
        movedAfterNs,
        movedBeforeNs: beforeNs,
        limit,
        cursor,
      });
      const answer = await ask(home ?? partition, query);
      return { ...answer, rows: answer.letters };
    },
  });
  return { letters: rows, nextPageToken };
}
