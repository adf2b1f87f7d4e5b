/** Checks a partition's runs against the rules that must always hold, page by page. Changes nothing. */
import {
  checkBooks,
  checkRun,
  countsKey,
  deadLetterPrefix,
  expiryPrefix,
  type Key,
  prefixEnd,
  rollupKey,
  type RowsFound,
  runKey,
  statusPrefix,
} from "@holdfast/core";
import {
  type AppliedRecord,
  type Breach,
  BreachSchema,
  type CountsRecord,
  CountsRecordSchema,
  PrunedCountSchema,
  type RollupRecord,
  RollupRecordSchema,
  RunStatus,
  type CheckAnswer,
  CheckAnswerSchema,
  CheckSection,
  type CheckQuery,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { SECTIONS, sectionAfter } from "./check-sections.js";
import { pinned } from "./compose.js";
import { workflowNames } from "./due-work.js";
import type { PartitionState } from "./state.js";

const RUNS_MAX = 1_000;
/** Items looked at in one answer, about: a page ends after the run that passes this. */
const ITEMS_MAX = 200_000;
const BREACHES_MAX = 1_000;
const WORKFLOWS_MAX = 10_000;
const QUEUES_MAX = 10_000;

export async function checkRuns(
  state: PartitionState,
  partition: number,
  query: CheckQuery,
  applied: () => AppliedRecord,
): Promise<CheckAnswer> {
  if (query.section !== CheckSection.UNSPECIFIED) return checkSection(state, partition, query, applied);
  const limit = Math.min(query.limit || RUNS_MAX, RUNS_MAX);
  const from = query.afterRunId === "" ? "r" : `${runKey(query.afterRunId)}\0`;
  const rows = await state.range(from, "s", limit);
  const answer = init(CheckAnswerSchema, { breaches: [] });
  if (query.afterRunId === "") answer.breaches.push(...(await checkAllBooks(state, partition)));
  for (const [key] of rows) {
    const runId = key.slice(1);
    const found = pinned(state, runId);
    answer.checkedRuns += 1;
    if (found === undefined)
      answer.breaches.push(breach(partition, runId, "", "I1", "the definition that it pins is not there"));
    else {
      const checked = checkRun(state, runId, found.run, found.plan);
      answer.checkedItems += BigInt(checked.items);
      for (const { action, rule, message } of checked.breaches)
        answer.breaches.push(breach(partition, runId, action, rule, message));
    }
    if (answer.checkedItems > ITEMS_MAX || answer.breaches.length > BREACHES_MAX) {
      answer.nextAfter = runId;
      return answer;
    }
  }
  if (rows.length === limit) answer.nextAfter = rows.at(-1)?.[0].slice(1) ?? "";
  else answer.nextSection = sectionAfter(CheckSection.UNSPECIFIED);
  return answer;
}

async function checkSection(
  state: PartitionState,
  partition: number,
  { section, afterRunId }: CheckQuery,
  applied: () => AppliedRecord,
): Promise<CheckAnswer> {
  const { found, nextAfter } = (await SECTIONS.get(section)?.(state, applied, afterRunId)) ?? {
    found: [],
    nextAfter: "",
  };
  return init(CheckAnswerSchema, {
    breaches: found.map(({ rule, of, message }) => init(BreachSchema, { partition, rule, of, message })),
    nextAfter,
    nextSection: nextAfter === "" ? sectionAfter(section) : CheckSection.UNSPECIFIED,
  });
}

/** What each workflow's counts say, against the indexes and the rollups. */
async function checkAllBooks(state: PartitionState, partition: number): Promise<Breach[]> {
  const found: Breach[] = [];
  for (const workflow of await workflowNames(state, WORKFLOWS_MAX)) {
    const { counts, rollups, rows } = await booksOf(state, workflow);
    for (const problem of checkBooks(counts, rollups, rows))
      found.push(breach(partition, "", "", "I7", `workflow ${workflow}: ${problem}`));
  }
  return found;
}

/** All of one moment: nothing is awaited between the reads, and records, which the fold changes in place, are copied. */
async function booksOf(
  state: PartitionState,
  workflow: string,
): Promise<{ readonly counts: CountsRecord; readonly rollups: RollupRecord[]; readonly rows: RowsFound }> {
  const prefix = rollupKey(workflow, "");
  const keys = (await state.range(prefix, prefixEnd(prefix), QUEUES_MAX)).map(
    ([key]) => key as Key<RollupRecord>,
  );
  const counts = init(CountsRecordSchema, { ...state.get(countsKey(workflow)) });
  const rollups = keys.map((key) => copyOf(state.get(key)));
  const ofStatus = (status: RunStatus): Promise<number> => state.count(statusPrefix(workflow, status));
  const [
    active,
    completed,
    completedWithFailures,
    failed,
    cancelled,
    ended,
    notCompleted,
    dead,
    deadLetters,
  ] = await Promise.all([
    ofStatus(RunStatus.RUNNING),
    ofStatus(RunStatus.COMPLETED),
    ofStatus(RunStatus.COMPLETED_WITH_FAILURES),
    ofStatus(RunStatus.FAILED),
    ofStatus(RunStatus.CANCELLED),
    state.count(expiryPrefix("completed", workflow)),
    state.count(expiryPrefix("failed", workflow)),
    state.count(expiryPrefix("dead", workflow)),
    state.count(deadLetterPrefix(workflow)),
  ]);
  const rows = {
    active,
    completed,
    completedWithFailures,
    failed,
    cancelled,
    expiring: ended + notCompleted + dead,
    deadLetters,
  };
  return { counts, rollups, rows };
}

const copyOf = (rollup: RollupRecord | undefined): RollupRecord =>
  init(RollupRecordSchema, {
    pruned: (rollup?.pruned ?? []).map((count) => init(PrunedCountSchema, { ...count })),
  });

const breach = (partition: number, runId: string, action: string, rule: string, message: string): Breach =>
  init(BreachSchema, { partition, runId, action, rule, message });
