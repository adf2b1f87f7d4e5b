/** What clients say of schedules, and the list of them over all partitions. Whether an expression means anything is checked before. */
import { partitionOf, scheduleProblem } from "@holdfast/core";
import {
  ChangeScheduleSchema,
  type Command,
  type ListSchedulesAnswer,
  type ListSchedulesQuery,
  ListSchedulesQuerySchema,
  PutScheduleSchema,
  type ScheduleChange,
  type ScheduleSpec,
  type ScheduleView,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { cronProblem, instantsOf } from "../cron/cron.js";
import { command } from "./commands.js";

/** Why a schedule can't do what it is to do; undefined: it can. Whoever puts one asks first: the fold knows no calendar. */
export const schedulingProblem = (spec: ScheduleSpec): string | undefined =>
  scheduleProblem(spec) ?? cronProblem(spec.cron, spec.timeZone);

const NS_PER_MS = 1_000_000n;

/** The next instants as they are to be, Unix nanoseconds; none where the expression is not one. For people, before anything is decided. */
export function upcomingInstants(spec: ScheduleSpec, fromMs: number, count: number): bigint[] {
  const instants = instantsOf(spec.cron, spec.timeZone);
  const upcoming: bigint[] = [];
  if (typeof instants === "string") return upcoming;
  let at = instants.after(BigInt(Math.floor(fromMs)) * NS_PER_MS);
  while (at !== undefined && upcoming.length < count) {
    upcoming.push(at);
    at = instants.after(at);
  }
  return upcoming;
}

interface ControlFields {
  readonly name: string;
  /** Names the command for ever: the same id gets the same answer. */
  readonly id: string;
  readonly who: string;
  /** Unix milliseconds by the sender's clock. */
  readonly nowMs: number;
}

export interface PutScheduleFields extends ControlFields {
  readonly spec: ScheduleSpec;
  /** Refused where there is one of this name. */
  readonly createOnly?: boolean | undefined;
}

/** For the partition `scheduleHome` says. */
export function putScheduleCommand({ name, spec, createOnly, who, id, nowMs }: PutScheduleFields): Command {
  const value = init(PutScheduleSchema, { name, spec, createOnly: createOnly ?? false, who });
  return command({ case: "putSchedule", value }, id, nowMs);
}

export interface ChangeScheduleFields extends ControlFields {
  readonly change: ScheduleChange;
  readonly reason: string;
}

export function changeScheduleCommand(fields: ChangeScheduleFields): Command {
  const { name, change, who, reason, id, nowMs } = fields;
  const value = init(ChangeScheduleSchema, { name, change, who, reason });
  return command({ case: "changeSchedule", value }, id, nowMs);
}

/** The partition that a schedule lives in. */
export const scheduleHome = (name: string, partitions: number): number => partitionOf(name, partitions);

export interface ListSchedulesFilter {
  /** Empty: of all. */
  readonly workflow?: string;
  /** 1-1,000; default 50. */
  readonly pageSize?: number;
  /** The last name of the page before. */
  readonly pageToken?: string;
}

export interface SchedulesPage {
  /** In the order of their names. */
  readonly schedules: ScheduleView[];
  /** Empty: no more. */
  readonly nextPageToken: string;
}

export async function listSchedules(
  partitions: number,
  { workflow = "", pageSize = 50, pageToken = "" }: ListSchedulesFilter,
  ask: (partition: number, query: ListSchedulesQuery) => Promise<ListSchedulesAnswer>,
): Promise<SchedulesPage> {
  const limit = pageSize + 1;
  /** The first ones after the token, and one more to tell whether there is a next page. */
  const of = async (partition: number): Promise<ScheduleView[]> => {
    const found: ScheduleView[] = [];
    for (let after = pageToken; ; ) {
      const query = init(ListSchedulesQuerySchema, { workflow, limit: limit - found.length, after });
      const { schedules, nextAfter } = await ask(partition, query);
      found.push(...schedules);
      if (nextAfter === "" || found.length >= limit) return found;
      after = nextAfter;
    }
  };
  const found = (await Promise.all(Array.from({ length: partitions }, (_, partition) => of(partition))))
    .flat()
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const schedules = found.slice(0, pageSize);
  const nextPageToken = found.length > pageSize ? (schedules.at(-1)?.name ?? "") : "";
  return { schedules, nextPageToken };
}
