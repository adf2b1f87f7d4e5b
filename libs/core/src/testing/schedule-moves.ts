/** Moves about schedules, drawn blindly: what people put, change and trigger, and what owners plan, rightly or not. */
import {
  type Command,
  PayloadSchema,
  ScheduleChange,
  ScheduleOverlap,
  type SchedulePlanned,
  type ScheduleRecord,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { partitionOf } from "../names.js";
import { scheduleKey } from "../state/tables.js";
import { inline, timersFired } from "./build.js";
import { at, WORKFLOWS } from "./control-moves.js";
import type { TestPartition } from "./partition.js";
import { changeSchedule, putSchedule, schedulePlanned, specOf } from "./schedule-build.js";

const SECOND_NS = 1_000_000_000n;
const wholeSecond = (ns: bigint): bigint => ns - (ns % SECOND_NS);

/** Two names that belong to the partition. */
function namesOf({ number, partitions }: TestPartition): string[] {
  const names: string[] = [];
  for (let i = 0; names.length < 2; i++) if (partitionOf(`s${i}`, partitions) === number) names.push(`s${i}`);
  return names;
}

const LARGE = inline("x".repeat(2_000));

/** Something that there is, mostly; now and then what nobody should send. */
export function scheduleMove(partition: TestPartition, pick: number, how: number): Command["kind"] {
  const name = at(
    [...namesOf(partition), ...namesOf(partition), "nobody", "Ł", ""],
    how === 63 ? pick : pick % 4,
  );
  const spec = specOf(at([...WORKFLOWS, "first", "nowhere"], pick >> 2), {
    cron: at(["* * * * *", "* * * * *", "*/2 * * * *", "\u001b"], how % 16 === 9 ? pick : 0),
    overlap: at(
      [ScheduleOverlap.SKIP, ScheduleOverlap.BUFFER, ScheduleOverlap.BUFFER, ScheduleOverlap.ALLOW],
      how >> 2,
    ),
    catchUpMs: 10_000n,
    bufferMax: at([0, 1, 2], how >> 3),
    input: at([inline({ rows: [1, 2, 3] }), inline({ rows: [1] }), LARGE, init(PayloadSchema)], how >> 4),
  });
  const changes = [
    ScheduleChange.PAUSE,
    ScheduleChange.RESUME,
    ScheduleChange.RESUME,
    ScheduleChange.TRIGGER,
    ScheduleChange.TRIGGER,
    pick % 2 === 0 ? ScheduleChange.DELETE : ScheduleChange.RESUME,
    how === 62 ? (9 as ScheduleChange) : ScheduleChange.RESUME,
  ];
  const there = partition.view.keysOf("e").length > 0;
  return how % 4 === 0 || !there
    ? putSchedule(name, spec, { createOnly: how % 32 === 28 })
    : changeSchedule(name, at(changes, how));
}

/** The plan that a schedule waits for, or one that it does not. */
export function planMove({ view, nowNs }: TestPartition, pick: number, how: number): Command | undefined {
  const names = view.keysOf("e").map((key) => key.slice(1));
  if (names.length === 0) return undefined;
  const name = at(names, pick);
  const { revision, afterNs, pausedUntilNs } = view.get(scheduleKey(name)) as ScheduleRecord;
  const base = { name, revision, afterNs };
  const nextNs = wholeSecond(afterNs) + SECOND_NS;
  const lateNs = wholeSecond(nowNs - 12n * SECOND_NS);
  const passTo = pausedUntilNs >= nextNs ? wholeSecond(pausedUntilNs) : lateNs;
  const passed = Number((passTo - nextNs) / SECOND_NS) + 1;
  if (passTo >= nextNs && passed > 0 && passed <= 10_000 && how % 8 !== 7)
    return schedulePlanned({ ...base, passed, firstNs: nextNs, lastNs: passTo });
  const wrong: readonly Init<SchedulePlanned>[] = [
    { ...base, revision: revision + 1n, nextNs },
    { ...base, afterNs: afterNs - 1n, nextNs },
    { ...base, nextNs: nextNs + 1n },
    { ...base, nextNs: wholeSecond(afterNs) },
    { ...base, passed: 4_000_000_000, firstNs: nextNs, lastNs: nextNs + SECOND_NS },
    { ...base, passed: 1, firstNs: nextNs, lastNs: nextNs },
    { ...base, name: "Ł", nextNs },
    { ...base, name: "nobody", nextNs },
  ];
  if (how % 8 === 7) return schedulePlanned(at(wrong, how >> 3));
  if (how % 16 === 1) return schedulePlanned({ ...base, error: "it can't be computed here" });
  return schedulePlanned(how === 2 ? base : { ...base, nextNs });
}

/** The next planned instant comes, in time or later than may be. */
export function instantMove(partition: TestPartition, pick: number): Command | undefined {
  const planned = partition.view
    .keysOf("e")
    .flatMap((key) => partition.view.get(scheduleKey(key.slice(1)))?.nextNs ?? [])
    .filter((ns) => ns > 0n);
  const first = planned.reduce((least, ns) => (ns < least ? ns : least), planned[0] ?? 0n);
  if (first === 0n) return undefined;
  const untilNs = first + at([0n, 0n, 0n, 0n, 2n * SECOND_NS, 30n * SECOND_NS], pick);
  if (untilNs > partition.nowNs) partition.nowNs = untilNs;
  return timersFired(partition.nowNs + SECOND_NS);
}
