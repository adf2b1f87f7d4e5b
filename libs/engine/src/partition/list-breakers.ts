/** The breakers of a partition, for people: page by page in the order of their names. */
import { breakerKey, breakerPrefix, breakerView, prefixEnd, readBreakerKey } from "@holdfast/core";
import {
  type AppliedRecord,
  type BreakerRecord,
  BreakerStatus,
  type ListBreakersAnswer,
  ListBreakersAnswerSchema,
  type ListBreakersQuery,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { PartitionState } from "./state.js";

const PAGE_MAX = 500;

export async function listBreakers(
  state: PartitionState,
  applied: AppliedRecord,
  query: ListBreakersQuery,
): Promise<ListBreakersAnswer> {
  const { workflow, action, key, openOnly, after } = query;
  const limit = Math.min(Math.max(query.limit, 1), PAGE_MAX);
  const shown = (at: string, record: BreakerRecord) =>
    breakerView(readBreakerKey(at), record, { atNs: applied.atNs, partition: applied.partition });
  if (key !== undefined) {
    const at = breakerKey({ workflow, action, key });
    const record = state.get(at);
    return init(ListBreakersAnswerSchema, { breakers: record === undefined ? [] : [shown(at, record)] });
  }
  const prefix = workflow === "" ? "B" : breakerPrefix(workflow, action);
  const from = after.length === 0 ? prefix : `${String.fromCharCode(...after)}\0`;
  const rows = await state.range(from, prefixEnd(prefix), limit);
  const breakers = rows
    .map(([at, record]) => [at, record as BreakerRecord] as const)
    .filter(([, record]) => !openOnly || record.status !== BreakerStatus.CLOSED)
    .map(([at, record]) => shown(at, record));
  const last = rows.length < limit ? undefined : rows.at(-1)?.[0];
  const next = last === undefined ? new Uint8Array() : Uint8Array.from(last, (char) => char.charCodeAt(0));
  return init(ListBreakersAnswerSchema, { breakers, next });
}
