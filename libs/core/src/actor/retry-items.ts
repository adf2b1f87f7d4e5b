/**
 * Sets single failed items of an ended run off again, as an operator names them; or those of its items that are in the dead letters.
 *
 * 1. All that is named is set off, or nothing is. What else failed stays as it is: its reason, its input, its place in the dead letters.
 * 2. What comes after runs for what has healed alone: dependants begin because there is news for them, not because of the retry. Only
 *    what was skipped because of what is set off now waits for it again.
 * 3. What would not be let out, or not come to its end, is refused: items that are named are never cancelled because of others.
 */
import { ActionStatus, RecoveryStrategy, RejectCode, UndoStatus } from "@holdfast/proto";
import type { ActionPlan } from "../definition/plan.js";
import { modeName, traitsOf } from "../failure/modes.js";
import { RETRY_ITEMS_MAX } from "../limits.js";
import { beyondTolerance } from "../resolve.js";
import { timeText } from "../text.js";
import { type Actor, actionAt, stateOf } from "./actor.js";
import { advance, blockedBy } from "./advance.js";
import type { Refusal } from "./begin-run.js";
import { isDeadLetter, lettersOf } from "./dead-letters.js";
import { openAgain } from "./failed-again.js";
import { itemsOf, recordOf } from "./items.js";
import { itemsText, namedItems, notFailedItem, notThereText } from "./move-to-dead-letters.js";
import { beginGeneration, closedRefusal, type Reopened, reopenByHand, type ReopenOptions } from "./reopen.js";
import { reopenNamedItems } from "./reopen-items.js";

export interface RetryWish extends Omit<ReopenOptions, "only"> {
  /** Name in the definition; empty: not of one action. */
  readonly action: string;
  readonly items: readonly number[];
  /** Of what failed, that which is in the dead letters. */
  readonly deadLetters: boolean;
}

interface Named {
  readonly action: ActionPlan;
  readonly items: readonly number[];
}

type Refused = { readonly refused: Refusal };

/** As a person wants it: the run, single items, or what of it is in the dead letters. On a refusal nothing has changed. */
export function retryByHand(actor: Actor, wish: RetryWish): Reopened {
  const { action, items, deadLetters } = wish;
  const isOfItems = action !== "" || items.length > 0;
  if (!isOfItems && (!deadLetters || isDeadLetter(actor.run))) return reopenByHand(actor, wish);
  const named = allowed(actor, wish);
  if ("refused" in named) return { items: 0, actions: 0, refused: named.refused };
  return retryItems(actor, wish, named);
}

function retryItems(actor: Actor, wish: RetryWish, named: readonly Named[]): Reopened {
  const what = named.map(({ action, items }) => `${itemsText(items)} of ${action.name}`).join(", ");
  beginGeneration(actor, wish, what);
  // What else failed is left to a person: a recovery by policy would set that off, too.
  actor.run.recoveryOff = true;
  let reopened = 0;
  for (const { action, items } of named) {
    reopened += reopenNamedItems(actor, action, items);
    openAgain(actor, action);
  }
  for (const action of actor.plan.actions) {
    const follows = named.some((origin) => action.ancestors.includes(origin.action.index));
    if (follows && stateOf(actor, action).status === ActionStatus.SKIPPED) openAgain(actor, action);
  }
  advance(actor);
  return { items: reopened, actions: named.length };
}

/** What is set off, by action in their order; or why nothing is. */
function allowed(actor: Actor, wish: RetryWish): Named[] | Refused {
  const { run, runId, plan } = actor;
  const { strategy, force } = wish;
  if (strategy !== RecoveryStrategy.UNSPECIFIED && strategy !== RecoveryStrategy.RETRY_FAILED) {
    const name = RecoveryStrategy[strategy] ?? strategy;
    return refuse(
      RejectCode.UNSUPPORTED,
      `${name} sets off more than single items of run ${runId}: retry them with RETRY_FAILED, or the run with ${name}`,
    );
  }
  const closed = closedRefusal(actor, force);
  if (closed !== undefined) return { refused: closed };
  if (run.recoverAtNs > 0n)
    return refuse(
      RejectCode.NOT_FAILED,
      `run ${runId} is recovered by itself at ${timeText(run.recoverAtNs)}, items and all: retry single ones when it has failed again, or the run at once`,
    );
  const undone = plan.actions.find((action) => stateOf(actor, action).undo?.status === UndoStatus.DONE);
  if (undone !== undefined)
    return refuse(
      RejectCode.NOT_RECOVERABLE,
      `action ${undone.name} of run ${runId} was undone and has to begin anew, with whatever comes after it: retry the run`,
    );
  const named = wish.deadLetters ? namedLetters(actor, wish) : namedOnes(actor, wish);
  if ("refused" in named) return named;
  const count = named.reduce((sum, { items }) => sum + items.length, 0);
  if (count > RETRY_ITEMS_MAX)
    return refuse(
      RejectCode.TOO_LARGE,
      `${count} items of run ${runId} are named, and one retry takes at most ${RETRY_ITEMS_MAX}: retry the run, or some after the others`,
    );
  for (const { action, items } of named) {
    const refused = actionRefusal(actor, action, items, force);
    if (refused !== undefined) return { refused };
  }
  return named;
}

