/** ChangeSchedule: a schedule is paused, resumed, deleted, or begins a run at once. Its runs that have begun go on. */
import {
  type ChangeSchedule,
  type Command,
  type Outcome,
  PauseRequestSchema,
  RejectCode,
  RunStatus,
  ScheduleChange,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { SCHEDULE_LIVE_MAX, WHO_CHARS_MAX } from "../../limits.js";
import { nameProblem } from "../../names.js";
import { begin, beginBuffered, meetBefore } from "../../schedule/fire.js";
import { triggeredRunId } from "../../schedule/run-id.js";
import {
  findSchedule,
  planAnew,
  saveSchedule,
  type Schedule,
  settleAttention,
  unplan,
} from "../../schedule/schedule.js";
import { scheduleInputKey, scheduleKey } from "../../state/tables.js";
import { cutText } from "../../text.js";
import { noScheduleText, schedulePausedText } from "../../views/schedule-view.js";
import type { FoldContext } from "../context.js";
import { hasRoomFor } from "../messages/send.js";

export function changeSchedule(ctx: FoldContext, command: Command, wish: ChangeSchedule): Outcome {
  const { name } = wish;
  const badName = nameProblem("schedule", name);
  if (badName !== undefined) return ctx.reject(command, RejectCode.INVALID_NAME, badName);
  const schedule = findSchedule(ctx, name);
  if (schedule === undefined) return ctx.reject(command, RejectCode.NO_SUCH_SCHEDULE, noScheduleText(name));
  const who = cutText(wish.who, WHO_CHARS_MAX);
  switch (wish.change) {
    case ScheduleChange.PAUSE:
      return pause(schedule, command, who, wish.reason);
    case ScheduleChange.RESUME:
      return resume(schedule, command, who);
    case ScheduleChange.DELETE:
      return remove(schedule, command);
    case ScheduleChange.TRIGGER:
      return trigger(schedule, command, who);
    default: {
      const message = `nothing is said of what is to become of schedule "${name}": pause, resume, trigger or delete it`;
      return ctx.reject(command, RejectCode.MALFORMED, message);
    }
  }
}

function pause(schedule: Schedule, command: Command, who: string, reason: string): Outcome {
  const { ctx, name, record } = schedule;
  if (record.pause !== undefined) {
    const message = `schedule "${name}" is ${schedulePausedText(record.pause)} already`;
    return ctx.reject(command, RejectCode.PAUSED, message);
  }
  meetBefore(schedule);
  unplan(schedule);
  settleAttention(schedule);
  record.pause = init(PauseRequestSchema, {
    who,
    reason: cutText(reason || "no reason given", 512),
    atNs: ctx.atNs,
  });
  changed(schedule, who);
  return ctx.accept(command, { existed: true });
}

/** What came meanwhile is passed over by the next plan, and counted. */
function resume(schedule: Schedule, command: Command, who: string): Outcome {
  const { ctx, name, record } = schedule;
  if (record.pause === undefined)
    return ctx.reject(command, RejectCode.NOT_PAUSED, `schedule "${name}" is not paused`);
  record.pausedText = `its schedule was ${schedulePausedText(record.pause)}`;
  record.pausedUntilNs = ctx.atNs;
  record.pause = undefined;
  if (!record.exhausted) planAnew(schedule);
  beginBuffered(schedule);
  changed(schedule, who);
  return ctx.accept(command, { existed: true });
}

function changed(schedule: Schedule, who: string): void {
  schedule.record.changedAtNs = schedule.ctx.atNs;
  schedule.record.changedBy = who;
  saveSchedule(schedule);
}

function remove(schedule: Schedule, command: Command): Outcome {
  const { ctx, name } = schedule;
  meetBefore(schedule);
  unplan(schedule);
  settleAttention(schedule);
  ctx.view.del(scheduleKey(name));
  ctx.view.del(scheduleInputKey(name));
  ctx.applied.schedules -= 1;
  return ctx.accept(command, { existed: true });
}

function trigger(schedule: Schedule, command: Command, who: string): Outcome {
  const { ctx, name, record } = schedule;
  if (record.live.length >= SCHEDULE_LIVE_MAX) {
    const message = `${record.live.length} runs of schedule "${name}" have not ended, and no more may run at once: cancel some of them`;
    return ctx.reject(command, RejectCode.TOO_LARGE, message);
  }
  const runId = triggeredRunId(name, ctx.atNs, ctx.seq, ctx.nextRow());
  if (!hasRoomFor(ctx, runId)) {
    const message = `schedule "${name}" can't begin run ${runId}: its partition takes no messages, and too many wait for it already; try again later`;
    return ctx.reject(command, RejectCode.TOO_LARGE, message);
  }
  record.instants += 1n;
  begin(schedule, ctx.atNs, runId, who);
  saveSchedule(schedule);
  return ctx.accept(command, { runId, status: RunStatus.PENDING });
}
