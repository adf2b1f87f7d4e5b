/**
 * Holds a schedule against its timer, its runs and its own counts. Reads only; mends nothing.
 *
 * I7: every instant is counted once. I10: a run that it waits for is there, or word of it is on its way; nothing waits in the buffer for nothing.
 * I13: its next instant has its timer.
 */
import { RunStatus, type ScheduleRecord, TimerKind } from "@holdfast/proto";
import { partitionOf } from "../names.js";
import { receivedMarkKey, runKey, sentMarkKey, timerKey } from "../state/tables.js";
import type { View } from "../state/view.js";
import { isRunTerminal } from "../status.js";
import { timeText } from "../text.js";
import type { FoundInBooks } from "./found.js";

export interface WhereChecked {
  readonly partition: number;
  readonly partitions: number;
}

/** Runs in other partitions are not looked at: what has become of them is known there. */
export function checkSchedule(
  view: View,
  name: string,
  record: ScheduleRecord,
  where: WhereChecked,
): FoundInBooks[] {
  const found: FoundInBooks[] = [];
  const say = (rule: FoundInBooks["rule"], message: string): void => {
    found.push({ rule, of: name, message: `schedule ${name}: ${message}` });
  };
  const { instants, started, skipped, missed, refused, buffered, live, nextNs } = record;
  const counted = started + skipped + missed + refused + BigInt(buffered.length);
  if (instants !== counted)
    say(
      "I7",
      `${instants} instants have come, but ${counted} are started, skipped, missed, refused or buffered`,
    );
  if (buffered.length > 0 && live.length === 0 && record.pause === undefined)
    say("I10", `${buffered.length} instants wait for runs that have not ended, but there are none`);
  if (nextNs > 0n) {
    const timer = view.get(timerKey(nextNs, Number(record.timerSeq), record.timerRow));
    if (timer?.kind !== TimerKind.SCHEDULE || timer.schedule !== name)
      say("I13", `its next instant is ${timeText(nextNs)}, but no timer is set for it`);
  }
  if (isOnItsWay(view, where.partition)) return found;
  for (const { runId } of live) {
    if (partitionOf(runId, where.partitions) !== where.partition) continue;
    const run = view.get(runKey(runId));
    if (run === undefined) say("I10", `it waits for run ${runId}, which is not there`);
    else if (isRunTerminal(run.status) && run.recoverAtNs === 0n)
      say("I10", `it waits for run ${runId}, which is ${RunStatus[run.status]}`);
  }
  return found;
}

/** A partition's messages to itself that it has not had yet. */
const isOnItsWay = (view: View, partition: number): boolean =>
  (view.get(sentMarkKey(partition))?.n ?? 0n) !== (view.get(receivedMarkKey(partition))?.n ?? 0n);
