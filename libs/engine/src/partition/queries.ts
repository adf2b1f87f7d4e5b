/**
 * Answers questions about a partition from its state. Changes nothing. Errors are answers, with what to do.
 */
import { create } from "@bufbuild/protobuf";
import {
  absentCode,
  absentText,
  type ActionPlan,
  chunkKey,
  chunkOf,
  deadLettersOfRun,
  eventChunkKey,
  EVENTS_EMBEDDED_MAX,
  HAS_RECORD,
  heldKeysOf,
  heldText,
  heldTextOfItem,
  heldTextOfRun,
  INPUTS_A_RECORD,
  inputsKey,
  inputsOf,
  itemKey,
  ITEM_KEYS_MAX,
  ITEMS_A_CHUNK,
  itemView,
  keyOfItem,
  pausedText,
  retryableUntilNs,
  runView,
  STATUS_MASK,
} from "@holdfast/core";
import {
  ActionStatus,
  type ActionState,
  type AppliedRecord,
  type BreachesFound,
  BreachesFoundSchema,
  type CountsRecord,
  type GetPayloadQuery,
  type GetRunQuery,
  type ItemView,
  type ListAttentionAnswer,
  type ListAttentionQuery,
  type ListItemsAnswer,
  ListItemsAnswerSchema,
  type ListItemsQuery,
  PayloadSchema,
  QueryErrorCode,
  RejectCode,
  QueryErrorSchema,
  type QueryRequest,
  type QueryResponse,
  QueryResponseSchema,
  type RunEvent,
  type RunRecord,
  RunStatus,
  type WorkflowCounts,
  WorkflowCountsSchema,
  GetCountsAnswerSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { bringInline, type Pinned, pinned } from "./compose.js";
import { lackingOf, NO_FUNCTIONS } from "./needed.js";
import { checkRuns } from "./check.js";
import { workflowNames } from "./due-work.js";
import { type Serving, servingText } from "../dispatch/reaper.js";
import { referencesOf } from "./references.js";
import { retentionAnswer } from "./retention.js";
import { getBulk, listBulk } from "./list-bulk.js";
import { listBreakers } from "./list-breakers.js";
import { getSchedule, listSchedules } from "./list-schedules.js";
import { listDeadLetters } from "./list-dead-letters.js";
import { listSignatures, signatureRuns } from "./list-signatures.js";
import { listRuns } from "./list-runs.js";
import { bytesOfItem } from "./row-bytes.js";
import { readSteps } from "./steps.js";
import type { PartitionState } from "./state.js";

export interface QueryDeps {
  readonly partition: number;
  readonly view: () => PartitionState;
  readonly applied: () => AppliedRecord;
  readonly phase: () => string;
  readonly problem: () => string;
  /** What a check found, of which places. */
  readonly onChecked: (found: BreachesFound) => void;
  /** False where that takes too long. */
  readonly foldedInTime: (seq: number) => Promise<boolean>;
  /** How many workers take tasks of a workflow from a queue, and have the function where one is named. */
  readonly serving: Serving;
  /** What needs a person now. */
  readonly attention: (query: ListAttentionQuery) => Promise<ListAttentionAnswer>;
}

const PAGE_MAX = 1_000;
/** Items, and bytes of them, whose keys one answer reads: it holds up the partition. */
const KEYS_READ_MAX = 2_000;
const KEYS_READ_BYTES_MAX = 4 * 1024 * 1024;
/** An answer stays well below a message's limit. */
const ANSWER_BYTES_MAX = 512 * 1024;
const EVENT_CHUNKS_SHOWN = 16;
/** Of one run; more are listed. */
const DEAD_LETTERS_SHOWN = 100;
const WORKFLOWS_MAX = 10_000;
/** The first hour of the year 2200, counted from 1970. */
const UNTIL_HOUR_MAX = 2_016_144n;

type Result = QueryResponse["result"];

const problem = (code: QueryErrorCode, message: string): Result => ({
  case: "error",
  value: init(QueryErrorSchema, { code, message }),
});
const notFound = (message: string): Result => problem(QueryErrorCode.NOT_FOUND, message);

export async function answerQuery(deps: QueryDeps, request: QueryRequest): Promise<QueryResponse> {
  const result = (await unavailable(deps, Number(request.minSeq))) ?? (await resultOf(deps, request));
  return create(QueryResponseSchema, { result });
}

async function unavailable(deps: QueryDeps, minSeq: number): Promise<Result | undefined> {
  const phase = deps.phase();
  if (phase !== "acting") {
    const why = deps.problem() === "" ? `it is ${phase}; ask again in a moment` : deps.problem();
    return problem(QueryErrorCode.UNAVAILABLE, `partition ${deps.partition} can't answer: ${why}`);
  }
  if (minSeq <= Number(deps.applied().seq)) return undefined;
  if (await deps.foldedInTime(minSeq)) return undefined;
  return problem(
    QueryErrorCode.UNAVAILABLE,
    `partition ${deps.partition} has folded ${deps.applied().seq}, not yet ${minSeq}; ask again`,
  );
}

async function resultOf(deps: QueryDeps, { kind }: QueryRequest): Promise<Result> {
  switch (kind.case) {
    case "getRun":
      return getRun(deps, kind.value);
    case "listRuns":
      return { case: "runs", value: await listRuns(deps.view(), kind.value) };
    case "listItems":
      return listItems(deps, kind.value);
    case "getCounts":
      return getCounts(deps.view(), kind.value.workflow);
    case "check": {
      const value = await checkRuns(deps.view(), deps.partition, kind.value, deps.applied);
      const { section, afterRunId: after } = kind.value;
      const { breaches, nextAfter: upTo } = value;
      deps.onChecked(init(BreachesFoundSchema, { section, after, upTo, breaches }));
      return { case: "check", value };
    }
    case "references":
      return { case: "references", value: await referencesOf(deps.view(), kind.value) };
    case "retention":
      return {
        case: "retention",
        value: await retentionAnswer(deps.view(), deps.applied(), deps.partition, kind.value),
      };
    case "listDeadLetters":
      return { case: "deadLetters", value: await listDeadLetters(deps.view(), kind.value) };
    case "listBreakers":
      return { case: "breakers", value: await listBreakers(deps.view(), deps.applied(), kind.value) };
    case "getSchedule": {
      const value = getSchedule(deps.view(), deps.applied(), kind.value.name);
      return typeof value === "string" ? notFound(value) : { case: "schedule", value };
    }
    case "listSchedules":
      return { case: "schedules", value: await listSchedules(deps.view(), deps.applied(), kind.value) };
    case "listSignatures":
      if (kind.value.untilHour > UNTIL_HOUR_MAX)
        return problem(
          QueryErrorCode.INVALID,
          `until_hour ${kind.value.untilHour} is no hour since 1970 up to the year 2200 (${UNTIL_HOUR_MAX})`,
        );
      return { case: "signatures", value: await listSignatures(deps.view(), kind.value) };
    case "signatureRuns":
      return { case: "signatureRuns", value: await signatureRuns(deps.view(), kind.value) };
    case "listAttention":
      return { case: "attention", value: await deps.attention(kind.value) };
    case "getBulk": {
      const value = getBulk(deps.view(), kind.value);
      return typeof value === "string" ? notFound(value) : { case: "bulk", value };
    }
    case "listBulk":
      return { case: "bulks", value: await listBulk(deps.view(), kind.value) };
    case "getPayload":
      return getPayload(deps, kind.value);
    default:
      return problem(QueryErrorCode.INVALID, "a question of a kind that this version does not know");
  }
}

function noRun(deps: QueryDeps, runId: string): Result {
  const [view, applied] = [deps.view(), deps.applied()];
  const pruned = absentCode(view, applied, runId) === RejectCode.PRUNED;
  const message = absentText(view, applied, runId);
  return {
    case: "error",
    value: init(QueryErrorSchema, { code: QueryErrorCode.NOT_FOUND, message, pruned }),
  };
}

function getRun(deps: QueryDeps, { runId, full }: GetRunQuery): Result {
  const view = deps.view();
  const found = pinned(view, runId);
  if (found === undefined) return noRun(deps, runId);
  const { run, plan } = found;
  const value = runView({
    runId,
    run,
    plan,
    partition: deps.partition,
    seq: deps.applied().seq,
    retryableUntilNs: retryableUntilNs(view, run),
    noteOf: (action) => noteOf(deps, runId, found, action),
    heldTextOf: (action) => heldText(view, runId, run, action),
    heldKeysOf: (action) => heldKeysOf(view, runId, run, action),
    waitsFor: heldTextOfRun(view, runId, run, plan.actions),
    workflowPaused: pausedText(deps.applied(), run.workflow) ?? "",
    deadLetters: deadLettersOfRun(view, runId, found, DEAD_LETTERS_SHOWN),
    olderEvents: full ? olderEvents(view, runId, run) : [],
    stepsOf: (action) => {
      const { steps, stepsSince: since, batch } = run.actions[action] as ActionState;
      const bound = batch?.steps ?? steps;
      return readSteps(view, { runId, action, item: -1, bound, since }).map(([, step]) => step);
    },
    full,
  });
  if (full) value.input = bringInline(view, runId, 0, value.input);
  if (plan.leaf !== undefined) value.output = bringInline(view, runId, plan.leaf + 1, value.output);
  return { case: "run", value };
}

/** What keeps an action from going on that its state does not tell. */
function noteOf(deps: QueryDeps, runId: string, found: Pinned, index: number): string {
  const { run, plan } = found;
  const action = plan.actions[index];
  if (action === undefined || run.status !== RunStatus.RUNNING) return "";
  const { status, attempt = 0 } = run.actions[index] ?? {};
  if (status !== ActionStatus.RUNNING) return "";
  if (deps.serving(action.queue, run.workflow) === 0) return `${servingText(action.queue, 0)}: start one`;
  const needed = lackingOf(deps.view(), { runId, action: index, item: -1, attempt }, found, NO_FUNCTIONS);
  if (needed === undefined || deps.serving(action.queue, run.workflow, needed) > 0) return "";
  return `${servingText(action.queue, 0, needed)}: start one of the version that has it`;
}

function olderEvents(view: PartitionState, runId: string, run: RunRecord): RunEvent[] {
  const chunks = Math.floor(((run.events[0]?.seq ?? 1) - 1) / EVENTS_EMBEDDED_MAX);
  const older: RunEvent[] = [];
  for (let chunk = Math.max(0, chunks - EVENT_CHUNKS_SHOWN); chunk < chunks; chunk++) {
    older.push(...(view.get(eventChunkKey(runId, chunk))?.events ?? []));
  }
  return older;
}

function listItems(deps: QueryDeps, query: ListItemsQuery): Result {
  const view = deps.view();
  const found = pinned(view, query.runId);
  if (found === undefined) return noRun(deps, query.runId);
  const { run, plan } = found;
  const overItems = plan.actions
    .filter((action) => action.forEach !== undefined)
    .map((action) => action.name);
  const index = plan.byName.get(query.action);
  const action = index === undefined ? undefined : plan.actions[index];
  if (action === undefined) {
    return notFound(
      `run ${query.runId} has no action "${query.action}"; its actions over items are: ${overItems.join(", ") || "none"}`,
    );
  }
  if (action.forEach === undefined) {
    return problem(
      QueryErrorCode.INVALID,
      `action "${action.name}" is not over items; those that are: ${overItems.join(", ") || "none"}`,
    );
  }
  const pointer = action.forEach.key;
  if (query.keys.length > 0 && pointer === undefined) {
    return problem(
      QueryErrorCode.INVALID,
      `items of action ${action.name} of run ${query.runId} have no keys: name them by index; for later runs, let the action say where in an item its key stands (forEach: key: "orderId")`,
    );
  }
  if (query.keys.length > ITEM_KEYS_MAX)
    return problem(
      QueryErrorCode.INVALID,
      `${query.keys.length} keys are too many: at most ${ITEM_KEYS_MAX}`,
    );
  const state = run.actions[action.index];
  const limit = Math.min(query.limit || 100, PAGE_MAX);
  const keys = new Set(query.keys);
  let [read, readBytes] = [0, 0];
  const statuses = new Set(query.statuses);
  const answer: ListItemsAnswer = init(ListItemsAnswerSchema, { items: [], counts: state?.items?.counts });
  let bytes = 0;
  let item = query.fromIndex;
  const bound = state?.items?.bound ?? 0;
  for (; item < bound && answer.items.length < limit && bytes < ANSWER_BYTES_MAX; item++) {
    if (read >= KEYS_READ_MAX || readBytes >= KEYS_READ_BYTES_MAX) break;
    const byte =
      view.get(chunkKey(query.runId, action.index, chunkOf(item)))?.statuses[item % ITEMS_A_CHUNK] ?? 0;
    if (byte === 0 || (statuses.size > 0 && !statuses.has(byte & STATUS_MASK))) continue;
    if (keys.size > 0) {
      const input = inputOfItem(view, query.runId, action, item);
      read++;
      readBytes += input?.length ?? 0;
      const key = keyOfItem(input, pointer);
      if (key === undefined || !keys.has(key)) continue;
    }
    const shown = viewOfItem(view, query.runId, run, action, item, byte);
    bytes += bytesOfItem(shown);
    // One that is too much goes on the next page.
    if (bytes > ANSWER_BYTES_MAX && answer.items.length > 0) break;
    answer.items.push(shown);
  }
  answer.nextIndex = item;
  answer.more = item < bound;
  return { case: "items", value: answer };
}

function viewOfItem(
  view: PartitionState,
  runId: string,
  run: RunRecord,
  action: ActionPlan,
  item: number,
  byte: number,
): ItemView {
  const state = run.actions[action.index] as ActionState;
  const record = (byte & HAS_RECORD) === 0 ? undefined : view.get(itemKey(runId, action.index, item));
  const wanted = { runId, action: action.index, item, bound: record?.steps ?? 0, since: state.stepsSince };
  const steps = readSteps(view, wanted).map(([, step]) => step);
  const input = inputOfItem(view, runId, action, item);
  return itemView({
    index: item,
    byte,
    record,
    input,
    actionDetail: state.detail?.text ?? "",
    heldText: heldTextOfItem(view, runId, run, action, { item, byte }),
    action,
    run,
    steps,
  });
}

/** Undefined where it is kept by reference. */
function inputOfItem(
  view: PartitionState,
  runId: string,
  action: ActionPlan,
  item: number,
): Uint8Array | undefined {
  if (action.perItemOf === undefined) {
    return view.get(inputsKey(runId, action.index, inputsOf(item)))?.items[item % INPUTS_A_RECORD];
  }
  const output = view.get(itemKey(runId, action.perItemOf, item))?.output;
  return output?.body.case === "inline" ? output.body.value : undefined;
}

async function getCounts(view: PartitionState, workflow: string): Promise<Result> {
  const names = workflow === "" ? await workflowNames(view, WORKFLOWS_MAX) : [workflow];
  const workflows = names.flatMap((name) => {
    const counts = view.get<CountsRecord>(`w${name}`);
    return counts === undefined ? [] : [workflowCounts(name, counts)];
  });
  return { case: "counts", value: init(GetCountsAnswerSchema, { workflows }) };
}

const workflowCounts = (workflow: string, counts: CountsRecord): WorkflowCounts =>
  init(WorkflowCountsSchema, {
    workflow,
    active: BigInt(counts.active),
    completed: BigInt(counts.completed),
    completedWithFailures: BigInt(counts.completedWithFailures),
    failed: BigInt(counts.failed),
    cancelled: BigInt(counts.cancelled),
    noEffect: BigInt(counts.noEffect),
    silentNoOp: BigInt(counts.silentNoOp),
    ended: counts.ended,
    retried: counts.retried,
    itemsSucceeded: counts.itemsSucceeded,
    itemsFailed: counts.itemsFailed,
    deadLetters: counts.deadLetters,
  });

function getPayload(deps: QueryDeps, { runId, action }: GetPayloadQuery): Result {
  const view = deps.view();
  const found = pinned(view, runId);
  if (found === undefined) return noRun(deps, runId);
  if (action !== undefined && found.run.actions[action] === undefined)
    return notFound(`run ${runId} has no action number ${action}`);
  const payload = action === undefined ? found.run.input : found.run.actions[action]?.output;
  const value = bringInline(view, runId, action === undefined ? 0 : action + 1, payload);
  return { case: "payload", value: value ?? init(PayloadSchema) };
}
