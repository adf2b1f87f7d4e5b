/**
 * What must hold of an action's items: I4, each in exactly one disposition and the counts equal the dispositions;
 * whatever is flagged has its record; a dependant over another action's items has that action's successes as members.
 */
import {
  type ActionState,
  ActionStatus,
  Effect,
  FailureMode,
  type ItemCounts,
  ItemStatus,
  type ItemsState,
  RunStatus,
  Source,
} from "@holdfast/proto";
import { AGAIN, HAS_RECORD, HELD, STATUS_MASK, TERMINAL_MODE } from "../actor/items.js";
import { isHeld } from "../breaker/held-text.js";
import type { ActionPlan } from "../definition/plan.js";
import { traitsOf } from "../failure/modes.js";
import { INPUTS_A_RECORD, ITEMS_A_CHUNK } from "../limits.js";
import { chunkKey, inputsKey, itemKey } from "../state/tables.js";
import { isCompleted, isTerminal } from "../status.js";
import { must, type RunUnderTest } from "./must.js";

/** The status bytes of an action, by index; 0 where there is no item. */
export function itemBytes({ view, runId, run }: RunUnderTest, action: ActionPlan): number[] {
  const bound = run.actions[action.index]?.items?.bound ?? 0;
  const bytes: number[] = [];
  for (let chunk = 0; chunk * ITEMS_A_CHUNK < bound; chunk++) {
    const statuses = view.get(chunkKey(runId, action.index, chunk))?.statuses ?? new Uint8Array();
    const end = Math.min(ITEMS_A_CHUNK, bound - chunk * ITEMS_A_CHUNK);
    for (let i = 0; i < end; i++) bytes.push(statuses[i] ?? 0);
  }
  return bytes;
}

/** Of an action that a guardrail stopped: it did not come to the end that its items would have made. */
export const isStopped = (state: ActionState): boolean =>
  state.status === ActionStatus.FAILED && state.failure?.rawClass === "Guardrail";

export function checkItems(at: RunUnderTest, action: ActionPlan): void {
  const { run } = at;
  const state = run.actions[action.index] as ActionState;
  const items = state.items as ItemsState;
  const counts = items.counts as ItemCounts;
  const bytes = itemBytes(at, action);
  const count = (status: ItemStatus): number =>
    bytes.filter((byte) => (byte & STATUS_MASK) === status).length;
  const what = `items of ${action.name} (${ActionStatus[state.status]})`;
  must(counts.pending === count(ItemStatus.PENDING), `I4: pending ${what}`);
  must(counts.running === count(ItemStatus.RUNNING), `I4: running ${what}`);
  must(counts.retrying === count(ItemStatus.RETRYING), `I4: retrying ${what}`);
  must(counts.succeeded === count(ItemStatus.SUCCEEDED), `I4: succeeded ${what}`);
  must(counts.failed === count(ItemStatus.FAILED), `I4: failed ${what}`);
  must(counts.skipped === count(ItemStatus.SKIPPED), `I4: skipped ${what}`);
  must(counts.cancelled === count(ItemStatus.CANCELLED), `I4: cancelled ${what}`);
  must(counts.total === bytes.length - count(ItemStatus.UNSPECIFIED), `I4: total of ${what}`);
  must(counts.running <= action.window, `${what} stay within the window`);
  must(
    bytes.every(
      (byte, i) => i >= items.cursor || (byte & STATUS_MASK) !== ItemStatus.PENDING || (byte & HELD) !== 0,
    ),
    `cursor of ${what}`,
  );
  const open = counts.pending + counts.running + counts.retrying;
  if (isTerminal(state.status)) {
    must(open === 0, `I3: no ${what} are open`);
    const failedToLoad = state.status === ActionStatus.FAILED && !items.loaded;
    const undecided =
      state.status === ActionStatus.SKIPPED || run.cancel !== undefined || failedToLoad || isStopped(state);
    if (!undecided) must(state.status === expectedStatus(action, counts), `I3: the end follows from ${what}`);
  } else if (state.status === ActionStatus.RUNNING) {
    must(open > 0 || !items.loaded, `some ${what} are open, or it had ended`);
    // A job takes items only once all are there; what will not be borne is not begun.
    const isGathering = !items.loaded && (action.batch !== undefined || isBeyond(action, counts));
    const goOn = counts.pending === 0 || isHeld(state) || counts.running > 0 || counts.retrying > 0;
    must(goOn || isGathering || run.status === RunStatus.PAUSED, `${what} go on`);
  }
  const modes = new Map<FailureMode, number>();
  const effects = { withEffect: 0, noEffect: 0, silent: 0 };
  bytes.forEach((byte, item) => checkItem(at, action, item, byte, modes, effects));
  must(
    items.modes.length === modes.size && items.modes.every((entry) => modes.get(entry.mode) === entry.count),
    `the modes of failed ${what} are counted`,
  );
  for (const name of ["withEffect", "noEffect", "silent"] as const)
    must(items[name] === effects[name], `${name} of ${what} is counted`);
  checkList(at, action);
  if (action.perItemOf === undefined) checkInputs(at, action, items.bound);
  else checkMembers(at, action, bytes);
}

/** The rule of semantics.md for an action over items whose items have all ended. */
function expectedStatus(action: ActionPlan, counts: ItemCounts): ActionStatus {
  const { failed, succeeded } = counts;
  if (failed === 0) return ActionStatus.COMPLETED;
  return isBeyond(action, counts) || succeeded === 0
    ? ActionStatus.FAILED
    : ActionStatus.COMPLETED_WITH_FAILURES;
}

