/**
 * A schedule as an actor during one command: its record, its plan, and what became of its instants.
 *
 * 1. Its next instant is computed by the owner, once, and kept: folding the log again never computes one (I2).
 * 2. It has one timer exactly while it has a next instant.
 * 3. What needs a person has a row for as long as it does: a new owner tells what the last one may not have told.
 * 4. Every instant is counted once: started, skipped, missed, refused, or waiting in the buffer (I7).
 */
import {
  type Attention,
  AttentionKind,
  AttentionRecordSchema,
  AttentionSchema,
  RunStatus,
  type ScheduledInstant,
  ScheduledInstantSchema,
  ScheduleOutcome,
  type ScheduleRecord,
  TimerKind,
  TimerRecordSchema,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import type { FoldContext } from "../fold/context.js";
import { DETAIL_CHARS_MAX, SCHEDULE_HISTORY_MAX } from "../limits.js";
import { isName } from "../names.js";
import { scheduleAttentionKey, scheduleKey, timerKey } from "../state/tables.js";
import { cutText, timeText } from "../text.js";

export interface Schedule {
  readonly ctx: FoldContext;
  readonly name: string;
  readonly record: ScheduleRecord;
}

/** What is no name at all is never made into a key. */
export function findSchedule(ctx: FoldContext, name: string): Schedule | undefined {
  const record = isName(name) ? ctx.view.get(scheduleKey(name)) : undefined;
  return record === undefined ? undefined : { ctx, name, record };
}

/** To be called once by each handler that changed it. Asks for a plan where it needs one. */
export function saveSchedule({ ctx, name, record }: Schedule): void {
  ctx.view.put(scheduleKey(name), record);
  if (needsPlan(record)) ctx.emit({ kind: "plan-schedule", name });
}

/** Whether its owner is to compute its next instant. One that is invalid is tried again by its next owner, not by this one. */
export const needsPlan = (record: ScheduleRecord): boolean => takesPlan(record) && record.invalid === "";

/** Whether a plan for it would count. */
export const takesPlan = ({ nextNs, exhausted, pause }: ScheduleRecord): boolean =>
  nextNs === 0n && !exhausted && pause === undefined;

export function planNext({ ctx, name, record }: Schedule, nextNs: bigint): void {
  record.nextNs = nextNs;
  record.invalid = "";
  record.timerSeq = BigInt(ctx.seq);
  const timer = init(TimerRecordSchema, { kind: TimerKind.SCHEDULE, schedule: name });
  record.timerRow = ctx.setTimer(nextNs, timer);
  countInstants({ ctx }, "planned");
}

/** Told to the metrics. */
export function countInstants(
  { ctx }: Pick<Schedule, "ctx">,
  outcome: "planned" | "started" | "skipped" | "missed",
  howMany = 1n,
  lateNs = 0n,
): void {
  ctx.emit({ kind: "instants", outcome, count: howMany, lateNs });
}

/** Takes the plan back, its timer with it. Gives the instant that was planned; 0: none was. */
export function unplan({ ctx, record }: Schedule): bigint {
  const { nextNs } = record;
  if (nextNs > 0n) ctx.view.del(timerKey(nextNs, Number(record.timerSeq), record.timerRow));
  record.nextNs = 0n;
  return nextNs;
}

/** Makes plans that were made before worthless, and asks for one by what the schedule says now. */
export function planAnew(schedule: Schedule): void {
  unplan(schedule);
  schedule.record.revision = BigInt(schedule.ctx.seq);
  schedule.record.exhausted = false;
  schedule.record.invalid = "";
}

/** Keeps what became of instants. Those that fare alike, one after the other, share an entry. */
export function note({ ctx, record }: Schedule, what: Init<ScheduledInstant>): void {
  const { count = 1n, reason = "", outcome, instantNs = 0n, untilNs = instantNs } = what;
  const last = record.history.at(-1);
  if (last !== undefined && last.outcome === outcome && isMerged(outcome) && last.reason === reason) {
    last.untilNs = untilNs;
    last.count += count;
    last.atNs = ctx.atNs;
    return;
  }
  const entry = { ...what, count, untilNs, reason: cutText(reason, DETAIL_CHARS_MAX), atNs: ctx.atNs };
  record.history.push(init(ScheduledInstantSchema, entry));
  if (record.history.length > SCHEDULE_HISTORY_MAX) record.history.shift();
}

const isMerged = (outcome: ScheduleOutcome): boolean =>
  outcome === ScheduleOutcome.SKIPPED || outcome === ScheduleOutcome.MISSED;

/** The newest entry that is of this run. */
export const entryOf = ({ record }: Schedule, runId: string): ScheduledInstant | undefined =>
  record.history.findLast((entry) => entry.runId === runId);

export function skipped(schedule: Schedule, instantNs: bigint, reason: string): void {
  schedule.record.skipped += 1n;
  countInstants(schedule, "skipped");
  note(schedule, { instantNs, outcome: ScheduleOutcome.SKIPPED, reason });
}

export function missed(schedule: Schedule, what: Init<ScheduledInstant>, reason: string): void {
  const { record } = schedule;
  const before = record.history.at(-1);
  record.missed += what.count ?? 1n;
  countInstants(schedule, "missed", what.count);
  note(schedule, { ...what, outcome: ScheduleOutcome.MISSED, reason });
  // Once for all that follow each other.
  if (record.history.at(-1) !== before)
    tellOperators(schedule, `missed its instant of ${timeText(what.instantNs ?? 0n)}: ${reason}`);
}

/** A run of it could not begin. */
export function refused(schedule: Schedule, runId: string, reason: string): void {
  const { record } = schedule;
  const entry = entryOf(schedule, runId);
  record.started -= 1n;
  record.refused += 1n;
  const before = entry === undefined ? undefined : record.history[record.history.indexOf(entry) - 1];
  const text = cutText(reason, DETAIL_CHARS_MAX);
  const again = before?.outcome === ScheduleOutcome.REFUSED && before.reason === text;
  if (entry !== undefined) {
    entry.outcome = ScheduleOutcome.REFUSED;
    entry.runStatus = RunStatus.UNSPECIFIED;
    entry.reason = text;
    entry.atNs = schedule.ctx.atNs;
  }
  if (!again) tellOperators(schedule, `could not begin run ${runId}: ${reason}`);
}

/**
 * A person should look at it. Told once where the same goes on, and kept until it is settled. What the last row said goes on in the next
 * one, unless that it was told is in the log.
 */
export function tellOperators(schedule: Schedule, what: string): void {
  const { ctx, name, record } = schedule;
  const { SCHEDULE: kind } = AttentionKind;
  const message = cutText(`schedule "${name}" ${what}`, DETAIL_CHARS_MAX);
  const workflow = record.spec?.workflow ?? "";
  const attention = init(AttentionSchema, { kind, workflow, message, atNs: ctx.atNs });
  const before = record.attentionSeq > ctx.applied.attentionToldSeq ? attentionOf(schedule) : undefined;
  settleAttention(schedule);
  record.attentionSeq = BigInt(ctx.seq);
  const kept = before === undefined ? message : cutText(`${message}; ${before.message}`, DETAIL_CHARS_MAX);
  const row = init(AttentionRecordSchema, {
    attention: init(AttentionSchema, { ...attention, message: kept }),
  });
  ctx.view.put(scheduleAttentionKey(record.attentionSeq, name), row);
  ctx.emit({ kind: "attention", attention });
}

const attentionOf = ({ ctx, name, record }: Schedule): Attention | undefined =>
  record.attentionSeq === 0n
    ? undefined
    : ctx.view.get(scheduleAttentionKey(record.attentionSeq, name))?.attention;

/** Somebody has seen to it, or it goes on by itself. The caller saves it. */
export function settleAttention({ ctx, name, record }: Schedule): void {
  if (record.attentionSeq === 0n) return;
  ctx.view.del(scheduleAttentionKey(record.attentionSeq, name));
  record.attentionSeq = 0n;
}

/** A run of it has ended: what was the matter before that began is over. */
export function settleBefore(schedule: Schedule, runId: string): void {
  const attention = attentionOf(schedule);
  const begun = entryOf(schedule, runId);
  if (attention !== undefined && begun !== undefined && begun.atNs > attention.atNs)
    settleAttention(schedule);
}
