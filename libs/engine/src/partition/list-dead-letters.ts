/**
 * Lists a partition's dead letters, the last moved first. Costs what it looks at, not what there is.
 *
 * Rows are ordered by time within one workflow; the ranges of several are merged. A cursor is the place of the last one looked at
 * (time, run, action, item), the same in all ranges.
 */
import {
  deadLetterKey,
  deadLetterPrefix,
  deadLetterView,
  lettersOf,
  prefixEnd,
  readDeadLetterKey,
  u64,
} from "@holdfast/core";
import {
  type DeadLetterRecord,
  type ListDeadLettersAnswer,
  ListDeadLettersAnswerSchema,
  type ListDeadLettersQuery,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { pinned } from "./compose.js";
import { workflowNames } from "./due-work.js";
import type { PartitionState } from "./state.js";

const LIMIT_MAX = 1_000;
/** Rows looked at in one query: a filter that few pass ends a page early, with a cursor to go on. */
const LOOKED_AT_MAX = 5_000;
const WORKFLOWS_MAX = 10_000;
const PAGE = 200;
/** An answer stays well below a message's limit. */
const ANSWER_CHARS_MAX = 256 * 1024;

interface Row {
  readonly key: string;
  readonly record: DeadLetterRecord;
}

/** Where rows come from, the last moved first. */
interface Rows {
  peek(): Promise<Row | undefined>;
  take(): void;
}

/** The part of a key that orders dead letters, whatever their workflow. */
const placeOf = (key: string): string => key.slice(key.indexOf("\0") + 1);

/** Reads one workflow's rows backwards, page by page. */
class WorkflowRows implements Rows {
  private rows: Row[] = [];
  private done = false;

  constructor(
    private readonly state: PartitionState,
    private readonly from: string,
    private to: string,
  ) {}

  async peek(): Promise<Row | undefined> {
    if (this.rows.length === 0 && !this.done) {
      const page = await this.state.range(this.from, this.to, PAGE, true);
      this.done = page.length < PAGE;
      this.to = page.at(-1)?.[0] ?? this.to;
      this.rows = page.map(([key, record]) => ({ key, record: record as DeadLetterRecord })).toReversed();
    }
    return this.rows.at(-1);
  }

  take(): void {
    this.rows.pop();
  }
}

/** Those of one run, from what the run knows. */
class RunRows implements Rows {
  constructor(private readonly rows: Row[]) {}

  peek(): Promise<Row | undefined> {
    return Promise.resolve(this.rows.at(-1));
  }

  take(): void {
    this.rows.pop();
  }
}

export async function listDeadLetters(
  state: PartitionState,
  query: ListDeadLettersQuery,
): Promise<ListDeadLettersAnswer> {
  const limit = Math.min(query.limit || 50, LIMIT_MAX);
  const sources = query.runId === "" ? await workflowSources(state, query) : [runSource(state, query)];
  const answer = init(ListDeadLettersAnswerSchema, { letters: [], cursors: [], next: query.cursor });
  let chars = 0;
  for (let looked = 0; looked < LOOKED_AT_MAX; looked++) {
    if (answer.letters.length >= limit || chars > ANSWER_CHARS_MAX) {
      answer.more = true;
      return answer;
    }
    const newest = await newestOf(sources);
    if (newest === undefined) return answer;
    newest.rows.take();
    const { key, record } = newest.row;
    answer.next = new Uint8Array(Buffer.from(placeOf(key), "latin1"));
    if (query.queue !== "" && record.queue !== query.queue) continue;
    if (query.modes.length > 0 && !query.modes.includes(record.mode)) continue;
    const place = readDeadLetterKey(key);
    const found = pinned(state, place.runId);
    if (found === undefined) continue;
    answer.letters.push(deadLetterView(state, { ...found, place, record }));
    answer.cursors.push(answer.next);
    chars += record.failure.length + record.reason.length + record.who.length + 256;
  }
  answer.more = true;
  return answer;
}

/** Before where to go on, and before the time that was asked for. */
function placesOf(query: ListDeadLettersQuery): { readonly from: string; readonly to: string | undefined } {
  const cursor = Buffer.from(query.cursor).toString("latin1");
  const before = query.movedBeforeNs === 0n ? undefined : u64(query.movedBeforeNs);
  const to = cursor === "" || (before !== undefined && before < cursor) ? before : cursor;
  return { from: u64(query.movedAfterNs), to };
}

async function workflowSources(state: PartitionState, query: ListDeadLettersQuery): Promise<Rows[]> {
  const workflows = query.workflow === "" ? await workflowNames(state, WORKFLOWS_MAX) : [query.workflow];
  const { from, to } = placesOf(query);
  return workflows.map((workflow) => {
    const prefix = deadLetterPrefix(workflow);
    return new WorkflowRows(state, prefix + from, to === undefined ? prefixEnd(prefix) : prefix + to);
  });
}

function runSource(state: PartitionState, query: ListDeadLettersQuery): Rows {
  const { runId, workflow } = query;
  const found = pinned(state, runId);
  if (found === undefined || (workflow !== "" && found.run.workflow !== workflow)) return new RunRows([]);
  const { from, to } = placesOf(query);
  const rows = lettersOf(found.run)
    .map((letter) => deadLetterKey(found.run.workflow, { ...letter, runId }))
    .filter((key) => placeOf(key) >= from && (to === undefined || placeOf(key) < to))
    .sort()
    .flatMap((key): Row[] => {
      const record = state.get(key);
      return record === undefined ? [] : [{ key, record }];
    });
  return new RunRows(rows);
}

async function newestOf(
  sources: readonly Rows[],
): Promise<{ readonly rows: Rows; readonly row: Row } | undefined> {
  let newest: { rows: Rows; row: Row; place: string } | undefined;
  for (const rows of sources) {
    const row = await rows.peek();
    if (row === undefined) continue;
    const place = placeOf(row.key);
    if (newest === undefined || place > newest.place) newest = { rows, row, place };
  }
  return newest;
}
