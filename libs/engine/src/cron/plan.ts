/** What the owner says of a schedule as it stands: its next instant, what is passed over before it, or why there can't be one. */
import { resolveSchedule } from "@holdfast/core";
import { type SchedulePlanned, SchedulePlannedSchema, type ScheduleRecord } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { instantsOf } from "./cron.js";

const MS = 1_000_000n;
/** Instants that one plan passes over: computing them holds the process up. */
export const PASSED_A_PLAN = 500;
/** The log's clock may be behind this node's: only what is too old by more than this is passed over. */
const CLOCK_MARGIN_NS = 1_000_000_000n;

/** `nowNs`: of this node. */
export function planOf(name: string, record: ScheduleRecord, nowNs: bigint): SchedulePlanned {
  const { revision, afterNs } = record;
  const base = { name, revision, afterNs };
  try {
    const instants = instantsOf(record.spec?.cron ?? "", record.spec?.timeZone ?? "");
    if (typeof instants === "string") return init(SchedulePlannedSchema, { ...base, error: instants });
    const firstNs = instants.after(afterNs);
    if (firstNs === undefined) return init(SchedulePlannedSchema, base);
    const passedUntilNs = passedUntil(record, firstNs, nowNs);
    if (firstNs > passedUntilNs) return init(SchedulePlannedSchema, { ...base, nextNs: firstNs });
    let lastNs = firstNs;
    let passed = 1;
    for (; passed < PASSED_A_PLAN; passed++) {
      const nextNs = instants.after(lastNs);
      if (nextNs === undefined || nextNs > passedUntilNs) break;
      lastNs = nextNs;
    }
    return init(SchedulePlannedSchema, { ...base, passed, firstNs, lastNs });
  } catch (error) {
    return init(SchedulePlannedSchema, {
      ...base,
      error: error instanceof Error ? error.message : String(error),
    });
  }
}

/** Instants up to this one are not begun any more: they fell into a pause, or else are too old. */
function passedUntil(record: ScheduleRecord, firstNs: bigint, nowNs: bigint): bigint {
  if (firstNs <= record.pausedUntilNs) return record.pausedUntilNs;
  return nowNs - resolveSchedule(record.spec).catchUpMs * MS - CLOCK_MARGIN_NS;
}
