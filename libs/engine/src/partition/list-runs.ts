/**
 * Lists a partition's runs, newest first, from the status index. Costs what it looks at, not what there is.
 *
 * The index is ordered within one workflow and class; this merges the ranges that the filters need. A cursor is the place of the
 * last run looked at (creation time, run id), the same in all ranges.
 */
import {
  heldTextOfRun,
  isHeld,
  readStatusKey,
  retryableUntilNs,
  runKey,
  runSummary,
  type StatusRow,
  statusPrefix,
  u64,
  waitingText,
} from "@holdfast/core";
import {
  ActionStatus,
  type ListRunsAnswer,
  ListRunsAnswerSchema,
  type ListRunsQuery,
  type RunRecord,
  RunStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { pinned } from "./compose.js";
import { workflowNames } from "./due-work.js";
import { bytesOfSummary } from "./row-bytes.js";
import type { PartitionState } from "./state.js";

const LIMIT_MAX = 1_000;
/** Rows looked at in one query: a filter that few runs pass ends a page early, with a cursor to go on. */
const LOOKED_AT_MAX = 5_000;
const WORKFLOWS_MAX = 10_000;
const PAGE = 200;

/** One for each class that the index tells apart. */
const CLASSES = [
  RunStatus.RUNNING,
  RunStatus.COMPLETED,
  RunStatus.COMPLETED_WITH_FAILURES,
  RunStatus.FAILED,
  RunStatus.CANCELLED,
];
const classOf = (status: RunStatus): RunStatus => (CLASSES.includes(status) ? status : RunStatus.RUNNING);

/** The part of an index key that orders runs within a class. */
const placeOf = (row: StatusRow): string => u64(row.createdNs) + row.runId;

/** Reads one range of the index backwards, page by page. */
class Range {
  private rows: StatusRow[] = [];
  private done = false;

  constructor(
    private readonly state: PartitionState,
    private readonly from: string,
    private to: string,
  ) {}

  async peek(): Promise<StatusRow | undefined> {
    if (this.rows.length === 0 && !this.done) {
      const page = await this.state.range(this.from, this.to, PAGE, true);
      this.done = page.length < PAGE;
      this.to = page.at(-1)?.[0] ?? this.to;
      this.rows = page.map(([key]) => readStatusKey(key)).toReversed();
    }
    return this.rows.at(-1);
  }

  take(): void {
    this.rows.pop();
  }
}

/** Of one answer, which travels in one message. */
const ANSWER_BYTES_MAX = 512 * 1024;

export async function listRuns(state: PartitionState, query: ListRunsQuery): Promise<ListRunsAnswer> {
  const limit = Math.min(query.limit || 50, LIMIT_MAX);
  const cursor = Buffer.from(query.cursor).toString("latin1");
  const beforeNs = query.createdBeforeNs === 0n ? 0xffff_ffff_ffff_fffen : query.createdBeforeNs - 1n;
  const end = cursor === "" ? u64(beforeNs + 1n) : cursor;
  const workflows = query.workflow === "" ? await workflowNames(state, WORKFLOWS_MAX) : [query.workflow];
  const classes = query.statuses.length === 0 ? CLASSES : [...new Set(query.statuses.map(classOf))];
  const ranges = workflows.flatMap((workflow) =>
    classes.map((status) => {
      const prefix = statusPrefix(workflow, status);
      return new Range(
        state,
        prefix + u64(query.createdAfterNs),
        end < u64(beforeNs + 1n) ? prefix + end : prefix + u64(beforeNs + 1n),
      );
    }),
  );
  const answer = init(ListRunsAnswerSchema, { runs: [], cursors: [], next: query.cursor });
  let bytes = 0;
  for (let looked = 0; looked < LOOKED_AT_MAX; looked++) {
    if (answer.runs.length >= limit || bytes > ANSWER_BYTES_MAX) {
      answer.more = true;
      return answer;
    }
    const newest = await newestOf(ranges);
    if (newest === undefined) return answer;
    newest.range.take();
    const { row } = newest;
    answer.next = new Uint8Array(Buffer.from(placeOf(row), "latin1"));
    const run = state.get(runKey(row.runId));
    if (run === undefined) continue;
    if (query.statuses.length > 0 && !query.statuses.includes(run.status)) continue;
    if (query.effects.length > 0 && !query.effects.includes(run.effect)) continue;
    const waits = waitsFor(state, row.runId, run);
    if (query.waiting && waits.somebody === "") continue;
    const shown = runSummary(row.runId, run, retryableUntilNs(state, run), waits.somebody || waits.breaker);
    bytes += bytesOfSummary(shown);
    answer.runs.push(shown);
    answer.cursors.push(answer.next);
  }
  answer.more = true;
  return answer;
}

interface Waits {
  /** For an approval or a signal. */
  readonly somebody: string;
  readonly breaker: string;
}

const FOR_NOTHING: Waits = { somebody: "", breaker: "" };

/** Runs of which nothing waits cost no more than a look at their actions. */
function waitsFor(state: PartitionState, runId: string, run: RunRecord): Waits {
  const held = run.actions.some(isHeld);
  if (!held && !run.actions.some(({ status }) => status === ActionStatus.WAITING)) return FOR_NOTHING;
  const plan = pinned(state, runId)?.plan;
  if (plan === undefined) return FOR_NOTHING;
  return {
    somebody: waitingText(plan, run),
    breaker: held ? heldTextOfRun(state, runId, run, plan.actions) : "",
  };
}

async function newestOf(ranges: readonly Range[]): Promise<{ range: Range; row: StatusRow } | undefined> {
  let newest: { range: Range; row: StatusRow; place: string } | undefined;
  for (const range of ranges) {
    const row = await range.peek();
    if (row === undefined) continue;
    const place = placeOf(row);
    if (newest === undefined || place > newest.place) newest = { range, row, place };
  }
  return newest;
}
