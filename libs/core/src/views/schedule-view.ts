/** What people and programs are shown of a schedule. Reads only. */
import {
  type PauseRequest,
  type ScheduledInstant,
  type ScheduledInstantView,
  ScheduledInstantViewSchema,
  ScheduleOutcome,
  type ScheduleRecord,
  ScheduleStatus,
  type ScheduleView,
  ScheduleViewSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { quoted } from "../names.js";
import { timeText } from "../text.js";
import { timestamp } from "./timestamp.js";

/** A sentence without its full stop. */
export const noScheduleText = (name: string): string => `there is no schedule ${quoted(name)}`;

export const schedulePausedText = ({ who, atNs, reason }: PauseRequest): string =>
  `paused${who === "" ? "" : ` by ${who}`} since ${timeText(atNs)}: ${reason}`;

export function scheduleStatus(record: ScheduleRecord): ScheduleStatus {
  if (record.pause !== undefined) return ScheduleStatus.PAUSED;
  if (record.invalid !== "") return ScheduleStatus.INVALID;
  return record.exhausted ? ScheduleStatus.ENDED : ScheduleStatus.ACTIVE;
}

function textOf(record: ScheduleRecord): string {
  if (record.pause !== undefined) return schedulePausedText(record.pause);
  if (record.invalid !== "") return `its next instant can't be computed: ${record.invalid}`;
  return record.exhausted ? "its expression has no instant any more" : "";
}

export interface ScheduleViewInput {
  readonly name: string;
  readonly record: ScheduleRecord;
  readonly partition: number;
  readonly seq: bigint;
  /** Entries of the history that are shown, the newest first. */
  readonly historyMax: number;
}

export function scheduleView({ name, record, partition, seq, historyMax }: ScheduleViewInput): ScheduleView {
  return init(ScheduleViewSchema, {
    name,
    spec: record.spec,
    status: scheduleStatus(record),
    text: textOf(record),
    next: timestamp(record.nextNs),
    createdAt: timestamp(record.createdAtNs),
    changedAt: timestamp(record.changedAtNs),
    changedBy: record.changedBy,
    live: record.live.map(({ runId, instantNs }) =>
      init(ScheduledInstantViewSchema, {
        runId,
        instant: timestamp(instantNs),
        count: 1n,
        outcome: ScheduleOutcome.STARTED,
      }),
    ),
    buffered: record.buffered.flatMap((ns) => timestamp(ns) ?? []),
    history: record.history.slice(-historyMax).toReversed().map(instantView),
    instants: record.instants,
    started: record.started,
    skipped: record.skipped,
    missed: record.missed,
    refused: record.refused,
    partition,
    seq,
  });
}

function instantView(entry: ScheduledInstant): ScheduledInstantView {
  const { instantNs, untilNs, count, outcome, reason, runId, runStatus, atNs, triggered, who } = entry;
  return init(ScheduledInstantViewSchema, {
    instant: timestamp(instantNs),
    until: timestamp(untilNs),
    count,
    outcome,
    reason,
    runId,
    runStatus,
    at: timestamp(atNs),
    triggered,
    who,
  });
}
