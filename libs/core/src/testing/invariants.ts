/**
 * What must hold of a partition's state after every entry, written from the rules and not from the fold's code.
 *
 * I3 terminal statuses are as the rules say, and a run is terminal exactly when all its actions are.
 * I8 whatever ended or failed says why. Due work: what an owner derives from state is what effects asked for.
 */
import {
  type ActionState,
  ActionStatus,
  type CountsRecord,
  ItemStatus,
  type RollupRecord,
  type RunEvent,
  type RunRecord,
  RunStatus,
  Source,
  TimerKind,
  type TimerRecord,
  UndoStatus,
} from "@holdfast/proto";
import { isHeld } from "../breaker/held-text.js";
import { HAS_RECORD, STATUS_MASK } from "../actor/items.js";
import type { ActionPlan } from "../definition/plan.js";
import { taskKey } from "../effects.js";
import { EVENTS_EMBEDDED_MAX, WAITERS_MAX } from "../limits.js";
import {
  appliedKey,
  countsKey,
  eventChunkKey,
  expiryKey,
  itemKey,
  type Key,
  readExpiryKey,
  readStatusKey,
  RUN_TABLES,
  runKey,
  statusKey,
  timerDue,
} from "../state/tables.js";
import { isRunLive, isRunRetryable, isRunTerminal, isTerminal } from "../status.js";
import { checkAttention } from "./attention-invariants.js";
import { cancelTimers, checkBatch, jobTimers, openJobAttempts } from "./batch-invariants.js";
import { checkDeadLetters } from "./dead-letter-invariants.js";
import { checkGuardrails, guardrailTimers } from "./guardrail-invariants.js";
import { checkBreakers } from "./breaker-invariants.js";
import { expectedRunStatus } from "./expected-run-status.js";
import { checkItems, itemBytes } from "./item-invariants.js";
import type { MemoryView } from "./memory-view.js";
import { checkChild, checkOutbox } from "./message-invariants.js";
import { must, runIdsOf, type RunUnderTest, runUnderTest } from "./must.js";
import type { TestPartition } from "./partition.js";
import { checkBulk } from "./bulk-invariants.js";
import { checkSchedules } from "./schedule-invariants.js";
import { checkSignatures } from "./signature-invariants.js";
import { checkUndo, undoStatusOf } from "./undo-invariants.js";

export function checkPartition(partition: TestPartition): void {
  const { view } = partition;
  const runs = runIdsOf(view).map((runId) => runUnderTest(view, runId));
  const due = new Set<string>();
  for (const at of runs) {
    checkRun(at, partition);
    for (const key of openAttempts(at)) due.add(key);
  }
  const open = [...partition.open.keys()].filter((key) => !due.has(key));
  must(open.length === 0, `attempts that effects say are open are in state: ${open.join()}`);
  const lost = [...due].filter((key) => !partition.open.has(key));
  must(lost.length === 0, `attempts that state says are open were dispatched: ${lost.join()}`);
  checkTimers(view, runs);
  checkBreakers(partition, runs);
  checkAttention(view, runs);
  checkBooks(view, runs);
  checkSignatures(view, runs);
  checkDeadLetters(view, runs);
  checkOutbox(view);
  checkBulk(partition);
  checkSchedules(partition);
}

/** The rules of those runs alone whose records changed. Books, timers and indexes are left to `checkPartition`. */
export function checkTouchedRuns(partition: TestPartition, changed: readonly string[]): void {
  const { view } = partition;
  for (const runId of runsTouched(changed)) {
    if (view.get(runKey(runId)) === undefined) continue;
    const at = runUnderTest(view, runId);
    checkRun(at, partition);
    const due = openAttempts(at).sort().join();
    const open = [...partition.open]
      .flatMap(([key, task]) => (task.runId === runId ? [key] : []))
      .sort()
      .join();
    must(due === open, `what is open of run ${runId} by effects, ${open}, is what its state says: ${due}`);
  }
}

const OF_ONE_RUN: ReadonlySet<string> = new Set(["r", ...RUN_TABLES]);

function runsTouched(changed: readonly string[]): Set<string> {
  const runs = changed.filter((key) => OF_ONE_RUN.has(key.charAt(0)));
  return new Set(runs.map((key) => key.slice(1, key.startsWith("r") ? undefined : key.indexOf("\0"))));
}

