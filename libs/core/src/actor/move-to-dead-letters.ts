/**
 * Moves a run that failed, or single failed items of it, to the dead-letter set: by hand, or because its workflow's policy says so.
 *
 * 1. Only what has failed for good: of a run that is being recovered by itself, that is called off first, or the move is refused.
 * 2. All that is named is moved, or nothing is.
 * 3. Each move is told: in the run's history, and on the workflow's subject.
 */
import {
  DeadLetterRecordSchema,
  type DeadLetterRecord,
  DeadLetterSchema,
  type Failure,
  FailureMode,
  ItemStatus,
  RejectCode,
  RunEventType,
  RunStatus,
  Source,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ActionPlan } from "../definition/plan.js";
import {
  DEAD_LETTER_FAILURE_CHARS_MAX,
  DEAD_LETTER_ITEMS_MAX,
  REASON_CHARS_MAX,
  RETRY_ITEMS_MAX,
  WHO_CHARS_MAX,
} from "../limits.js";
import { quoted } from "../names.js";
import { recommendForRun } from "../recovery/recommend-run.js";
import { deadLetterKey } from "../state/tables.js";
import { isRunRetryable } from "../status.js";
import { cutText, timeText } from "../text.js";
import { type Actor, actionAt, addEvent, isRetryCancelled, makeDetail, stateOf } from "./actor.js";
import type { Refusal } from "./begin-run.js";
import { addItemLetters, addRunLetter, countLetters, isDeadLetter, itemLetterAt } from "./dead-letters.js";
import { refileExpiry } from "./expiry.js";
import { recordOf, statusOf } from "./items.js";
import { queueOfRun } from "./pruned.js";
import { offText } from "./recover.js";
import { callOffRecovery } from "./run-end.js";
import { hasUndos } from "./undo.js";

export interface MoveWish {
  /** Name in the definition; empty: the run as a whole. */
  readonly action: string;
  readonly items: readonly number[];
  readonly who: string;
  readonly reason: string;
}

export interface DeadLettersChanged {
  /** That were moved, or discarded. */
  readonly items: number;
  readonly refused?: Refusal;
}

interface Said {
  readonly who: string;
  readonly reason: string;
  readonly byPolicy: boolean;
}

/** On a refusal nothing has changed; otherwise the run has to be saved. */
export function moveToDeadLetters(actor: Actor, wish: MoveWish): DeadLettersChanged {
  const said = {
    who: cutText(wish.who, WHO_CHARS_MAX),
    reason: cutText(wish.reason, REASON_CHARS_MAX),
    byPolicy: false,
  };
  const unready = notFailed(actor);
  if (unready !== undefined) return { items: 0, refused: unready };
  if (wish.action === "" && wish.items.length === 0) {
    const refused = runRefusal(actor);
    if (refused === undefined) moveRun(actor, said);
    return { items: 0, ...(refused === undefined ? {} : { refused }) };
  }
  const named = namedItems(actor, wish.action, wish.items);
  if ("refused" in named) return { items: 0, refused: named.refused };
  const refused = itemsRefusal(actor, named.action, named.items);
  if (refused !== undefined) return { items: 0, refused };
  const fresh = named.items.filter((item) => itemLetterAt(actor.run, named.action.index, item) === undefined);
  moveItems(actor, named.action, fresh, said);
  return { items: fresh.length };
}

/** Of a run that has just failed, and is not going to be recovered by itself: moves it where its workflow says so. */
export function deadLetterByPolicy(actor: Actor, why?: string): void {
  const { run, plan } = actor;
  if (!plan.recovery.deadLetter || !isRunRetryable(run.status) || isDeadLetter(run)) return;
  const reason = why ?? policyReason(actor);
  moveRun(actor, { who: "", reason: cutText(reason, REASON_CHARS_MAX), byPolicy: true });
}

function policyReason({ run, plan, runId }: Actor): string {
  const { auto, maxAttempts } = plan.recovery;
  if (isRetryCancelled(run)) return "its retry was cancelled";
  if (!auto) return "it failed, and its workflow recovers nothing by itself";
  if (run.recoveryOff || run.recoveries >= maxAttempts) return offText(maxAttempts, run.recoveryOff);
  return `it can't be recovered by itself: ${recommendForRun(runId, plan, run).reason}`;
}

/** What was in the set before a retry that was cancelled, and is failed again, goes back there. Of a run that has just ended. */
export function putLettersBack(actor: Actor): void {
  const { run } = actor;
  const out = run.lettersOut;
  if (out === undefined) return;
  run.lettersOut = undefined;
  if (!isRetryCancelled(run)) return;
  const why = `its retry was cancelled: ${run.cancel?.reason || "no reason given"}`;
  const said = { who: run.cancel?.who ?? "", reason: cutText(why, REASON_CHARS_MAX), byPolicy: false };
  if (out.runAtNs > 0n) moveRun(actor, said);
  for (const { action: index, items } of out.items) {
    const action = actionAt(actor, index);
    const failed = items.filter((item) => statusOf(actor, action, item) === ItemStatus.FAILED);
    if (failed.length > 0) moveItems(actor, action, failed, said);
  }
}

