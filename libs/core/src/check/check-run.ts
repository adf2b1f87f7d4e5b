/**
 * Holds one run's records against the rules that must always hold. Reads only; mends nothing.
 *
 * I3: a run is terminal exactly when all its actions are, and its status is the resolver's.
 * I4: every item is in exactly one disposition, and the counts are the dispositions.
 * I6: what is in the dead-letter set has failed, is listed and kept; what failed is found by its signatures.
 * I8: what failed has a detail. I10: what waits for another run has asked for one. I13: what waits for its next attempt says when that is.
 */
import {
  type ActionState,
  ActionStatus,
  BatchPhase,
  ItemCountsSchema,
  ItemStatus,
  RunStatus,
  type RunRecord,
  UndoStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { lettersOf } from "../actor/dead-letters.js";
import {
  COUNT_OF,
  type CountName,
  eachItem,
  HAS_RECORD,
  HELD,
  openItems,
  STATUS_MASK,
} from "../actor/items.js";
import { settledName } from "../breaker/name.js";
import type { ActionPlan, DefinitionPlan } from "../definition/plan.js";
import { cancelledAs, resolveRunStatus } from "../resolve.js";
import { ITEMS_A_CHUNK } from "../limits.js";
import { chunkKey, chunkOf, deadLetterKey, heldKey, itemKey } from "../state/tables.js";
import type { View } from "../state/view.js";
import { isRunRetryable, isRunTerminal, isTerminal } from "../status.js";
import { checkSignatures } from "./check-signatures.js";

export interface FoundBreach {
  readonly rule: "I3" | "I4" | "I6" | "I8" | "I10" | "I13";
  /** Empty: of the run itself. */
  readonly action: string;
  readonly message: string;
}

export interface RunCheck {
  readonly breaches: readonly FoundBreach[];
  readonly items: number;
}

type Say = (rule: FoundBreach["rule"], action: string, message: string) => void;

export function checkRun(view: View, runId: string, run: RunRecord, plan: DefinitionPlan): RunCheck {
  const breaches: FoundBreach[] = [];
  const say: Say = (rule, action, message) => breaches.push({ rule, action, message });
  checkEnding(run, plan, say);
  checkLetters(view, runId, run, plan, say);
  checkSignatures(view, runId, run, plan, say);
  let items = 0;
  for (const action of plan.actions) items += checkAction(view, runId, run, action, say);
  return { breaches, items };
}

function checkEnding(run: RunRecord, plan: DefinitionPlan, say: Say): void {
  const open = plan.actions.filter(
    (action) => !isTerminal(run.actions[action.index]?.status ?? ActionStatus.PENDING),
  );
  const status = RunStatus[run.status] ?? String(run.status);
  if (!isRunTerminal(run.status)) {
    if (run.undo !== undefined) checkUndoing(run, plan, open.length, say);
    else if (open.length === 0) say("I3", "", `every action has ended, but the run is ${status}`);
    return;
  }
  if (run.undo !== undefined) say("I3", "", `the run is ${status}, but is still being undone`);
  if (open.length > 0)
    say("I3", "", `the run is ${status}, but open are: ${open.map((action) => action.name).join(", ")}`);
  const resolved = resolveRunStatus(
    plan.actions.map((action) => ({
      status: run.actions[action.index]?.status ?? ActionStatus.PENDING,
      optional: action.definition.optional,
    })),
    cancelledAs(run),
  );
  if (open.length === 0 && resolved !== run.status)
    say("I3", "", `the run is ${status}, but its actions make it ${RunStatus[resolved]}`);
  if (run.endedAtNs === 0n) say("I3", "", `the run is ${status}, but has no time of its end`);
  if (isRunRetryable(run.status) && run.failure === undefined)
    say("I8", "", `the run is ${status}, but has no failure`);
}

/** What is in the dead-letter set has failed, can be listed, and is kept as long as was promised. */
function checkLetters(view: View, runId: string, run: RunRecord, plan: DefinitionPlan, say: Say): void {
  if (run.deadLetters === undefined) return;
  if (run.deadLetters.runAtNs > 0n && !isRunRetryable(run.status))
    say("I6", "", `the run is in the dead letters, but is ${RunStatus[run.status] ?? run.status}`);
  if (isRunTerminal(run.status) && run.expiryNs < run.deadLetters.untilNs)
    say("I6", "", "the run is in the dead letters, but may be pruned before that is over");
  for (const { atNs, action, item } of lettersOf(run)) {
    const name = plan.actions[action]?.name ?? "";
    const what = item < 0 ? "the run" : `item ${item}`;
    if (view.get(deadLetterKey(run.workflow, { atNs, runId, action, item })) === undefined)
      say("I6", name, `${what} is in the dead letters, but no list would show it`);
    if (item < 0) continue;
    const status =
      (view.get(chunkKey(runId, action, chunkOf(item)))?.statuses[item % ITEMS_A_CHUNK] ?? 0) & STATUS_MASK;
    if (status !== ItemStatus.FAILED)
      say("I6", name, `${what} is in the dead letters, but is ${ItemStatus[status] ?? status}`);
  }
}

/** A run is undone once all has ended, one action at a time. */
function checkUndoing(run: RunRecord, plan: DefinitionPlan, open: number, say: Say): void {
  if (open > 0) say("I3", "", `the run is being undone, but ${open} of its actions are open`);
  const at = plan.undoOrder.filter((index) => UNDO_ACTIVE.has(run.actions[index]?.undo?.status ?? 0));
  if (at.length !== 1)
    say("I3", "", `the run is being undone, but ${at.length} undos are under way: it should be one`);
}

const UNDO_ACTIVE: ReadonlySet<UndoStatus> = new Set([UndoStatus.RUNNING, UndoStatus.RETRYING]);

/** How many items were looked at. */
function checkAction(view: View, runId: string, run: RunRecord, action: ActionPlan, say: Say): number {
  const state = run.actions[action.index];
  if (state === undefined) {
    say("I3", action.name, "the action has no state");
    return 0;
  }
  if (isTerminal(state.status) && state.detail === undefined)
    say("I8", action.name, `it is ${ActionStatus[state.status]} without a detail`);
  if (state.status === ActionStatus.FAILED && state.failure === undefined)
    say("I8", action.name, "it is FAILED without a failure");
  if (state.status === ActionStatus.RETRYING && state.retryAtNs === 0n)
    say("I13", action.name, "it is RETRYING, but not at any time");
  checkJob(action, state, say);
  const { held: isHeld = false, heldN = 0n } = state.breaker ?? {};
  if (isHeld && heldN > 0n && view.get(heldKey(settledName(view, runId, run, action), heldN)) === undefined)
    say("I10", action.name, "it is held, but its breaker would never let it go");
  const waits = state.status === ActionStatus.WAITING && action.definition.child !== undefined;
  if (waits && (state.child?.runId ?? "") === "")
    say("I10", action.name, "it waits for a run, but has asked for none");
  if (state.items === undefined) return 0;
  const { counts = init(ItemCountsSchema), bound } = state.items;
  const found = init(ItemCountsSchema);
  let held = 0;
  eachItem(view, runId, action.index, bound, (item, byte) => {
    found.total += 1;
    const name = COUNT_OF[byte & STATUS_MASK];
    if (name === undefined)
      say("I4", action.name, `item ${item} has the unknown disposition ${byte & STATUS_MASK}`);
    else found[name] += 1;
    if ((byte & HELD) !== 0) held += 1;
    if ((byte & HAS_RECORD) !== 0 && view.get(itemKey(runId, action.index, item)) === undefined) {
      say("I4", action.name, `item ${item} should have a record and has none`);
    }
  });
  for (const name of ["total", ...NAMES] as const) {
    if (counts[name] !== found[name])
      say("I4", action.name, `${counts[name]} items are counted as ${name}, ${found[name]} are`);
  }
  if (state.items.held !== held)
    say("I4", action.name, `${state.items.held} items are counted as held by breakers, ${held} are`);
  if (isTerminal(state.status) && openItems(found) > 0)
    say("I3", action.name, `it has ended, but ${openItems(found)} of its items are open`);
  if (state.status === ActionStatus.RUNNING && state.items.loaded && openItems(found) === 0) {
    say("I3", action.name, "it is RUNNING, but none of its items is open");
  }
  return found.total;
}

/** A job is under way only while its action waits for it, and is checked at a time. */
function checkJob(action: ActionPlan, { batch, status, retryAtNs, items }: ActionState, say: Say): void {
  if (batch === undefined) return;
  const phase = BatchPhase[batch.phase] ?? String(batch.phase);
  if (isTerminal(status) && batch.phase !== BatchPhase.UNSPECIFIED)
    say("I3", action.name, `it is ${ActionStatus[status]}, but a job of it is ${phase}`);
  if (batch.phase === BatchPhase.SUBMITTED && retryAtNs === 0n)
    say("I13", action.name, "its job is to be checked, but not at any time");
  if (batch.phase === BatchPhase.UNSPECIFIED && (items?.counts?.running ?? 0) > 0)
    say("I4", action.name, `${items?.counts?.running} items are at work, but there is no job`);
}

const NAMES: readonly CountName[] = Object.values(COUNT_OF);
