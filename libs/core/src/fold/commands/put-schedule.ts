/**
 * PutSchedule: a schedule is made, or does something else from now on.
 *
 * 1. An instant that had come before is met as the schedule was then.
 * 2. What is live goes on and counts. A change of anything but expression and time zone leaves the next instant as it is.
 */
import {
  type Command,
  type Outcome,
  PayloadRecordSchema,
  type Payload,
  PayloadSchema,
  type PutSchedule,
  RejectCode,
  ScheduleOverlap,
  ScheduleRecordSchema,
  type ScheduleSpec,
  ScheduleSpecSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { payloadProblem } from "../../actor/actor.js";
import { EMBEDDED_PAYLOAD_BYTES_MAX, PRIORITY_MAX, SCHEDULES_MAX, WHO_CHARS_MAX } from "../../limits.js";
import { nameProblem, partitionOf } from "../../names.js";
import { beginBuffered, dropBuffered, meetBefore } from "../../schedule/fire.js";
import {
  findSchedule,
  planAnew,
  saveSchedule,
  type Schedule,
  settleAttention,
} from "../../schedule/schedule.js";
import { resolveSchedule, scheduleProblem } from "../../schedule/validate.js";
import { scheduleInputKey } from "../../state/tables.js";
import { cutText } from "../../text.js";
import type { FoldContext } from "../context.js";

export function putSchedule(ctx: FoldContext, command: Command, put: PutSchedule): Outcome {
  const { name, spec } = put;
  const badName = nameProblem("schedule", name);
  if (badName !== undefined) return ctx.reject(command, RejectCode.INVALID_NAME, badName);
  const elsewhere = partitionOf(name, ctx.partitions);
  if (elsewhere !== ctx.applied.partition) {
    const message = `schedule "${name}" belongs to partition ${elsewhere}, and this is ${ctx.applied.partition}: send it there`;
    return ctx.reject(command, RejectCode.MALFORMED, message);
  }
  const wrong = scheduleProblem(spec);
  if (wrong !== undefined || spec === undefined)
    return ctx.reject(command, RejectCode.INVALID_SCHEDULE, `schedule "${name}" can't be put: ${wrong}`);
  const badInput = payloadProblem(spec.input);
  if (badInput !== undefined) {
    const message = `the input of schedule "${name}" can't be kept: ${badInput.message}`;
    return ctx.reject(command, badInput.code, message);
  }
  const there = findSchedule(ctx, name);
  if (there !== undefined && put.createOnly) {
    const message = `there is a schedule "${name}" already: put it to change it, or choose another name`;
    return ctx.reject(command, RejectCode.SCHEDULE_EXISTS, message);
  }
  if (there === undefined && ctx.applied.schedules >= SCHEDULES_MAX) {
    const message = `${SCHEDULES_MAX} schedules are in partition ${ctx.applied.partition} already: delete some of them first`;
    return ctx.reject(command, RejectCode.TOO_LARGE, message);
  }
  const schedule = there ?? made(ctx, name);
  if (there !== undefined) meetBefore(schedule);
  settleAttention(schedule);
  const { record } = schedule;
  record.changedAtNs = ctx.atNs;
  record.changedBy = cutText(put.who, WHO_CHARS_MAX);
  const before = record.spec;
  record.spec = init(ScheduleSpecSchema, {
    ...spec,
    input: keepInput(schedule, spec.input),
    priority: Math.max(-PRIORITY_MAX, Math.min(PRIORITY_MAX, spec.priority)),
  });
  if (before === undefined || isTimedAnew(before, spec) || record.invalid !== "") {
    planAnew(schedule);
    record.afterNs = ctx.atNs;
  }
  if (resolveSchedule(spec).overlap !== ScheduleOverlap.BUFFER)
    dropBuffered(schedule, "its schedule was changed, and buffers no longer");
  beginBuffered(schedule);
  saveSchedule(schedule);
  return ctx.accept(command, { existed: there !== undefined });
}

function made(ctx: FoldContext, name: string): Schedule {
  ctx.applied.schedules += 1;
  const record = init(ScheduleRecordSchema, {
    incarnation: BigInt(ctx.seq),
    createdAtNs: ctx.atNs,
    live: [],
    buffered: [],
    history: [],
  });
  return { ctx, name, record };
}

const isTimedAnew = (before: ScheduleSpec, now: ScheduleSpec): boolean =>
  before.cron !== now.cron || before.timeZone !== now.timeZone;

/** A small input is within the record, a larger one beside it, since the record is written with each instant. */
function keepInput({ ctx, name }: Schedule, input: Payload | undefined): Payload | undefined {
  const key = scheduleInputKey(name);
  if (input?.body.case !== "inline" || input.body.value.length <= EMBEDDED_PAYLOAD_BYTES_MAX) {
    ctx.view.del(key);
    return input;
  }
  ctx.view.put(key, init(PayloadRecordSchema, { body: input.body.value }));
  const { encoding } = input;
  return init(PayloadSchema, { body: { case: "stored", value: input.body.value.length }, encoding });
}