function namedOnes(actor: Actor, { action: name, items: wanted }: RetryWish): Named[] | Refused {
  const named = namedItems(actor, name, wanted);
  if ("refused" in named) return named;
  const { action, items } = named;
  if (items.length === 0)
    return refuse(
      RejectCode.MALFORMED,
      `no item of action ${action.name} of run ${actor.runId} is named: name failed ones, or retry the run`,
    );
  return [{ action, items }];
}

/** Those that are in the dead letters by themselves: all of the run, all of an action, or the named ones. */
function namedLetters(actor: Actor, { action: name, items: wanted }: RetryWish): Named[] | Refused {
  const { run, runId } = actor;
  const there = lettersOf(run).filter(({ item }) => item >= 0);
  const ownOf = (action: number): number[] =>
    there
      .filter((letter) => letter.action === action)
      .map(({ item }) => item)
      .sort((a, b) => a - b);
  if (name === "" && wanted.length === 0) {
    if (there.length === 0)
      return refuse(
        RejectCode.NOT_DEAD_LETTER,
        `run ${runId} is not in the dead letters, nor is any item of it`,
      );
    const actions = [...new Set(there.map(({ action }) => action))].sort((a, b) => a - b);
    return actions.map((index) => ({ action: actionAt(actor, index), items: ownOf(index) }));
  }
  const named = namedItems(actor, name, wanted);
  if ("refused" in named) return named;
  const { action } = named;
  const letters = ownOf(action.index);
  const items = named.items.length === 0 ? letters : named.items;
  const own = new Set(letters);
  const missing = items.filter((item) => !own.has(item));
  if (items.length > 0 && missing.length === 0) return [{ action, items }];
  return refuse(RejectCode.NOT_DEAD_LETTER, `${notThereText(actor, action, missing)}; nothing was retried`);
}

function actionRefusal(
  actor: Actor,
  action: ActionPlan,
  items: readonly number[],
  force: boolean,
): Refusal | undefined {
  const of = `action ${action.name} of run ${actor.runId}`;
  const notFailed = notFailedItem(actor, action, items, "nothing was retried");
  if (notFailed !== undefined) return notFailed;
  const terminal = items.filter((item) => isTerminalMode(actor, action, item));
  if (terminal.length > 0 && !force) {
    const mode = recordOf(actor, action, terminal[0] as number)?.failure?.mode ?? 0;
    return {
      code: RejectCode.TERMINAL_MODE,
      message: `${itemsText(terminal)} of ${of} failed with ${modeName(mode)}, which needs a person: mend the cause, then retry with force; nothing was retried`,
    };
  }
  const blocked = blockedBy(actor, action);
  if (blocked !== undefined)
    return {
      code: RejectCode.NOT_RECOVERABLE,
      message: `items of ${of} can't be retried by themselves (${blocked}): retry the run`,
    };
  const { counts, loaded } = itemsOf(actor, action);
  const left = (counts?.failed ?? 0) - items.length;
  const isJudged = loaded || action.tolerate.case === "count";
  if (isJudged && beyondTolerance(action.tolerate, left, counts?.total ?? 0))
    return {
      code: RejectCode.NOT_RECOVERABLE,
      message: `the ${left} other failed items of ${of} are more than it tolerates, so it would stop before these: name more of them, or retry the run`,
    };
  return undefined;
}

function isTerminalMode(actor: Actor, action: ActionPlan, item: number): boolean {
  const failure = recordOf(actor, action, item)?.failure;
  return failure !== undefined && traitsOf(failure.mode).terminal;
}

const refuse = (code: RejectCode, message: string): Refused => ({ refused: { code, message } });
