/** The schedules of a partition, for people: one with its history, or page by page in the order of their names. */
import { noScheduleText, scheduleKey, scheduleView } from "@holdfast/core";
import {
  type AppliedRecord,
  type ListSchedulesAnswer,
  ListSchedulesAnswerSchema,
  type ListSchedulesQuery,
  type ScheduleRecord,
  type ScheduleView,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { PartitionState } from "./state.js";

const PAGE_MAX = 200;
/** Of each that is listed: what became of the last instant. */
const LISTED_HISTORY = 1;
const WHOLE_HISTORY = 1_000;

/** A sentence where there is none. */
export function getSchedule(
  state: PartitionState,
  applied: AppliedRecord,
  name: string,
): ScheduleView | string {
  const record = /^[\x21-\x7e]+$/.test(name) ? state.get(scheduleKey(name)) : undefined;
  return record === undefined ? noScheduleText(name) : viewOf(applied, name, record, WHOLE_HISTORY);
}

export async function listSchedules(
  state: PartitionState,
  applied: AppliedRecord,
  { workflow, limit: asked, after }: ListSchedulesQuery,
): Promise<ListSchedulesAnswer> {
  if (applied.schedules === 0) return init(ListSchedulesAnswerSchema, { schedules: [] });
  const limit = Math.min(Math.max(asked, 1), PAGE_MAX);
  const from = /^[\x21-\x7e]*$/.test(after) ? `e${after}${after === "" ? "" : "\0"}` : "e";
  const rows = await state.range(from, "f", limit);
  const schedules = rows
    .map(([key, record]) => viewOf(applied, key.slice(1), record as ScheduleRecord, LISTED_HISTORY))
    .filter(({ spec }) => workflow === "" || spec?.workflow === workflow);
  const nextAfter = rows.length < limit ? "" : (rows.at(-1)?.[0].slice(1) ?? "");
  return init(ListSchedulesAnswerSchema, { schedules, nextAfter });
}

const viewOf = (
  { partition, seq }: AppliedRecord,
  name: string,
  record: ScheduleRecord,
  historyMax: number,
): ScheduleView => scheduleView({ name, record, partition, seq, historyMax });