/** What a new owner would dispatch again. */
function openAttempts({ view, runId, run, plan }: RunUnderTest): string[] {
  return plan.actions.flatMap((action) => {
    const state = run.actions[action.index] as ActionState;
    const atJobs = openJobAttempts({ view, runId, run, plan }, action, state);
    if (action.batch !== undefined && undoStatusOf(run, state) !== UndoStatus.RUNNING) return atJobs;
    if (undoStatusOf(run, state) === UndoStatus.RUNNING)
      return [...atJobs, taskKey(runId, action.index, -1, state.attempt)];
    if (state.status !== ActionStatus.RUNNING) return [];
    if (action.forEach === undefined) return [taskKey(runId, action.index, -1, state.attempt)];
    return itemBytes({ view, runId, run, plan }, action).flatMap((byte, item) => {
      if ((byte & STATUS_MASK) !== ItemStatus.RUNNING) return [];
      const record = (byte & HAS_RECORD) === 0 ? undefined : view.get(itemKey(runId, action.index, item));
      return [taskKey(runId, action.index, item, record?.attempt ?? 1)];
    });
  });
}

function checkRun(at: RunUnderTest, partition: TestPartition): void {
  const { run, plan, runId } = at;
  const statuses = run.actions.map((action) => action.status);
  must(run.actions.length === plan.actions.length, "a run has a state for each action");
  must(run.waiters.length <= WAITERS_MAX, "waiters are bounded");
  if (run.status === RunStatus.PENDING) {
    must(
      statuses.every((status) => status === ActionStatus.PENDING),
      "nothing of a PENDING run has begun",
    );
  } else {
    must(
      isRunTerminal(run.status) === (statuses.every(isTerminal) && run.undo === undefined),
      `I3: run ${runId} is terminal exactly when all its actions are and nothing is to be undone: ${RunStatus[run.status]}, ${statuses.join()}`,
    );
  }
  must(run.generation === 1 || run.retriedFrom > 0, "a retry knows how the run had ended");
  for (const state of run.actions)
    must(state.before === undefined || !isTerminal(state.status), "what has ended stands for itself");
  if (isRunTerminal(run.status)) {
    must(
      run.status !== RunStatus.CANCELLED || run.generation === 1,
      "what was failed can be retried, whatever became of its retry",
    );
    must(run.lettersOut === undefined || run.recoverAtNs > 0n, "letters are in the set or out of it");
    must(run.status === expectedRunStatus(at), `I3: run ${runId} ended as the rules say`);
    must(run.recoverAtNs > 0n || run.waiters.length === 0, "everybody who waited for the end was told");
    must(run.recoverAtNs === 0n || isRunRetryable(run.status), "only what failed is recovered");
    must((run.detail?.text ?? "") !== "" && run.endedAtNs > 0n, "an ended run has a detail and a time");
    must(
      (run.failure !== undefined) ===
        (isRunRetryable(run.status) ||
          run.actions.some((state) => undoStatusOf(run, state) === UndoStatus.FAILED)),
      "a run has a failure exactly if it failed, or could not be undone",
    );
    must(
      run.retryableUntilNs > 0n === isRunRetryable(run.status),
      "exactly the failed runs say until when they can be retried",
    );
  } else {
    must(run.endedAtNs === 0n && run.failure === undefined, "a run that has not ended has no end");
  }
  for (const action of plan.actions) {
    checkAction(at, action, partition);
    checkChild(at, action, partition);
  }
  checkGuardrails(at);
  checkEvents(at, partition);
}

function checkAction(at: RunUnderTest, action: ActionPlan, partition: TestPartition): void {
  const { run, runId } = at;
  const state = run.actions[action.index] as ActionState;
  const what = `action ${action.name} (${ActionStatus[state.status]})`;
  must(
    ActionStatus[state.status] !== undefined && state.status !== ActionStatus.UNSPECIFIED,
    `${what}: known status`,
  );
  must(state.attempt >= state.attemptBase, `${what}: attempts are not below their base`);
  if (isTerminal(state.status)) {
    const { detail } = state;
    must(
      detail !== undefined && detail.text !== "" && detail.source !== Source.UNSPECIFIED && detail.atNs > 0n,
      `I8: ${what} says why it ended, who says so and since when`,
    );
    must(state.endedAtNs > 0n && state.retryAtNs === 0n, `${what}: has an end and no next attempt`);
  }
  const fails = [ActionStatus.FAILED, ActionStatus.COMPLETED_WITH_FAILURES, ActionStatus.RETRYING];
  if (fails.includes(state.status)) {
    const { failure } = state;
    must(
      failure !== undefined && failure.mode !== 0 && failure.message !== "" && failure.atNs > 0n,
      `I8: ${what} keeps its failure`,
    );
    must(failure.source !== Source.UNSPECIFIED, `I8: ${what} keeps who said that it failed`);
  }
  if ([ActionStatus.COMPLETED, ActionStatus.SKIPPED, ActionStatus.RUNNING].includes(state.status))
    must(state.failure === undefined, `${what}: has no failure`);
  if (state.status === ActionStatus.RETRYING) must(state.retryAtNs > 0n, `${what}: knows when`);
  if (state.status === ActionStatus.SKIPPED)
    must(
      /^upstream .+ (failed|was skipped|was cancelled)$|^breaker /.test(state.detail?.text ?? ""),
      `${what}: names its upstream`,
    );
  const begun = state.status === ActionStatus.RUNNING || state.status === ActionStatus.RETRYING;
  if (begun) {
    must(isRunLive(run.status), `${what}: begun only in a running run`);
    const openAncestor = action.ancestors.find((i) => !isTerminal(run.actions[i]?.status as ActionStatus));
    must(openAncestor === undefined, `${what}: begun only when all its ancestors have ended`);
  }
  checkBatch(at, action);
  if (action.forEach === undefined) must(state.items === undefined, `${what}: has no items`);
  else if (state.items !== undefined) checkItems(at, action);
  if (
    action.forEach !== undefined &&
    state.status === ActionStatus.RUNNING &&
    state.items?.loaded === false
  ) {
    const asked = partition.loads.some(
      (load) => load.runId === runId && load.action === action.index && load.generation === run.generation,
    );
    must(asked, `${what}: its items were asked for in this generation`);
  }
}

