/**
 * SchedulePlanned: the owner has computed which instant of a schedule comes next, or which ones have been passed over.
 *
 * 1. A plan counts only where the schedule still stands as it did when the plan was made: a second one, or one of before a change,
 *    changes nothing.
 * 2. What is passed over fell into a pause, or is older than the catch-up window by the log's own time: nothing else may be.
 */
import {
  type Command,
  type Outcome,
  RejectCode,
  type SchedulePlanned,
  ScheduleOutcome,
} from "@holdfast/proto";
import { DETAIL_CHARS_MAX, SCHEDULE_PASSED_MAX } from "../../limits.js";
import { quoted } from "../../names.js";
import { lateText } from "../../schedule/fire.js";
import {
  countInstants,
  findSchedule,
  missed,
  note,
  planNext,
  saveSchedule,
  settleAttention,
  type Schedule,
  takesPlan,
  tellOperators,
} from "../../schedule/schedule.js";
import { resolveSchedule } from "../../schedule/validate.js";
import { cutText } from "../../text.js";
import { noScheduleText } from "../../views/schedule-view.js";
import type { FoldContext } from "../context.js";

const SECOND_NS = 1_000_000_000n;
const MS = 1_000_000n;

export function schedulePlanned(ctx: FoldContext, command: Command, plan: SchedulePlanned): Outcome {
  const schedule = findSchedule(ctx, plan.name);
  if (schedule === undefined)
    return ctx.reject(command, RejectCode.NO_SUCH_SCHEDULE, noScheduleText(plan.name));
  const { record } = schedule;
  if (!takesPlan(record) || record.revision !== plan.revision || record.afterNs !== plan.afterNs) {
    const message = `schedule ${quoted(plan.name)} does not wait for this plan: it was changed, paused or planned since`;
    return ctx.reject(command, RejectCode.NOT_WAITING, message);
  }
  const wrong =
    plan.error !== "" ? undefined : plan.passed > 0 ? passedProblem(schedule, plan) : nextProblem(plan);
  if (wrong !== undefined) {
    const message = `the plan of schedule ${quoted(plan.name)} can't be: ${wrong}`;
    return ctx.reject(command, RejectCode.MALFORMED, message);
  }
  if (plan.error === "" && record.invalid !== "") settleAttention(schedule);
  if (plan.error !== "") invalid(schedule, cutText(plan.error, DETAIL_CHARS_MAX));
  else if (plan.passed > 0) passOver(schedule, plan);
  else if (plan.nextNs > 0n) planNext(schedule, plan.nextNs);
  else {
    record.exhausted = true;
    record.invalid = "";
  }
  saveSchedule(schedule);
  return ctx.accept(command, { existed: true });
}

function invalid(schedule: Schedule, why: string): void {
  const { record } = schedule;
  if (record.invalid === "") tellOperators(schedule, `can't be planned: ${why}`);
  record.invalid = why;
}

function nextProblem({ nextNs, afterNs }: SchedulePlanned): string | undefined {
  if (nextNs === 0n) return undefined;
  if (nextNs <= afterNs) return "its instant does not come after the last one";
  return nextNs % SECOND_NS === 0n ? undefined : "its instant is no whole second";
}

/** Also where they are some of each kind: they are to be told apart. */
function passedProblem({ ctx, record }: Schedule, plan: SchedulePlanned): string | undefined {
  const { passed, firstNs, lastNs, afterNs } = plan;
  if (firstNs <= afterNs || lastNs < firstNs || firstNs % SECOND_NS !== 0n || lastNs % SECOND_NS !== 0n)
    return "what it passes over does not come after the last instant, in whole seconds";
  if (passed > SCHEDULE_PASSED_MAX || BigInt(passed) > (lastNs - firstNs) / SECOND_NS + 1n)
    return `${passed} instants are too many to be passed over at once`;
  if (lastNs <= record.pausedUntilNs) return undefined;
  const { catchUpMs } = resolveSchedule(record.spec);
  if (firstNs > record.pausedUntilNs && ctx.atNs > lastNs + catchUpMs * MS) return undefined;
  return "what it passes over neither fell into a pause nor is older than the catch-up window";
}

function passOver(schedule: Schedule, { passed, firstNs, lastNs }: SchedulePlanned): void {
  const { record } = schedule;
  const passedOver = BigInt(passed);
  record.afterNs = lastNs;
  record.instants += passedOver;
  record.invalid = "";
  const what = { instantNs: firstNs, untilNs: lastNs, count: passedOver };
  if (lastNs <= record.pausedUntilNs) {
    record.skipped += passedOver;
    countInstants(schedule, "skipped", passedOver);
    note(schedule, { ...what, outcome: ScheduleOutcome.SKIPPED, reason: record.pausedText });
  } else missed(schedule, what, lateText(resolveSchedule(record.spec).catchUpMs));
}