/** By whom and why, as people read it. */
export function saidText({ who, reason, byPolicy }: Said): string {
  if (byPolicy) return `by its workflow's policy: ${reason}`;
  const why = reason === "" ? "no reason given" : reason;
  return who === "" ? why : `by ${who}: ${why}`;
}

const ITEMS_NAMED_MAX = 10;

/** "item 3", "items 3, 5 and 7", cut to a few. */
export function itemsText(items: readonly number[]): string {
  if (items.length === 1) return `item ${items[0]}`;
  const shown = items.slice(0, ITEMS_NAMED_MAX);
  const more = items.length - shown.length;
  if (more > 0) return `items ${shown.join(", ")} and ${more} more`;
  return `items ${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}

/** Says that items are not in the dead letters by themselves; none missing: that no item of the action is. */
export function notThereText({ run, runId }: Actor, action: ActionPlan, missing: readonly number[]): string {
  const what = missing.length === 0 ? "no item" : itemsText(missing);
  const not = missing.length === 0 ? "is" : missing.length === 1 ? "is not" : "are not";
  const whole = isDeadLetter(run) ? "; the run as a whole is" : "";
  return `${what} of action ${action.name} of run ${runId} ${not} in the dead letters by itself${whole}`;
}

/** What a command names of an action, each item once; whether the action is over items at all. */
export function namedItems(
  actor: Actor,
  name: string,
  wanted: readonly number[],
): { readonly action: ActionPlan; readonly items: number[] } | { readonly refused: Refusal } {
  const { plan, runId } = actor;
  const action = plan.actions[plan.byName.get(name) ?? -1];
  if (action?.forEach === undefined || stateOf(actor, action).items === undefined) {
    const overItems = plan.actions.filter((each) => each.forEach !== undefined).map((each) => each.name);
    const what =
      action === undefined ? `has no action ${quoted(name)}` : `has no items of action ${action.name}`;
    const message = `run ${runId} ${what}; its actions over items are: ${overItems.join(", ") || "none"}`;
    return { refused: { code: RejectCode.NO_SUCH_ITEM, message } };
  }
  return { action, items: [...new Set(wanted)].sort((a, b) => a - b) };
}

/**
 * Why not all of them are failed items of the action; undefined: they are. The code is the first one's; all are told of, so that a list is mended
 * once. Of a list that is too long anyway so many are looked at.
 */
export function notFailedItem(
  actor: Actor,
  action: ActionPlan,
  items: readonly number[],
  so: string,
): Refusal | undefined {
  const of = `action ${action.name} of run ${actor.runId}`;
  const isWrong = (item: number): boolean => statusOf(actor, action, item) !== ItemStatus.FAILED;
  const first = items.findIndex(isWrong);
  if (first < 0) return undefined;
  const item = items[first] as number;
  const status = statusOf(actor, action, item);
  const isThere = status !== ItemStatus.UNSPECIFIED;
  const code = isThere ? RejectCode.NOT_FAILED : RejectCode.NO_SUCH_ITEM;
  const looked = items.slice(first, first + RETRY_ITEMS_MAX);
  const wrong = looked.filter(isWrong);
  if (wrong.length > 1) {
    const shown = wrong.slice(0, ITEMS_NAMED_MAX).map((each) => {
      const found = statusOf(actor, action, each);
      return `${each} ${found === ItemStatus.UNSPECIFIED ? "is not there" : `is ${ItemStatus[found]}`}`;
    });
    const more = wrong.length - shown.length;
    const unseen = items.length - first - looked.length;
    const rest = [...(more > 0 ? [`${more} more`] : []), ...(unseen > 0 ? [`${unseen} not looked at`] : [])];
    const told = [shown.join(", "), ...rest].join(" and ");
    const message = `${wrong.length} of the ${items.length} items named are no failed items of ${of}: ${told}; ${so}`;
    return { code, message };
  }
  const message = isThere
    ? `item ${item} of ${of} is not failed: it is ${ItemStatus[status]}; ${so}`
    : `${of} has no item ${item}; ${so}`;
  return { code, message };
}

function notFailed({ run, runId }: Actor): Refusal | undefined {
  if (isRunRetryable(run.status)) return undefined;
  const message = `run ${runId} is not failed: it is ${RunStatus[run.status]}, and only what has failed and ended can be moved to the dead letters`;
  return { code: RejectCode.NOT_FAILED, message };
}

function inTheSet({ ctx, run, runId }: Actor): Refusal {
  const atNs = run.deadLetters?.runAtNs ?? 0n;
  const record = ctx.view.get(deadLetterKey(run.workflow, { atNs, runId, action: -1, item: -1 }));
  const by = record === undefined ? "" : ` ${saidText(record)}`;
  const message = `run ${runId} is in the dead letters already, since ${timeText(atNs)}${by}; retry it or discard it`;
  return { code: RejectCode.DEAD_LETTER, message };
}

/** Why a run as a whole can't be moved; undefined: it can. */
export const moveRefusal = (actor: Actor): Refusal | undefined => notFailed(actor) ?? runRefusal(actor);

function runRefusal(actor: Actor): Refusal | undefined {
  const { run, runId } = actor;
  if (isDeadLetter(run)) return inTheSet(actor);
  if (run.recoverAtNs === 0n || run.status !== RunStatus.FAILED || !hasUndos(actor)) return undefined;
  const message = `run ${runId} is recovered by itself at ${timeText(run.recoverAtNs)}, and what it did would have to be undone first: move it when that is over and it has failed again`;
  return { code: RejectCode.NOT_FAILED, message };
}

function itemsRefusal(actor: Actor, action: ActionPlan, items: readonly number[]): Refusal | undefined {
  const { run, runId } = actor;
  const of = `action ${action.name} of run ${runId}`;
  if (items.length === 0)
    return {
      code: RejectCode.MALFORMED,
      message: `no item of ${of} is named: name its failed items, or move the run, which keeps all of them`,
    };
  if (isDeadLetter(run)) return inTheSet(actor);
  if (run.recoverAtNs > 0n)
    return {
      code: RejectCode.NOT_FAILED,
      message: `run ${runId} is recovered by itself at ${timeText(run.recoverAtNs)}, items and all: move them when it has failed again, or move the run, which calls that off`,
    };
  const wrong = notFailedItem(actor, action, items, "nothing was moved");
  if (wrong !== undefined) return wrong;
  const fresh = items.filter((item) => itemLetterAt(run, action.index, item) === undefined);
  if (fresh.length === 0) {
    const are = items.length === 1 ? "is" : "are";
    return {
      code: RejectCode.DEAD_LETTER,
      message: `${itemsText(items)} of ${of} ${are} in the dead letters already`,
    };
  }
  if (countLetters(run) + fresh.length > DEAD_LETTER_ITEMS_MAX)
    return {
      code: RejectCode.TOO_LARGE,
      message: `${countLetters(run)} items of run ${runId} are in the dead letters, and at most ${DEAD_LETTER_ITEMS_MAX} can be: move the run, which keeps all of them`,
    };
  return undefined;
}

function moveRun(actor: Actor, said: Said): void {
  const { run, ctx } = actor;
  const record = recordFor(queueOfRun(ctx, run), run.failure, said);
  run.discarded = undefined;
  refileExpiry(actor, () => addRunLetter(actor, record));
  tell(actor, undefined, [], record);
  if (run.recoverAtNs === 0n) return;
  const why = run.failure?.message ?? "failed";
  run.detail = makeDetail(
    `${why}; it is not recovered by itself: moved to the dead letters ${saidText(said)}`,
    Source.OPERATOR,
    ctx.atNs,
  );
  callOffRecovery(actor);
}

function moveItems(actor: Actor, action: ActionPlan, items: readonly number[], said: Said): void {
  const recordFrom = (item: number): DeadLetterRecord =>
    recordFor(action.queue, recordOf(actor, action, item)?.failure, said);
  actor.run.discarded = undefined;
  refileExpiry(actor, () => addItemLetters(actor, action.index, items, recordFrom));
  tell(actor, action, items, recordFrom(items[0] ?? 0));
}

const recordFor = (queue: string, failure: Failure | undefined, said: Said): DeadLetterRecord =>
  init(DeadLetterRecordSchema, {
    queue,
    mode: failure?.mode ?? FailureMode.UNSPECIFIED,
    failure: cutText(failure?.shown || failure?.message || "", DEAD_LETTER_FAILURE_CHARS_MAX),
    ...said,
  });

function tell(
  actor: Actor,
  action: ActionPlan | undefined,
  items: readonly number[],
  record: DeadLetterRecord,
): void {
  const { ctx, run, runId } = actor;
  const what = action === undefined ? "the run" : itemsText(items);
  addEvent(actor, RunEventType.DEAD_LETTERED, {
    action: action?.index,
    detail: `${what} ${saidText(record)}`,
  });
  const { queue, mode, failure, who, reason, byPolicy } = record;
  const letter = init(DeadLetterSchema, {
    workflow: run.workflow,
    runId,
    action: action?.name ?? "",
    items: [...items],
    queue,
    mode,
    failure,
    who,
    reason,
    byPolicy,
    atNs: ctx.atNs,
    untilNs: run.expiryNs,
  });
  ctx.emit({ kind: "dead-letter", letter });
}