function checkEvents({ view, runId, run, plan }: RunUnderTest, partition: TestPartition): void {
  const kept: RunEvent[] = [];
  for (let chunk = 0; kept.length + run.events.length < run.nextEvent; chunk++) {
    const record = view.get(eventChunkKey(runId, chunk));
    must(record !== undefined, `chunk ${chunk} of the events of run ${runId} is there`);
    kept.push(...record.events);
  }
  kept.push(...run.events);
  must(run.events.length <= EVENTS_EMBEDDED_MAX, "embedded events are bounded");
  must(
    kept.every((event, i) => event.seq === i + 1),
    "events are dense from 1",
  );
  const published = partition.events.get(runId) ?? [];
  must(
    published.length === kept.length && published.every((event, i) => event.type === kept[i]?.type),
    "what was published is what is kept",
  );
  checkUndo({ view, runId, run, plan }, kept);
}

/** Whatever waits for a time has one live timer at it: next attempts, waits, recoveries, delayed starts. */
function checkTimers(view: MemoryView, runs: readonly RunUnderTest[]): void {
  const timers = new Map<string, number>();
  for (const key of view.keysOf("t")) {
    const timer = view.get<TimerRecord>(key);
    must(timer !== undefined, "a timer has a record");
    const name =
      timer.kind === TimerKind.FORGET_OUTCOME
        ? `forget ${timer.commandId}`
        : `${TimerKind[timer.kind]} ${timer.runId}/${timer.action}/${timer.item ?? -1}/${timer.attempt}@${timerDue(key)}`;
    timers.set(name, (timers.get(name) ?? 0) + 1);
  }
  let guarded = 0;
  const one = (name: string): void => must(timers.get(name) === 1, `exactly one timer: ${name}`);
  for (const { run, runId, plan } of runs) {
    if (run.status === RunStatus.PENDING) one(`START ${runId}/0/-1/0@${run.startAtNs}`);
    const at = { view, runId, run, plan };
    for (const name of guardrailTimers(at)) one(name);
    guarded += guardrailTimers(at).length;
    if (run.recoverAtNs > 0n) one(`RECOVER ${runId}/0/-1/${run.generation}@${run.recoverAtNs}`);
    for (const { index, forEach, definition } of plan.actions) {
      const state = run.actions[index] as ActionState;
      if (state.status === ActionStatus.WAITING) {
        const { wait, child, batch } = definition;
        const waits = wait !== undefined || child !== undefined || batch !== undefined || isHeld(state);
        must(waits && (state.detail?.text ?? "") !== "", "what waits says for what");
        if (state.retryAtNs > 0n && batch === undefined)
          one(`WAIT ${runId}/${index}/-1/${state.attempt}@${state.retryAtNs}`);
      }
      const action = plan.actions[index] as ActionPlan;
      for (const name of jobTimers(at, action, state)) one(name);
      for (const name of cancelTimers(at, action, state))
        must(
          [...timers.keys()].some((timer) => timer.startsWith(name)),
          `a timer: ${name}`,
        );
      if (undoStatusOf(run, state) === UndoStatus.RETRYING)
        one(`RETRY ${runId}/${index}/-1/${state.attempt}@${state.undo?.retryAtNs}`);
      if (state.status === ActionStatus.RETRYING)
        one(`RETRY ${runId}/${index}/-1/${state.attempt}@${state.retryAtNs}`);
      if (forEach === undefined || state.items === undefined) continue;
      itemBytes(at, action).forEach((byte, item) => {
        if ((byte & STATUS_MASK) !== ItemStatus.RETRYING) return;
        const record = view.get(itemKey(runId, index, item));
        one(`RETRY ${runId}/${index}/${item}/${record?.attempt}@${record?.retryAtNs}`);
      });
    }
  }
  const left = [...timers.keys()].filter((name) => name.startsWith("GUARDRAIL ")).length;
  must(left === guarded, "no timer of a guardrail outlives its generation");
  for (const key of view.keysOf("k")) one(`forget ${key.slice(1)}`);
}

