/**
 * What one entry may change: I3 a run ends once a generation; I5 a stale report changes nothing; I8 a failure survives until
 * a fresh attempt; every command that has a correlation is answered, once.
 */
import {
  type ActionState,
  ActionStatus,
  AppliedRecordSchema,
  type CommandBatch,
  ItemChunkRecordSchema,
  ItemRecordSchema,
  ItemStatus,
  RunEventType,
  type RunRecord,
  RunRecordSchema,
  RunStatus,
  UndoStatus,
} from "@holdfast/proto";
import { decode } from "@holdfast/proto/codec";
import { STATUS_MASK } from "../actor/items.js";
import type { Effect } from "../effects.js";
import { ITEMS_A_CHUNK } from "../limits.js";
import { appliedKey, chunkKey, chunkOf, runKey, tombstoneKey } from "../state/tables.js";
import { readU32 } from "../state/key-numbers.js";
import { isRunTerminal, isTerminal } from "../status.js";
import { checkLettersPruned, checkLettersStep } from "./dead-letter-invariants.js";
import { must } from "./must.js";
import { checkItemRetry } from "./retry-invariants.js";
import { checkScheduleStep } from "./schedule-invariants.js";
import { differences, type StateBytes } from "./memory-view.js";

export interface Step {
  readonly before: StateBytes;
  readonly after: StateBytes;
  readonly batch: CommandBatch;
  readonly effects: readonly Effect[];
  /** Keys whose bytes differ. */
  readonly changed: readonly string[];
}

export function checkStep(step: Step): void {
  const applied = (bytes: Uint8Array | undefined): bigint =>
    bytes === undefined ? 0n : decode(AppliedRecordSchema, bytes).atNs;
  const { changed } = step;
  checkAnswers(step);
  checkStale(step, changed);
  checkItemRetry(step);
  for (const key of changed) {
    const before = step.before.get(key);
    const after = step.after.get(key);
    if (before === undefined) continue;
    if (key.startsWith("r")) {
      if (after === undefined) checkPruned(key.slice(1), decode(RunRecordSchema, before), step);
      else checkRunStep(key.slice(1), decode(RunRecordSchema, before), decode(RunRecordSchema, after), step);
    } else if (key.startsWith("i")) {
      if (after !== undefined || !isGone(key, step)) checkItemStep(key, before, after, step);
    } else if (key.startsWith("e") && after !== undefined)
      checkScheduleStep(key.slice(1), before, after, applied(step.after.get(appliedKey)));
    else if (key.startsWith("d")) must(false, "a definition never changes");
  }
  must(
    applied(step.before.get(appliedKey)) <= applied(step.after.get(appliedKey)),
    "I13: log time never runs back",
  );
}

/** Owner commands that nobody waits for. */
const UNANSWERED = new Set(["timersFired", "announceOwner"]);

function checkAnswers({ batch, effects }: Step): void {
  const answers = new Map<bigint, number>();
  for (const effect of effects) {
    if (effect.kind !== "reply") continue;
    const { correlation, result } = effect.outcome;
    must(effect.inbox !== "" && correlation !== 0n, "an answer goes to somebody");
    if (result.case === "ended") continue;
    must(result.case !== undefined, "an answer says something");
    if (result.case === "rejected")
      must(result.value.message !== "" && result.value.code !== 0, "a rejection says why");
    answers.set(correlation, (answers.get(correlation) ?? 0) + 1);
  }
  if (batch.owner !== undefined && answers.size === 0) return;
  for (const { correlation, kind } of batch.commands) {
    const expected = correlation === 0n || UNANSWERED.has(kind.case ?? "") ? 0 : 1;
    const got = answers.get(correlation) ?? 0;
    must(got === expected, `a ${kind.case} command got ${got} answers of ${expected}`);
    answers.delete(correlation);
  }
  must(answers.size === 0, "an answer is to a command of this entry");
}

/** An entry that holds nothing but a stale report changes nothing but the applied record. */
function checkStale({ batch, effects }: Step, changed: readonly string[]): void {
  const stale = effects.filter((effect) => effect.kind === "stale-report").length;
  if (stale === 0 || stale !== batch.commands.length) return;
  must(
    changed.every((key) => key === appliedKey),
    `I5: a stale report changed ${changed.join()}`,
  );
}

