/** Short ways to write schedules and their commands in tests, and to do what a schedule's owner does. */
import {
  ChangeScheduleSchema,
  type Command,
  type Outcome,
  PutScheduleSchema,
  type PutSchedule,
  type ScheduleChange,
  SchedulePlannedSchema,
  type SchedulePlanned,
  type ScheduleRecord,
  ScheduleSpecSchema,
  type ScheduleSpec,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { scheduleKey } from "../state/tables.js";
import { command } from "./build.js";
import type { TestPartition } from "./partition.js";

/** Every minute; tests compute its instants themselves. */
export const EVERY_MINUTE = "* * * * *";

export const specOf = (workflow: string, fields: Init<ScheduleSpec> = {}): ScheduleSpec =>
  init(ScheduleSpecSchema, { workflow, cron: EVERY_MINUTE, ...fields });

export const putSchedule = (
  name: string,
  spec: ScheduleSpec | undefined,
  fields: Init<PutSchedule> = {},
): Command["kind"] => ({
  case: "putSchedule",
  value: init(PutScheduleSchema, { name, spec, who: "ann", ...fields }),
});

export const changeSchedule = (name: string, change: ScheduleChange, reason = "to see"): Command["kind"] => ({
  case: "changeSchedule",
  value: init(ChangeScheduleSchema, { name, change, who: "ann", reason }),
});

export const schedulePlanned = (fields: Init<SchedulePlanned>): Command =>
  command({ case: "schedulePlanned", value: init(SchedulePlannedSchema, fields) });

export const scheduleOf = ({ view }: TestPartition, name: string): ScheduleRecord => {
  const record = view.get(scheduleKey(name));
  if (record === undefined) throw new Error(`there is no schedule ${name}`);
  return record;
};

let correlation = 1n << 32n;

/** The owner's plan for the schedule as it stands, unless it says otherwise. */
export function plan(
  partition: TestPartition,
  name: string,
  fields: Init<SchedulePlanned>,
): Outcome["result"] {
  const { revision, afterNs } = scheduleOf(partition, name);
  const sent = schedulePlanned({ name, revision, afterNs, ...fields });
  sent.correlation = correlation++;
  const [outcome] = partition.asOwner(sent);
  if (outcome === undefined) throw new Error("a plan was not answered");
  return outcome.result;
}
