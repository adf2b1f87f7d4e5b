/** Bulk operations, from the partitions that they belong to: one with some of its results, or all in the order of their ids. */
import { bulkKey, bulkResultsKey, bulkView, isRunId, noBulkText } from "@holdfast/core";
import {
  type BulkRecord,
  type GetBulkAnswer,
  GetBulkAnswerSchema,
  type GetBulkQuery,
  type ListBulkAnswer,
  ListBulkAnswerSchema,
  type ListBulkQuery,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { PartitionState } from "./state.js";

/** Of results: of one step's runs each. */
const PAGES_MAX = 20;
const OPERATIONS_MAX = 200;

/** A sentence where there is none. */
export function getBulk(
  state: PartitionState,
  { operationId, fromPage, pages }: GetBulkQuery,
): GetBulkAnswer | string {
  const record = isRunId(operationId) ? state.get(bulkKey(operationId)) : undefined;
  if (record === undefined) return noBulkText(operationId);
  const answer = init(GetBulkAnswerSchema, { operation: bulkView(operationId, record), results: [] });
  const end = Math.min(fromPage + Math.min(pages, PAGES_MAX), record.pages);
  for (let page = fromPage; page < end; page++)
    answer.results.push(...(state.get(bulkResultsKey(operationId, page))?.results ?? []));
  answer.nextPage = Math.max(end, fromPage);
  return answer;
}

export async function listBulk(
  state: PartitionState,
  { limit: asked, after }: ListBulkQuery,
): Promise<ListBulkAnswer> {
  const limit = Math.min(Math.max(asked, 1), OPERATIONS_MAX);
  const from = isRunId(after) ? `a${after}\0` : "a";
  const rows = await state.range(from, "b", limit);
  const operations = rows.map(([key, record]) => bulkView(key.slice(1), record as BulkRecord));
  const nextAfter = rows.length < limit ? "" : (rows.at(-1)?.[0].slice(1) ?? "");
  return init(ListBulkAnswerSchema, { operations, nextAfter });
}
