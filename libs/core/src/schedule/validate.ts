/**
 * What a schedule may be, as far as can be said without a calendar: whether its cron expression and time zone mean anything is for
 * whoever can compute instants.
 */
import { ScheduleOverlap, type ScheduleSpec } from "@holdfast/proto";
import {
  CRON_CHARS_MAX,
  SCHEDULE_BUFFER_DEFAULT,
  SCHEDULE_BUFFER_MAX,
  SCHEDULE_CATCH_UP_DEFAULT_MS,
  SCHEDULE_CATCH_UP_MS_MAX,
  SCHEDULE_CATCH_UP_MS_MIN,
  TIME_ZONE_CHARS_MAX,
} from "../limits.js";
import { nameProblem, quoted } from "../names.js";
import { spanText } from "../text.js";

const PRINTABLE = /^[\x20-\x7e]+$/;
const TIME_ZONE = /^[A-Za-z0-9_+/-]*$/;

/** A sentence that says what is wrong and what is allowed; undefined: nothing is. */
export function scheduleProblem(spec: ScheduleSpec | undefined): string | undefined {
  if (spec === undefined) return "it does not say what it is to do: name a workflow and a cron expression";
  const { workflow, cron, timeZone, catchUpMs, bufferMax } = spec;
  const badName = nameProblem("workflow", workflow);
  if (badName !== undefined) return badName;
  if (cron.length > CRON_CHARS_MAX || !PRINTABLE.test(cron))
    return `the cron expression ${quoted(cron)} is not one: use 1 to ${CRON_CHARS_MAX} printable ASCII characters`;
  if (timeZone.length > TIME_ZONE_CHARS_MAX || !TIME_ZONE.test(timeZone))
    return `${quoted(timeZone)} is no time zone: use an IANA name such as Europe/Berlin, of at most ${TIME_ZONE_CHARS_MAX} characters`;
  if (ScheduleOverlap[spec.overlap] === undefined)
    return `there is no overlap policy ${spec.overlap}: use skip, buffer or allow`;
  if (catchUpMs !== 0n && (catchUpMs < SCHEDULE_CATCH_UP_MS_MIN || catchUpMs > SCHEDULE_CATCH_UP_MS_MAX))
    return `the catch-up window is ${catchUpMs} ms: it may be ${spanText(SCHEDULE_CATCH_UP_MS_MIN)} to ${spanText(SCHEDULE_CATCH_UP_MS_MAX)}`;
  if (bufferMax > SCHEDULE_BUFFER_MAX)
    return `${bufferMax} instants are to be buffered: at most ${SCHEDULE_BUFFER_MAX} may be`;
  return undefined;
}

/** The policies of a schedule with what they say by default filled in. */
export interface ResolvedSchedule {
  readonly overlap: ScheduleOverlap;
  readonly catchUpMs: bigint;
  readonly bufferMax: number;
}

export function resolveSchedule(spec: ScheduleSpec | undefined): ResolvedSchedule {
  return {
    overlap: spec?.overlap || ScheduleOverlap.SKIP,
    catchUpMs: spec?.catchUpMs || SCHEDULE_CATCH_UP_DEFAULT_MS,
    bufferMax: spec?.bufferMax || SCHEDULE_BUFFER_DEFAULT,
  };
}