export function isBeyond({ tolerate }: ActionPlan, { failed, total }: ItemCounts): boolean {
  return (
    (tolerate.case === "count" && failed > tolerate.value) ||
    (tolerate.case === "basisPoints" && failed / total > tolerate.value / 10_000)
  );
}

function checkItem(
  { view, runId }: RunUnderTest,
  action: ActionPlan,
  item: number,
  byte: number,
  modes: Map<FailureMode, number>,
  effects: { withEffect: number; noEffect: number; silent: number },
): void {
  const status: ItemStatus = byte & STATUS_MASK;
  const record = view.get(itemKey(runId, action.index, item));
  const what = `item ${item} of ${action.name} (${ItemStatus[status]})`;
  must(
    (record !== undefined) === ((byte & HAS_RECORD) !== 0),
    `${what} has a record exactly if it is flagged`,
  );
  const { PENDING, RUNNING, RETRYING, SUCCEEDED, FAILED, SKIPPED } = ItemStatus;
  if ([RETRYING, SUCCEEDED, FAILED, SKIPPED].includes(status))
    must(record !== undefined, `${what} has a record`);
  if (status === FAILED || status === RETRYING) {
    const failure = record?.failure;
    must(
      failure !== undefined && failure.mode !== 0 && failure.message !== "",
      `I8: ${what} keeps its failure`,
    );
    must(failure.source !== Source.UNSPECIFIED && failure.atNs > 0n, `I8: ${what} keeps whose and when`);
    must((record?.detail?.text ?? "") !== "", `I8: ${what} keeps its detail`);
  }
  if (status === RETRYING) must((record?.retryAtNs ?? 0n) > 0n, `${what} knows when`);
  if (status === RUNNING || status === SUCCEEDED || status === SKIPPED)
    must(record?.failure === undefined, `${what} has no failure`);
  must(
    (byte & AGAIN) === 0 || (status === PENDING && record?.failure !== undefined),
    `${what}: what a retry set off knows what it had failed with`,
  );
  must(
    record?.before === undefined || [PENDING, RUNNING, RETRYING].includes(status),
    `${what}: what has ended stands for itself`,
  );
  must((byte & TERMINAL_MODE) === 0 || status === FAILED, `${what}: only a failure is of a terminal mode`);
  if (status === FAILED) {
    const mode = record?.failure?.mode ?? 0;
    must(traitsOf(mode).terminal === ((byte & TERMINAL_MODE) !== 0), `${what} is flagged by its mode`);
    modes.set(mode, (modes.get(mode) ?? 0) + 1);
  }
  if (status === SUCCEEDED) {
    const effect = record?.effect;
    if (effect === Effect.NONE_WITH_REASON) effects.noEffect += 1;
    else if (effect === Effect.SILENT) effects.silent += 1;
    else effects.withEffect += 1;
  }
  if (status === PENDING || status === RUNNING)
    must(record === undefined || record.attempt > 0 || record.unkeyedIn > 0, `${what} counts its attempts`);
}

/** Every item that was loaded has its input, where it is looked for. */
function checkInputs({ view, runId }: RunUnderTest, action: ActionPlan, bound: number): void {
  let inputs = 0;
  for (let block = 0; block * INPUTS_A_RECORD < bound; block++) {
    const kept = view.get(inputsKey(runId, action.index, block))?.items.length ?? 0;
    must(
      kept === Math.min(INPUTS_A_RECORD, bound - block * INPUTS_A_RECORD),
      `inputs ${block} of ${action.name}`,
    );
    inputs += kept;
  }
  must(inputs === bound, `${action.name} has an input for each item`);
}

/** Items are of the list that upstream has now, not of one that it made in an earlier generation. */
function checkList({ run }: RunUnderTest, action: ActionPlan): void {
  const state = run.actions[action.index] as ActionState;
  const index = action.outputOf ?? action.perItemOf;
  const upstream = index === undefined ? undefined : run.actions[index];
  if (!isSettled(state) || isStopped(state) || upstream === undefined || !isCompleted(upstream.status))
    return;
  if (run.cancel !== undefined) return;
  if (action.ancestors.some((i) => !isTerminal(run.actions[i]?.status as ActionStatus))) return;
  const expected = action.perItemOf === undefined ? upstream.generation : upstream.items?.listGeneration;
  must(state.items?.listGeneration === expected, `${action.name} works on the list that is there now`);
}

const isSettled = ({ status }: ActionState): boolean =>
  isCompleted(status) || status === ActionStatus.FAILED || status === ActionStatus.RUNNING;

function checkMembers(at: RunUnderTest, action: ActionPlan, bytes: readonly number[]): void {
  const { run, plan } = at;
  const source = plan.actions[action.perItemOf as number] as ActionPlan;
  const sourceState = run.actions[source.index] as ActionState;
  const state = run.actions[action.index] as ActionState;
  if (
    !isSettled(state) ||
    isStopped(state) ||
    !isCompleted(sourceState.status) ||
    run.status === RunStatus.CANCELLED
  )
    return;
  // A dependant that ended before healing keeps its members until its turn comes again.
  if (action.ancestors.some((i) => !isTerminal(run.actions[i]?.status as ActionStatus))) return;
  const successes = itemBytes(at, source).map((byte) => (byte & STATUS_MASK) === ItemStatus.SUCCEEDED);
  for (let item = 0; item < Math.max(successes.length, bytes.length); item++) {
    const member = ((bytes[item] ?? 0) & STATUS_MASK) !== 0;
    must(
      member === (successes[item] ?? false),
      `item ${item} of ${action.name} is one exactly if it succeeded upstream`,
    );
  }
}