/** I6: nothing takes a run away that has not ended, or whose floor has not. I7: what goes leaves a tombstone. */
function checkPruned(runId: string, before: RunRecord, { after, batch }: Step): void {
  const now = decode(AppliedRecordSchema, after.get(appliedKey) as Uint8Array).atNs;
  must(isRunTerminal(before.status), `only what has ended is pruned: ${runId}`);
  must(
    batch.owner !== undefined && batch.commands.some(({ kind }) => kind.case === "prune"),
    "only a sweep prunes",
  );
  if (before.status !== RunStatus.COMPLETED) {
    must(before.expiryNs <= now && before.promisedUntilNs <= now, `I6: the floor of run ${runId} holds`);
    must(before.retryableUntilNs <= now, `I6: run ${runId} stays retryable as long as was shown`);
  }
  checkLettersPruned(runId, before, now);
  must(after.has(tombstoneKey(runId)), `I7: run ${runId} leaves a tombstone`);
}

/** Of a pruned run, all goes in the end. */
const isGone = (key: string, { after }: Step): boolean => !after.has(runKey(key.slice(1, key.indexOf("\0"))));

function checkRunStep(runId: string, before: RunRecord, after: RunRecord, { effects }: Step): void {
  checkLettersStep(runId, before, after, effects);
  must(after.generation >= before.generation, `the generation of run ${runId} never goes down`);
  const ends = effects.filter(
    (effect) =>
      effect.kind === "event" && effect.runId === runId && effect.event.type === RunEventType.RUN_ENDED,
  ).length;
  const begun = after.generation - before.generation + (isRunTerminal(before.status) ? 0 : 1);
  must(ends <= begun, `I3: run ${runId} ends once a generation`);
  if (isRunTerminal(before.status) && after.generation === before.generation)
    must(after.status === before.status, `I3: run ${runId} stays as it ended`);
  before.actions.forEach((old, i) => {
    const now = after.actions[i] as RunRecord["actions"][number];
    must(now.attempt >= old.attempt, `attempts of action ${i} never go down`);
    checkUndoStep(i, old, now);
    const hadFailed = old.status === ActionStatus.FAILED || old.status === ActionStatus.RETRYING;
    if (!hadFailed || old.failure === undefined) return;
    const fresh = now.attempt > old.attempt || (now.items !== undefined && now.startedAtNs > old.startedAtNs);
    const endedAnew = isTerminal(now.status) && now.endedAtNs > old.endedAtNs;
    if (fresh || endedAnew) return;
    must(now.failure?.message === old.failure.message, `I8: the failure of action ${i} survives`);
    // What a breaker holds says both.
    const kept = now.breaker?.held === true ? old.failure.message : (old.detail?.text ?? "");
    const isKept = now.breaker?.held === true ? now.detail?.text.includes(kept) : now.detail?.text === kept;
    must(isKept === true, `I8: the detail of action ${i} survives`);
  });
}

/** Why something could not be undone stays, until it is begun anew or its undo is. */
function checkUndoStep(i: number, old: ActionState, now: ActionState): void {
  if (old.undo?.status !== UndoStatus.FAILED) return;
  const fresh = now.startedAtNs > old.startedAtNs || (now.undo?.generation ?? 0) > old.undo.generation;
  if (!fresh)
    must(
      now.undo?.failure?.message === old.undo.failure?.message,
      `I8: the failed undo of action ${i} survives`,
    );
}

/** `i<run>\0<action><item>`. */
function checkItemStep(key: string, before: Uint8Array, after: Uint8Array | undefined, step: Step): void {
  must(after !== undefined, "an item's record is never deleted");
  const end = key.indexOf("\0");
  const old = decode(ItemRecordSchema, before);
  const now = decode(ItemRecordSchema, after);
  must(now.attempt >= old.attempt, "attempts of an item never go down");
  if (now.attempt > old.attempt) return;
  const runId = key.slice(1, end);
  const action = readU16(key, end + 1);
  const item = readU32(key, end + 3);
  const chunk = step.before.get(chunkKey(runId, action, chunkOf(item)));
  const statuses = chunk === undefined ? undefined : decode(ItemChunkRecordSchema, chunk).statuses;
  const status: ItemStatus = (statuses?.[item % ITEMS_A_CHUNK] ?? 0) & STATUS_MASK;
  if (status !== ItemStatus.FAILED) return;
  must(now.failure?.message === old.failure?.message, "I8: the failure of an item survives");
  must(now.detail?.text === old.detail?.text, "I8: the detail of an item survives");
}

const readU16 = (key: string, at: number): number => key.charCodeAt(at) * 256 + key.charCodeAt(at + 1);

/** For tests that compare whole states. */
export function mustBeSame(a: StateBytes, b: StateBytes, rule: string): void {
  const different = differences(a, b).map((key) => JSON.stringify(key));
  must(different.length === 0, `${rule}: ${different.join()} differ`);
}
