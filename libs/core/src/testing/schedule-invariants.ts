/**
 * What must hold of schedules: every instant is counted once and begins one run at most; whoever needs a plan has asked for it.
 */
import {
  type PartitionMessage,
  RunStatus,
  ScheduleOutcome,
  type ScheduleRecord,
  ScheduleRecordSchema,
  TimerKind,
  type TimerRecord,
} from "@holdfast/proto";
import { decode } from "@holdfast/proto/codec";
import { SCHEDULE_BUFFER_MAX, SCHEDULE_HISTORY_MAX, SCHEDULE_LIVE_MAX } from "../limits.js";
import { needsPlan } from "../schedule/schedule.js";
import {
  appliedKey,
  markedPartition,
  outboxKey,
  receivedMarkKey,
  runKey,
  scheduleInputKey,
  scheduleKey,
  SENT_MARKS,
  sentMarkKey,
  timerDue,
} from "../state/tables.js";
import { isRunTerminal } from "../status.js";
import { must } from "./must.js";
import type { TestPartition } from "./partition.js";

export function checkSchedules(partition: TestPartition): void {
  const { view, plansWanted } = partition;
  const names = view.keysOf("e").map((key) => key.slice(1));
  must((view.get(appliedKey)?.schedules ?? 0) === names.length, "schedules are counted");
  const timers = view
    .keysOf("t")
    .map((key) => ({ dueNs: timerDue(key), timer: view.get(key) as TimerRecord }))
    .filter(({ timer }) => timer.kind === TimerKind.SCHEDULE);
  let planned = 0;
  for (const name of names) {
    const record = view.get(scheduleKey(name)) as ScheduleRecord;
    checkRecord(name, record);
    const large = record.spec?.input?.body.case === "stored";
    must(
      large === (view.get(scheduleInputKey(name)) !== undefined),
      `schedule ${name}: a large input is kept`,
    );
    if (record.nextNs > 0n) {
      planned += 1;
      const own = timers.filter(({ dueNs, timer }) => timer.schedule === name && dueNs === record.nextNs);
      must(own.length === 1, `schedule ${name} has one timer at its next instant`);
    }
    if (!needsPlan(record)) plansWanted.delete(name);
    else must(plansWanted.has(name), `schedule ${name} has asked for its plan`);
  }
  must(timers.length === planned, "no timer of a schedule outlives its plan");
  const inputs = view.keysOf("E").length;
  must(inputs <= names.length, "no input outlives its schedule");
  checkAsked(partition);
  if (partition.partitions === 1) checkLive(partition, names);
}

function checkRecord(name: string, record: ScheduleRecord): void {
  const what = `schedule ${name}`;
  const { instants, started, skipped, missed, refused, buffered, live, history } = record;
  must(
    instants === started + skipped + missed + refused + BigInt(buffered.length),
    `${what}: I7: every instant is counted once`,
  );
  must(
    [started, skipped, missed, refused].every((count) => count >= 0n),
    `${what}: counts are no debts`,
  );
  must(
    live.length <= SCHEDULE_LIVE_MAX && history.length <= SCHEDULE_HISTORY_MAX,
    `${what}: I14: is bounded`,
  );
  must(buffered.length <= SCHEDULE_BUFFER_MAX, `${what}: I14: its buffer is bounded`);
  must(new Set(live.map(({ runId }) => runId)).size === live.length, `${what}: each live run is there once`);
  must(
    buffered.every((ns, i) => i === 0 || ns > (buffered[i - 1] as bigint)),
    `${what}: what waits is in order`,
  );
  must(
    buffered.length === 0 || live.length > 0 || record.pause !== undefined,
    `${what}: nothing waits for nothing`,
  );
  must(record.nextNs === 0n || record.nextNs > record.afterNs, `${what}: its next instant is to come`);
  must(
    record.nextNs === 0n || (record.pause === undefined && !record.exhausted && record.invalid === ""),
    `${what}: has a next instant only while it goes on`,
  );
  for (const { outcome, reason, runId, atNs, count } of history) {
    must(
      ScheduleOutcome[outcome] !== undefined && atNs > 0n && count > 0n,
      `${what}: its history says what and when`,
    );
    const ran = outcome === ScheduleOutcome.STARTED || outcome === ScheduleOutcome.REFUSED;
    must(ran === (runId !== ""), `${what}: its history names its runs`);
    must(
      (reason === "") === (outcome === ScheduleOutcome.STARTED || outcome === ScheduleOutcome.BUFFERED),
      `${what}: I7: says why an instant did not begin`,
    );
  }
}

