/** PutSchedule, GetSchedule, ListSchedules and ChangeSchedule: runs that begin by themselves. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { nameProblem, PRIORITY_MAX, timestamp } from "@holdfast/core";
import {
  changeScheduleCommand,
  putScheduleCommand,
  schedulingProblem,
  upcomingInstants,
} from "@holdfast/engine";
import {
  type ChangeScheduleRequest,
  type GetScheduleRequest,
  type ListSchedulesRequest,
  type PutScheduleRequest,
  ScheduleChange,
  ScheduleOverlap,
  type ScheduleSpec,
  ScheduleSpecSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { CallContext } from "@holdfast/rpc";
import { commandId, submit } from "./control-command.js";
import { refusedError } from "./errors.js";
import { type AdminParts, withinDeadline } from "./parts.js";
import { checkInput, encodeInput, registered } from "./start-run.js";
import * as check from "./validate/fields.js";
import { jsonField } from "./validate/json-value.js";

const UPCOMING_SHOWN = 3;

export async function putSchedule(parts: AdminParts, request: PutScheduleRequest, context: CallContext) {
  const name = scheduleName(request.name);
  const { cron, timeZone, catchUpMs, bufferMax } = request;
  const workflow = check.workflowName(request.workflow);
  const input = jsonField("input_json", request.inputJson);
  await checkInput(parts, await registered(parts, workflow), input);
  const spec = init(ScheduleSpecSchema, {
    workflow,
    cron,
    timeZone,
    priority: check.intInRange("priority", request.priority, -PRIORITY_MAX, PRIORITY_MAX),
    overlap: check.enumValue("overlap", ScheduleOverlap, request.overlap),
    catchUpMs,
    bufferMax,
  });
  const problem = schedulingProblem(spec);
  if (problem !== undefined) throw check.invalid(fieldAtFault(spec), problem, { reason: "INVALID_SCHEDULE" });
  spec.input = await encodeInput(parts, input);
  const nowMs = parts.clock.nowMs();
  const command = putScheduleCommand({
    name,
    spec,
    createOnly: request.createOnly,
    who: context.who,
    id: commandId("schedule-put", name, check.requestId(request.requestId)),
    nowMs,
  });
  const { accepted, rejected } = await submit(parts, name, command);
  if (rejected !== undefined) throw refusedError(rejected);
  const upcoming = upcomingInstants(spec, nowMs, UPCOMING_SHOWN).flatMap((ns) => timestamp(ns) ?? []);
  return { existed: accepted.existed, upcoming };
}

/** Which field the problem is of: the one without which there is none. */
function fieldAtFault(spec: ScheduleSpec): string {
  const without: readonly (readonly [string, Partial<ScheduleSpec>])[] = [
    ["time_zone", { timeZone: "" }],
    ["catch_up_ms", { catchUpMs: 0n }],
    ["buffer_max", { bufferMax: 0 }],
  ];
  return without.find(([, rest]) => schedulingProblem({ ...spec, ...rest }) === undefined)?.[0] ?? "cron";
}

export async function getSchedule(parts: AdminParts, request: GetScheduleRequest, context: CallContext) {
  const name = scheduleName(request.name);
  const schedule = await parts.queries.schedule(name, withinDeadline(context, parts.clock));
  const { next, spec } = schedule;
  if (next === undefined || spec === undefined) return { schedule };
  const later = upcomingInstants(spec, timestampMs(next), UPCOMING_SHOWN - 1);
  return { schedule, upcoming: [next, ...later.flatMap((ns) => timestamp(ns) ?? [])] };
}

export async function listSchedules(parts: AdminParts, request: ListSchedulesRequest, context: CallContext) {
  const { pageToken } = request;
  if (pageToken !== "" && nameProblem("schedule", pageToken) !== undefined)
    throw check.invalid("page_token", "it is not of this list; leave it out to begin with the first page");
  const filter = {
    workflow: check.optionalWorkflow(request.workflow),
    pageSize: check.pageSize(request.pageSize),
    pageToken,
  };
  return await parts.queries.schedules(filter, withinDeadline(context, parts.clock));
}

export async function changeSchedule(
  parts: AdminParts,
  request: ChangeScheduleRequest,
  context: CallContext,
) {
  const name = scheduleName(request.name);
  const change = check.enumValue("change", ScheduleChange, request.change);
  if (change === ScheduleChange.UNSPECIFIED)
    throw check.invalid("change", "Say what is to become of it: PAUSE, RESUME, TRIGGER or DELETE.");
  const command = changeScheduleCommand({
    name,
    change,
    who: context.who,
    reason: check.reason(request.reason),
    id: commandId(KINDS[change], name, check.requestId(request.requestId)),
    nowMs: parts.clock.nowMs(),
  });
  const { accepted, rejected } = await submit(parts, name, command);
  if (rejected !== undefined) throw refusedError(rejected);
  return { runId: accepted.runId };
}

const KINDS = {
  [ScheduleChange.PAUSE]: "schedule-pause",
  [ScheduleChange.RESUME]: "schedule-resume",
  [ScheduleChange.TRIGGER]: "schedule-trigger",
  [ScheduleChange.DELETE]: "schedule-delete",
} as const;

function scheduleName(value: string): string {
  const problem = nameProblem("schedule", value);
  if (problem !== undefined) throw check.invalid("name", problem);
  return value;
}
