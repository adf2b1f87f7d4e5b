/**
 * The parts of a check beside the runs: failure signatures, schedules, bulk operations, breakers. Changes nothing.
 *
 * 1. Bounded work an answer. What is held against each other is of one moment: read without waiting in between, or seen to be unchanged since.
 */
import {
  breakerKey,
  checkBreaker,
  checkBreakerTotals,
  checkBulkOperation,
  checkBulkShare,
  candidatePrefix,
  checkSchedule,
  checkSignatureTotals,
  type FoundInBooks,
  heldKey,
  isUnchanged,
  prefixEnd,
  readBreakerKey,
  readStatusKey,
  runKey,
  scheduleKey,
  SignatureTally,
  signatureKey,
  signatureListKey,
  signatureRunsPrefix,
  statusPrefix,
  sumOf,
} from "@holdfast/core";
import {
  type AppliedRecord,
  type BreakerRecord,
  BreakerStatus,
  BulkPartSchema,
  type BulkRecord,
  type BulkShareRecord,
  CheckSection,
  type HeldRecord,
  RunStatus,
  SignatureRecordSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { PartitionState } from "./state.js";

const NAMES_A_PAGE = 500;
const OPERATIONS_MAX = 1_000;
const HELD_LOOKED_AT_MAX = 1_000;
const RUNS_A_LOOK = 500;
/** Of a workflow with more runs that go on or have failed, totals of signatures are not compared. */
const RUNS_TALLIED_MAX = 20_000;

export interface SectionAnswer {
  readonly found: readonly FoundInBooks[];
  /** Go on after this; empty: all were looked at. */
  readonly nextAfter: string;
}

type Section = (state: PartitionState, applied: () => AppliedRecord, after: string) => Promise<SectionAnswer>;

/** In this order. */
export const SECTIONS: ReadonlyMap<CheckSection, Section> = new Map([
  [CheckSection.SIGNATURES, signatures],
  [CheckSection.SCHEDULES, schedules],
  [CheckSection.BULK_OPERATIONS, bulkOperations],
  [CheckSection.BREAKERS, breakers],
]);

/** What comes after a section; unspecified: nothing. */
export function sectionAfter(section: CheckSection): CheckSection {
  const all = [...SECTIONS.keys()];
  return all[all.indexOf(section) + 1] ?? CheckSection.UNSPECIFIED;
}

/** Keys of a table after a name, a page of them. */
async function page(state: PartitionState, table: string, after: string, limit = NAMES_A_PAGE) {
  const rows = await state.range(after === "" ? table : `${table}${after}\0`, prefixEnd(table), limit);
  const names = rows.map(([key]) => key.slice(1));
  return { rows, names, nextAfter: rows.length < limit ? "" : (names.at(-1) ?? "") };
}

/** One workflow at a time. */
async function signatures(
  state: PartitionState,
  _applied: () => AppliedRecord,
  after: string,
): Promise<SectionAnswer> {
  const { names, nextAfter } = await page(state, "S", after, 1);
  const found: FoundInBooks[] = [];
  for (const workflow of names) {
    const list = state.get(signatureListKey(workflow));
    // All failures of an id were counted by the one record that there ever was.
    const isWhole = list?.gaveWay === 0n;
    const ids = (list?.kept ?? []).map(({ id }) => id);
    const before = new Map(
      ids.map((id) => [id, init(SignatureRecordSchema, { ...state.get(signatureKey(id)) })] as const),
    );
    const tally = await tallyOf(state, workflow);
    if (tally === undefined) continue;
    for (const [id, record] of before) {
      const indexed = isWhole ? await state.count(signatureRunsPrefix(id)) : undefined;
      if (isUnchanged(record, state.get(signatureKey(id))))
        found.push(...checkSignatureTotals(id, { ...record, workflow }, tally, indexed));
    }
  }
  return { found, nextAfter };
}

const WITH_SIGNATURES = [
  RunStatus.RUNNING,
  RunStatus.COMPLETED_WITH_FAILURES,
  RunStatus.FAILED,
  RunStatus.CANCELLED,
];

/** Undefined where there are too many. */
async function tallyOf(state: PartitionState, workflow: string): Promise<SignatureTally | undefined> {
  const tally = new SignatureTally();
  // A run may change its place in the index while this goes on: then its signatures change, too, and nothing is said of them.
  const seen = new Set<string>();
  for (const status of WITH_SIGNATURES) {
    const prefix = statusPrefix(workflow, status);
    for (let from: string | undefined = prefix; from !== undefined; ) {
      const rows: [string, unknown][] = await state.range(from, prefixEnd(prefix), RUNS_A_LOOK);
      const runIds = rows.map(([key]) => readStatusKey(key).runId).filter((runId) => !seen.has(runId));
      await state.load(state.missing(runIds.map(runKey)));
      for (const runId of runIds) {
        seen.add(runId);
        const run = state.get(runKey(runId));
        if (run !== undefined) tally.add(run);
      }
      if (seen.size > RUNS_TALLIED_MAX) return undefined;
      const last = rows.at(-1)?.[0];
      from = rows.length < RUNS_A_LOOK || last === undefined ? undefined : `${last}\0`;
    }
  }
  return tally;
}

async function schedules(
  state: PartitionState,
  applied: () => AppliedRecord,
  after: string,
): Promise<SectionAnswer> {
  const { partition, partitions, seq } = applied();
  const { names, nextAfter } = await page(state, "e", after);
  const found: FoundInBooks[] = [];
  if (after === "" && nextAfter === "" && applied().seq === seq && applied().schedules !== names.length) {
    const message = `${applied().schedules} schedules are counted, ${names.length} are there`;
    found.push({ rule: "I7", of: "", message });
  }
  for (const name of names) {
    const record = state.get(scheduleKey(name));
    if (record !== undefined) found.push(...checkSchedule(state, name, record, { partition, partitions }));
  }
  return { found, nextAfter };
}

async function bulkOperations(
  state: PartitionState,
  applied: () => AppliedRecord,
  after: string,
): Promise<SectionAnswer> {
  const found: FoundInBooks[] = [];
  const { names, nextAfter } = await page(state, "b", after);
  const { seq } = applied();
  const to = nextAfter === "" ? prefixEnd("a") : `a${nextAfter}\0`;
  const rows = await state.range(after === "" ? "a" : `a${after}\0`, to, OPERATIONS_MAX);
  if (after === "" && nextAfter === "" && applied().seq === seq && applied().bulkOperations !== rows.length) {
    const message = `${applied().bulkOperations} operations are counted, ${rows.length} are there`;
    found.push({ rule: "I7", of: "", message });
  }
  for (const [key, record] of rows) found.push(...checkBulkOperation(key.slice(1), record as BulkRecord));
  for (const id of names) {
    const share = state.get<BulkShareRecord>(`b${id}`);
    if (share === undefined) continue;
    const { phase, granted, part } = share;
    const copy = { phase, granted, part: init(BulkPartSchema, { ...part }) };
    found.push(...checkBulkShare(id, copy, await state.count(candidatePrefix(id))));
  }
  return { found, nextAfter };
}

async function breakers(
  state: PartitionState,
  applied: () => AppliedRecord,
  after: string,
): Promise<SectionAnswer> {
  const { seq } = applied();
  const { rows, names, nextAfter } = await page(state, "B", after);
  const found: FoundInBooks[] = [];
  if (after === "" && nextAfter === "" && applied().seq === seq) {
    const records = rows.map(([, record]) => record as BreakerRecord);
    found.push(...checkBreakerTotals(applied().breakers ?? {}, sumOf(records, BreakerStatus.CLOSED)));
  }
  for (const suffix of names) {
    const name = readBreakerKey(`B${suffix}`);
    const prefix = heldKey(name, 0n).slice(0, -8);
    const held = state.get(breakerKey(name))?.held ?? 0;
    const before = applied().seq;
    const counted = await state.count(prefix);
    const first = (await state.range(prefix, prefixEnd(prefix), HELD_LOOKED_AT_MAX)) as [
      string,
      HeldRecord,
    ][];
    const isSame = applied().seq === before;
    found.push(...checkBreaker(state, name, held, counted, isSame ? first : []));
  }
  return { found, nextAfter };
}