/** An instant begins one run at most: each run id is asked for once, ever. */
function checkAsked({ view, asked }: TestPartition): void {
  for (const key of view.keysOf("o")) {
    const kind = view.get<{ message?: PartitionMessage }>(key)?.message?.kind;
    if (kind?.case !== "startRequested" || kind.value.requester?.of.case !== "schedule") continue;
    const runId = kind.value.start?.runId ?? "";
    must((asked.get(runId) ?? key) === key, `run ${runId} was asked for once`);
    asked.set(runId, key);
  }
}

/** Of a partition by itself: what is live is asked for, or there and has not ended, or its end is on its way. */
function checkLive(partition: TestPartition, names: readonly string[]): void {
  const { view } = partition;
  const underWay = new Set<string>();
  for (const key of view.keysOf(SENT_MARKS)) {
    const to = markedPartition(key);
    const sent = view.get(sentMarkKey(to))?.n ?? 0n;
    for (let n = (view.get(receivedMarkKey(to))?.n ?? 0n) + 1n; n <= sent; n++) {
      const kind = view.get(outboxKey(to, n))?.message?.kind;
      if (kind?.case === "startRequested") underWay.add(kind.value.start?.runId ?? "");
      else if (kind?.case === "requestEnded") underWay.add(kind.value.ended?.runId ?? "");
      else if (kind?.case === "requestRefused" || kind?.case === "requestReopened")
        underWay.add(kind.value.runId);
    }
  }
  for (const name of names) {
    const { live } = view.get(scheduleKey(name)) as ScheduleRecord;
    for (const { runId } of live) {
      const run = view.get(runKey(runId));
      const open = run !== undefined && (!isRunTerminal(run.status) || run.recoverAtNs > 0n);
      must(open || underWay.has(runId), `schedule ${name}: run ${runId} is live, or its end is on its way`);
    }
  }
  checkKnown(partition, underWay);
}

/** And what has not ended is live, where its schedule is still the one that began it. */
function checkKnown({ view }: TestPartition, underWay: ReadonlySet<string>): void {
  for (const key of view.keysOf("r")) {
    const runId = key.slice(1);
    const run = view.get(runKey(runId));
    if (run?.requester?.of.case !== "schedule" || underWay.has(runId)) continue;
    const { name, incarnation } = run.requester.of.value;
    const schedule = view.get(scheduleKey(name));
    if (schedule?.incarnation !== incarnation) continue;
    const open = !isRunTerminal(run.status) || run.recoverAtNs > 0n;
    const isLive = schedule.live.some((live) => live.runId === runId);
    must(open === isLive, `schedule ${name} knows whether run ${runId} (${RunStatus[run.status]}) has ended`);
  }
}

/** What one entry may do to a schedule: it goes forward, and loses no instant that had come. */
export function checkScheduleStep(name: string, before: Uint8Array, after: Uint8Array, atNs: bigint): void {
  const old = decode(ScheduleRecordSchema, before);
  const now = decode(ScheduleRecordSchema, after);
  if (old.incarnation !== now.incarnation) return;
  must(now.afterNs >= old.afterNs, `schedule ${name} never goes back`);
  must(now.instants >= old.instants, `schedule ${name}: counted instants stay counted`);
  must(now.revision >= old.revision, `schedule ${name}: its revision never goes down`);
  const met = old.nextNs > 0n && old.nextNs <= atNs && now.nextNs !== old.nextNs;
  must(!met || now.instants > old.instants, `I7: schedule ${name} lost its instant of ${old.nextNs}`);
}
