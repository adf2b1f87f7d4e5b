/**
 * What must hold of breakers: I9, nothing is dispatched while one is open, beyond its probes; what one holds is in its queue exactly
 * once, and nothing that could go is held; whatever must change by itself has a timer.
 */
import {
  type ActionState,
  ActionStatus,
  type BreakerRecord,
  BreakerStatus,
  type HeldRecord,
  RunStatus,
  Source,
  TimerKind,
  type TimerRecord,
} from "@holdfast/proto";
import { placesOf } from "../breaker/breaker.js";
import { isLetOut } from "../breaker/let-out.js";
import { settledName } from "../breaker/name.js";
import { BREAKER_TRANSITIONS_MAX } from "../limits.js";
import { resolveBreaker } from "../policy/breaker.js";
import { appliedKey, breakerKey, heldKey, readBreakerKey, timerDue } from "../state/tables.js";
import { isTerminal } from "../status.js";
import type { DueTask } from "../effects.js";
import type { FoldContext } from "../fold/context.js";
import { must, type RunUnderTest } from "./must.js";
import { checkLanes } from "./lane-invariants.js";
import type { MemoryView } from "./memory-view.js";
import type { TestPartition } from "./partition.js";
import { undoStatusOf } from "./undo-invariants.js";
import { UndoStatus } from "@holdfast/proto";

const PROBED: ReadonlySet<BreakerStatus> = new Set([BreakerStatus.OPEN, BreakerStatus.HALF_OPEN]);

export function checkBreakers(partition: TestPartition, runs: readonly RunUnderTest[]): void {
  const { view } = partition;
  const rows = new Set(view.keysOf("H"));
  const heldBy = new Map<string, number>();
  for (const at of runs) checkHeld(at, rows, heldBy);
  const itemsBy = checkLanes(partition, runs, rows, heldBy);
  must(rows.size === 0, `whatever a breaker holds knows of it: ${rows.size} rows are nobody's`);
  const totals = view.get(appliedKey)?.breakers;
  let open = 0;
  let held = 0;
  const records = view.keysOf("B");
  for (const key of records) {
    checkRecord(view, key, heldBy.get(key) ?? 0);
    const record = view.get<BreakerRecord>(key);
    if (record === undefined) continue;
    if (record.status !== BreakerStatus.CLOSED) open += 1;
    held += record.held;
    must(record.heldItems === (itemsBy.get(key) ?? 0), `the items that breaker ${key} holds are counted`);
    heldBy.delete(key);
  }
  must(heldBy.size === 0, "what is held is held by a breaker that there is");
  must((totals?.records ?? 0) === records.length, "breakers are counted");
  must(
    (totals?.open ?? 0) === open && (totals?.held ?? 0) === held,
    "open breakers, and what they hold, are counted",
  );
  checkDispatched(partition, runs);
}

function checkHeld(
  { view, runId, run, plan }: RunUnderTest,
  rows: Set<string>,
  heldBy: Map<string, number>,
): void {
  for (const action of plan.actions) {
    const state = run.actions[action.index] as ActionState;
    const own = state.breaker;
    if (own === undefined) continue;
    must(action.breaker !== undefined, "only an action with a breaker has to do with one");
    must(own.heldN === 0n || own.held, "what stands in the queue of a breaker is held");
    if (!own.held) continue;
    must(!isTerminal(state.status), `${action.name}: what has ended is not held`);
    const text = state.detail;
    must(
      text?.source === Source.BREAKER && text.text.startsWith("breaker "),
      `${action.name}: what is held says so`,
    );
    const waits = state.status === ActionStatus.WAITING || state.items !== undefined;
    must(waits, `${action.name}: what is held waits, or its items do`);
    if (own.heldN === 0n) {
      must(
        run.status === RunStatus.PAUSED || run.cancel !== undefined,
        `${action.name}: held without a row only in a paused run`,
      );
      continue;
    }
    const name = settledName(view, runId, run, action);
    const key = heldKey(name, own.heldN);
    const row = view.get<HeldRecord>(key);
    must(row?.runId === runId && row.action === action.index, `${action.name}: its row names it`);
    must(rows.delete(key), `${action.name}: its row is its own`);
    heldBy.set(breakerKey(name), (heldBy.get(breakerKey(name)) ?? 0) + 1);
  }
}

