/**
 * What must hold of items with breaker keys of their own: a held item is PENDING and in exactly one lane, that of its key; a lane has its
 * row, or a reason to have none; whatever may begin is not left behind.
 */
import {
  type ActionState,
  ActionStatus,
  type HeldItemsRecord,
  type HeldKey,
  type HeldRecord,
  type ItemCounts,
  ItemStatus,
  type ItemsState,
  RunStatus,
  Source,
  TimerKind,
  type TimerRecord,
} from "@holdfast/proto";
import { HELD, STATUS_MASK } from "../actor/items.js";
import { settledName } from "../breaker/name.js";
import type { ActionPlan } from "../definition/plan.js";
import { HELD_ITEMS_A_ROW, HELD_KEYS_MAX } from "../limits.js";
import { breakerKey, heldItemsKey, heldKey, heldKeysKey } from "../state/tables.js";
import { must, type RunUnderTest } from "./must.js";
import { isBeyond, itemBytes } from "./item-invariants.js";
import type { TestPartition } from "./partition.js";

interface Seen {
  /** Rows of breakers' queues that nobody has named yet. */
  readonly rows: Set<string>;
  readonly heldBy: Map<string, number>;
  readonly itemsBy: Map<string, number>;
  /** Rows of lanes that are nobody's so far. */
  readonly left: Set<string>;
}

/** Items held, by breaker. Takes the rows that it finds out of `rows`, and counts lanes in `heldBy`. */
export function checkLanes(
  partition: TestPartition,
  runs: readonly RunUnderTest[],
  rows: Set<string>,
  heldBy: Map<string, number>,
): Map<string, number> {
  const { view } = partition;
  const left = new Set([...view.keysOf("L"), ...view.keysOf("M")]);
  const seen: Seen = { rows, heldBy, itemsBy: new Map(), left };
  for (const at of runs)
    for (const action of at.plan.actions)
      if (at.run.actions[action.index]?.items !== undefined) checkHeldItems(partition, at, action, seen);
  must(left.size === 0, `what is kept of held items is somebody's: ${left.size} rows are nobody's`);
  return seen.itemsBy;
}

function checkHeldItems(partition: TestPartition, at: RunUnderTest, action: ActionPlan, seen: Seen): void {
  const { view, runId, run } = at;
  const state = run.actions[action.index] as ActionState;
  const items = state.items as ItemsState;
  const counts = items.counts as ItemCounts;
  const what = `held items of ${runId}/${action.name}`;
  const flagged = new Set<number>();
  itemBytes(at, action).forEach((byte, item) => {
    if ((byte & HELD) === 0) return;
    must((byte & STATUS_MASK) === ItemStatus.PENDING, `${what}: item ${item} is PENDING`);
    flagged.add(item);
  });
  must(items.held === flagged.size, `${what} are counted: ${items.held}, ${flagged.size}`);
  if (action.breaker?.itemKey === undefined) must(flagged.size === 0, `${what} have keys of their own`);
  if (flagged.size > 0) {
    const record = view.get(heldKeysKey(runId, action.index));
    must(record !== undefined && seen.left.delete(heldKeysKey(runId, action.index)), `${what} are kept`);
    const { keys, nextLane } = record;
    must(new Set(keys.map(({ key }) => key)).size === keys.length, `${what}: a lane for each key`);
    must(keys.length <= HELD_KEYS_MAX, `${what}: their lanes are bounded`);
    for (const lane of keys) {
      must(lane.lane < nextLane && lane.head < lane.tail, `${what}: lane ${lane.lane} holds something`);
      for (const item of itemsOfLane(at, action, lane, seen)) {
        must(flagged.delete(item), `${what}: item ${item} stands in one lane`);
        const { key } = settledName(view, runId, run, action, item);
        must(key === lane.key, `${what}: item ${item} stands in the lane of its key`);
      }
      checkRow(at, action, lane, seen);
    }
    must(flagged.size === 0, `${what}: each stands in a lane`);
  }
  const waits = state.status === ActionStatus.WAITING && action.breaker?.itemKey !== undefined;
  if (waits) must(items.held > 0 && counts.running === 0, `${what}: what waits for breakers is held`);
  if (waits) must(state.detail?.source === Source.BREAKER, `${what}: what waits for breakers says so`);
  if (action.breaker?.itemKey !== undefined) checkGoesOn(partition, at, action, what);
}

function itemsOfLane(at: RunUnderTest, action: ActionPlan, lane: HeldKey, seen: Seen): number[] {
  const found: number[] = [];
  for (let place = lane.head; place < lane.tail; place++) {
    const key = heldItemsKey(at.runId, action.index, lane.lane, Math.floor(place / HELD_ITEMS_A_ROW));
    seen.left.delete(key);
    const item = at.view.get<HeldItemsRecord>(key)?.items[place % HELD_ITEMS_A_ROW];
    must(item !== undefined, `lane ${lane.lane} of ${at.runId}/${action.name} has an item at ${place}`);
    found.push(item);
  }
  return found;
}

function checkRow({ view, runId, run }: RunUnderTest, action: ActionPlan, lane: HeldKey, seen: Seen): void {
  if (lane.heldN === 0n) return;
  const name = { workflow: run.workflow, action: action.name, key: lane.key };
  const at = heldKey(name, lane.heldN);
  const row = view.get<HeldRecord>(at);
  const isItsOwn = row?.runId === runId && row.action === action.index && row.lane === lane.lane;
  must(isItsOwn && seen.rows.delete(at), `lane "${lane.key}" of ${runId}/${action.name} has its row`);
  const key = breakerKey(name);
  seen.heldBy.set(key, (seen.heldBy.get(key) ?? 0) + 1);
  seen.itemsBy.set(key, (seen.itemsBy.get(key) ?? 0) + lane.tail - lane.head);
}

/** Where there is room, nothing that no breaker keeps is left behind: a key that is held keeps no other. */
function checkGoesOn(
  { view }: TestPartition,
  { runId, run, ...at }: RunUnderTest,
  action: ActionPlan,
  what: string,
): void {
  const state = run.actions[action.index] as ActionState;
  const items = state.items as ItemsState;
  const counts = items.counts as ItemCounts;
  // A PENDING action waits for what comes before it, which may have to run once more.
  const stands =
    state.status === ActionStatus.PENDING ||
    run.status === RunStatus.PAUSED ||
    run.cancel !== undefined ||
    run.guardrails?.exceeded !== undefined ||
    counts.running >= action.window ||
    isBeyond(action, counts);
  if (stands) return;
  const lanes = items.held === 0 ? [] : (at.view.get(heldKeysKey(runId, action.index))?.keys ?? []);
  must(
    lanes.every(({ heldN }) => heldN > 0n),
    `${what}: a lane without a row is asked for while there is room`,
  );
  const goesOn = view.keysOf("t").some((key) => {
    const timer = view.get<TimerRecord>(key);
    return timer?.kind === TimerKind.BREAKER && timer.runId === runId && timer.action === action.index;
  });
  must(
    counts.pending === items.held || goesOn || lanes.length === HELD_KEYS_MAX,
    `${what}: other items go on`,
  );
}