/** The status index has one row a run in the right class; each workflow's counts add up over its runs. */
function checkBooks(view: MemoryView, runs: readonly RunUnderTest[]): void {
  const rows = view.keysOf("x");
  must(rows.length === runs.length, "the index has one row a run");
  for (const { run, runId } of runs) {
    const key = statusKey(run.workflow, run.status, run.createdAtNs, runId);
    must(rows.includes(key), `run ${runId} is filed under ${RunStatus[run.status]}`);
    must(readStatusKey(key).runId === runId, "an index row names its run");
  }
  for (const workflow of new Set(runs.map(({ run }) => run.workflow))) {
    const own = runs.filter(({ run }) => run.workflow === workflow).map(({ run }) => run);
    const counts = view.get(countsKey(workflow)) as CountsRecord;
    const of = (status: RunStatus): number => own.filter((run) => run.status === status).length;
    must(counts.active === own.filter((run) => !isRunTerminal(run.status)).length, "counts: active");
    must(counts.completed === of(RunStatus.COMPLETED), "counts: completed");
    must(counts.completedWithFailures === of(RunStatus.COMPLETED_WITH_FAILURES), "counts: partial");
    must(counts.failed === of(RunStatus.FAILED), "counts: failed");
    must(counts.cancelled === of(RunStatus.CANCELLED), "counts: cancelled");
    const kept = own.filter((run) => isRunTerminal(run.status)).length;
    const retried = own.reduce((sum, run) => sum + run.generation - 1, 0);
    must(counts.retried >= BigInt(retried), "counts: retried");
    must(counts.pruned > 0n || counts.retried === BigInt(retried), "counts: retried, where none was pruned");
    must(counts.ended === counts.retried + BigInt(kept) + counts.pruned, "counts: ended, once a generation");
    checkExpiry(view, workflow, own, counts);
    const items = own.flatMap((run) => run.actions);
    const sum = (name: "succeeded" | "failed"): bigint =>
      BigInt(items.reduce((total, state) => total + (state.items?.counts?.[name] ?? 0), 0));
    must(counts.itemsSucceeded === sum("succeeded"), "counts: succeeded items");
    must(counts.itemsFailed === sum("failed"), "counts: failed items");
  }
}

/** I7: a run is in the expiry index exactly while it has ended; what was pruned is in a rollup; all adds up. */
function checkExpiry(
  view: MemoryView,
  workflow: string,
  runs: readonly RunRecord[],
  counts: CountsRecord,
): void {
  const rows = view.keysOf("y").filter((key) => readExpiryKey(key).workflow === workflow);
  const ended = runs.filter((run) => isRunTerminal(run.status));
  must(rows.length === ended.length, "the expiry index has one row for each run that has ended");
  for (const row of rows) {
    const { runId, atNs } = readExpiryKey(row);
    const run = view.get(runKey(runId)) as RunRecord;
    must(run.expiryNs === atNs, `run ${runId} knows its row of the expiry index`);
    const completed = run.status === RunStatus.COMPLETED;
    const dead = run.deadLetters !== undefined;
    const expiry = dead ? "dead" : completed ? "completed" : "failed";
    must(row === expiryKey(expiry, workflow, atNs, runId), "its class is right");
    const waits = dead || !completed;
    must(waits ? atNs >= run.endedAtNs + HOUR_NS : atNs === run.endedAtNs, "its time is right");
  }
  const rollups = view.keysOf("u").filter((key) => key.startsWith(`u${workflow}\0`));
  const pruned = rollups
    .flatMap((key) => view.get(key as Key<RollupRecord>)?.pruned ?? [])
    .reduce((sum, { runs: count }) => sum + count, 0n);
  must(pruned === counts.pruned, "what was pruned is in the rollups");
  must(counts.started === BigInt(runs.length) + pruned, "I7: every run that began is there or in a rollup");
  const applied = view.get(appliedKey);
  must(applied?.tombstones === BigInt(view.keysOf("q").length), "tombstones are counted");
}

/** No policy that tests draw keeps failed runs for less. */
const HOUR_NS = 3_600_000_000_000n;