function checkRecord(view: MemoryView, key: string, held: number): void {
  const name = readBreakerKey(key);
  const record = view.get(breakerKey(name));
  const policy = resolveBreaker(record?.policy);
  must(record !== undefined && policy !== undefined, "a breaker has a record and a policy");
  const what = `breaker ${name.workflow}/${name.action} (${BreakerStatus[record.status]})`;
  must(record.held === held, `${what} counts what it holds: ${record.held}, ${held}`);
  must(record.transitions.length <= BREAKER_TRANSITIONS_MAX, `${what}: its history is bounded`);
  if (record.status === BreakerStatus.CLOSED) must(held === 0, `${what} holds nothing`);
  const isOut = new Set(
    record.probes.map(({ runId, action, item, attempt }) => `${runId}/${action}/${item}/${attempt}`),
  );
  must(isOut.size === record.probes.length, `${what}: probes are named once`);
  must(record.probes.length + record.good <= policy.probes, `${what}: no more probes are out than it lets`);
  must(record.probes.length === 0 || PROBED.has(record.status), `${what} has probes`);
  const timers = view.keysOf("t").flatMap((timer) => {
    const row = view.get<TimerRecord>(timer);
    const of =
      row?.kind === TimerKind.BREAKER && row.breaker !== undefined && breakerKey(row.breaker) === key;
    return of ? [{ due: timerDue(timer), n: row.attempt }] : [];
  });
  const forGood = record.status === BreakerStatus.OPEN && record.openUntilNs === 0n;
  must(
    timers.filter(({ n }) => n === record.timers).length === (forGood ? 0 : 1),
    `${what} has one timer that counts`,
  );
  if (record.status === BreakerStatus.OPEN && !forGood)
    must(
      timers.some(({ due, n }) => n === record.timers && due === record.openUntilNs),
      `${what} knows until when`,
    );
  const places = placesOf({ ctx: undefined as unknown as FoldContext, name, record, policy });
  const goesOn = timers.some(({ n }) => n === 0);
  must(held === 0 || places === 0 || goesOn, `${what} holds nothing that could go`);
  must(record.status !== BreakerStatus.RECOVERING || held > 0, `${what} holds something`);
}

/** I9, as effects have it. */
function checkDispatched({ view, effects }: TestPartition, runs: readonly RunUnderTest[]): void {
  const moved = new Set(effects.flatMap((effect) => (effect.kind === "breaker" ? [breakerKey(effect)] : [])));
  for (const effect of effects) {
    if (effect.kind !== "dispatch") continue;
    const { runId, action: index, item, attempt } = effect.task;
    const at = runs.find((known) => known.runId === runId);
    const action = at?.plan.actions[index];
    if (at === undefined || action?.breaker === undefined) continue;
    const state = at.run.actions[index] as ActionState;
    if (undoStatusOf(at.run, state) === UndoStatus.RUNNING) continue;
    if (moved.has(breakerKey(settledName(view, runId, at.run, action, item < 0 ? undefined : item))))
      continue;
    // Over before its entry was: no worker ever hears of it, and its place is free again.
    if (isClosed(effects, effect.task)) continue;
    const isOut = isLetOut(view, at.run, action, {
      runId,
      action: index,
      item: item < 0 ? undefined : item,
      attempt,
    });
    must(isOut, `I9: attempt ${attempt} of ${runId}/${action.name} was let out by its breaker`);
  }
}

const isClosed = (effects: TestPartition["effects"], { runId, action, item, attempt }: DueTask): boolean =>
  effects.some(
    (effect) =>
      effect.kind === "closed" &&
      effect.runId === runId &&
      effect.action === action &&
      effect.item === item &&
      effect.attempt === attempt,
  );
