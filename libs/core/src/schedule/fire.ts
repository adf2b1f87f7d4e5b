/**
 * What becomes of an instant: begun, buffered, skipped or missed; and what follows when a run of the schedule ends.
 *
 * 1. An instant is met once, in order: `after` goes past it in the same entry (I13).
 * 2. A run counts as live from when it is asked for until its partition says that it has ended or can't be had.
 * 3. Nothing waits in the buffer while nothing is live, unless the schedule is paused.
 */
import {
  PayloadSchema,
  type Payload,
  RequesterSchema,
  type Requester,
  RequestingScheduleSchema,
  RunStatus,
  ScheduledRunSchema,
  ScheduleOutcome,
  ScheduleOverlap,
  StartRequestedSchema,
  StartRunSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { FoldContext } from "../fold/context.js";
import { hasRoomFor, sendToRun } from "../fold/messages/send.js";
import { SCHEDULE_LIVE_MAX } from "../limits.js";
import { scheduleInputKey } from "../state/tables.js";
import { spanText, timeText } from "../text.js";
import { scheduledRunId } from "./run-id.js";
import {
  countInstants,
  findSchedule,
  missed,
  note,
  refused,
  saveSchedule,
  type Schedule,
  settleBefore,
  skipped,
  unplan,
} from "./schedule.js";
import { resolveSchedule } from "./validate.js";

const MS = 1_000_000n;

/** A timer says that the planned instant has come. One that was planned anew since has another timer. */
export function scheduleDue(ctx: FoldContext, name: string, dueNs: bigint): void {
  const schedule = findSchedule(ctx, name);
  if (schedule === undefined || schedule.record.nextNs !== dueNs) return;
  meet(schedule);
  saveSchedule(schedule);
}

/** An instant that has come, and whose timer has not fired yet, comes before whatever changes the schedule. */
export function meetBefore(schedule: Schedule): void {
  const { nextNs } = schedule.record;
  if (nextNs > 0n && nextNs <= schedule.ctx.atNs) meet(schedule);
}

function meet(schedule: Schedule): void {
  const { record, ctx } = schedule;
  const instantNs = unplan(schedule);
  record.afterNs = instantNs;
  record.instants += 1n;
  const { overlap, catchUpMs, bufferMax } = resolveSchedule(record.spec);
  const { live, buffered } = record;
  if (ctx.atNs > instantNs + catchUpMs * MS) {
    missed(schedule, { instantNs }, lateText(catchUpMs));
  } else if (overlap === ScheduleOverlap.ALLOW) {
    if (live.length < SCHEDULE_LIVE_MAX) begin(schedule, instantNs, scheduledRunId(schedule.name, instantNs));
    else
      skipped(schedule, instantNs, `${live.length} of its runs have not ended, and no more may run at once`);
  } else if (live.length === 0 && buffered.length === 0) {
    begin(schedule, instantNs, scheduledRunId(schedule.name, instantNs));
  } else if (overlap === ScheduleOverlap.SKIP) {
    skipped(schedule, instantNs, `run ${live[0]?.runId} has not ended`);
  } else if (buffered.length < bufferMax) {
    buffered.push(instantNs);
    note(schedule, { instantNs, outcome: ScheduleOutcome.BUFFERED });
  } else {
    skipped(schedule, instantNs, `${buffered.length} instants wait already, and no more may`);
  }
}

/** Why instants are missed. */
export const lateText = (catchUpMs: bigint): string =>
  `it could not begin within its catch-up window of ${spanText(catchUpMs)}`;

/** Begins what waits, as far as it may. */
export function beginBuffered(schedule: Schedule): void {
  const { record } = schedule;
  while (record.pause === undefined && record.live.length === 0) {
    const instantNs = record.buffered.shift();
    if (instantNs === undefined) return;
    begin(schedule, instantNs, scheduledRunId(schedule.name, instantNs));
  }
}

/** What waits does not begin any more. */
export function dropBuffered(schedule: Schedule, reason: string): void {
  for (const instantNs of schedule.record.buffered.splice(0)) {
    const waiting = waitingEntry(schedule, instantNs);
    if (waiting === undefined) {
      skipped(schedule, instantNs, reason);
      continue;
    }
    schedule.record.skipped += 1n;
    countInstants(schedule, "skipped");
    waiting.outcome = ScheduleOutcome.SKIPPED;
    waiting.reason = reason;
    waiting.atNs = schedule.ctx.atNs;
  }
}

/** `by`: who triggered it, be it nobody known; undefined: its time has come. */
export function begin(schedule: Schedule, instantNs: bigint, runId: string, by?: string): void {
  const { ctx, name, record } = schedule;
  const { spec } = record;
  record.started += 1n;
  const waiting = by === undefined ? waitingEntry(schedule, instantNs) : undefined;
  if (waiting === undefined) {
    const triggered = by !== undefined;
    note(schedule, { instantNs, outcome: ScheduleOutcome.STARTED, runId, triggered, who: by ?? "" });
  } else {
    waiting.outcome = ScheduleOutcome.STARTED;
    waiting.runId = runId;
    waiting.atNs = ctx.atNs;
  }
  if (!hasRoomFor(ctx, runId)) {
    refused(schedule, runId, "its partition takes no messages, and too many wait for it already");
    return;
  }
  record.live.push(init(ScheduledRunSchema, { runId, instantNs }));
  countInstants(schedule, "started", 1n, ctx.atNs - instantNs);
  const from = by === undefined ? "" : `, triggered${by === "" ? "" : ` by ${by}`}`;
  const start = init(StartRunSchema, {
    runId,
    workflow: spec?.workflow ?? "",
    input: inputOf(schedule),
    priority: spec?.priority ?? 0,
    origin: `schedule ${name} at ${timeText(instantNs)}${from}`,
  });
  const value = init(StartRequestedSchema, { start, requester: requesterOf(schedule, instantNs) });
  sendToRun(ctx, runId, { case: "startRequested", value });
}

const waitingEntry = (
  { record }: Schedule,
  instantNs: bigint,
): Schedule["record"]["history"][number] | undefined =>
  record.history.find((entry) => entry.outcome === ScheduleOutcome.BUFFERED && entry.instantNs === instantNs);

function requesterOf({ name, record }: Schedule, instantNs: bigint): Requester {
  const value = init(RequestingScheduleSchema, { name, instantNs, incarnation: record.incarnation });
  return init(RequesterSchema, { of: { case: "schedule", value } });
}

/** What is kept beside the schedule's record can't be referred to from elsewhere: it is sent whole. */
function inputOf({ ctx, name, record }: Schedule): Payload | undefined {
  const input = record.spec?.input;
  if (input?.body.case !== "stored") return input;
  const value = ctx.view.get(scheduleInputKey(name))?.body ?? new Uint8Array();
  return init(PayloadSchema, { body: { case: "inline", value }, encoding: input.encoding });
}

/** The schedule that a message answers; undefined where it is there no more. */
export function requestingSchedule(ctx: FoldContext, requester: Requester | undefined): Schedule | undefined {
  if (requester?.of.case !== "schedule") return undefined;
  const { name, incarnation } = requester.of.value;
  const schedule = findSchedule(ctx, name);
  return schedule?.record.incarnation === incarnation ? schedule : undefined;
}

export function scheduledRunEnded(schedule: Schedule, runId: string, status: RunStatus): void {
  const { live, history } = schedule.record;
  if (!live.some((run) => run.runId === runId) && !history.some((at) => at.runId === runId)) return;
  heard(schedule, runId, status);
  settleBefore(schedule, runId);
  leave(schedule, runId);
}

export function scheduledRunRefused(schedule: Schedule, runId: string, reason: string): void {
  if (!schedule.record.live.some((run) => run.runId === runId)) return;
  refused(schedule, runId, reason);
  leave(schedule, runId);
}

/** A run that had ended goes on: it is live again. */
export function scheduledRunReopened(schedule: Schedule, runId: string, instantNs: bigint): void {
  const { live } = schedule.record;
  heard(schedule, runId, RunStatus.UNSPECIFIED);
  if (live.length < SCHEDULE_LIVE_MAX && !live.some((run) => run.runId === runId))
    live.push(init(ScheduledRunSchema, { runId, instantNs }));
  saveSchedule(schedule);
}

function heard({ record }: Schedule, runId: string, status: RunStatus): void {
  const entry = record.history.findLast((at) => at.runId === runId);
  if (entry !== undefined) entry.runStatus = status;
}

function leave(schedule: Schedule, runId: string): void {
  const { record } = schedule;
  const at = record.live.findIndex((run) => run.runId === runId);
  if (at >= 0) record.live.splice(at, 1);
  beginBuffered(schedule);
  saveSchedule(schedule);
}
