/**
 * Holds what a breaker says that it holds against its rows, and these against the actions that are held. Reads only; mends nothing.
 *
 * I7: what is held is counted. I10: a row is of an action that is held under its number: nothing else would let it go.
 */
import type { BreakerRecord, HeldRecord } from "@holdfast/proto";
import type { Name } from "../breaker/breaker.js";
import { readU64 } from "../state/key-numbers.js";
import { breakerKey, heldKeysKey, runKey } from "../state/tables.js";
import type { View } from "../state/view.js";
import type { FoundInBooks } from "./found.js";

/** `rows`: as many as there are of it, all of them or the first; of the same moment as `held`. */
export function checkBreaker(
  view: View,
  name: Name,
  held: number,
  counted: number,
  rows: readonly (readonly [key: string, row: HeldRecord])[],
): FoundInBooks[] {
  const what = `breaker ${name.workflow}/${name.action}`;
  const of = breakerKey(name).slice(1);
  const found: FoundInBooks[] = [];
  if (held !== counted)
    found.push({
      rule: "I7",
      of,
      message: `${what}: ${held} actions are counted as held, ${counted} are`,
    });
  for (const [key, row] of rows) {
    if (isHeldAs(view, row, readU64(key, key.length - 8))) continue;
    const message = `${what}: it holds an action of run ${row.runId}, which is not held`;
    found.push({ rule: "I10", of, message });
  }
  return found;
}

/** The action, or its items of one key, stand in the queue under this number. */
function isHeldAs(view: View, { runId, action, lane }: HeldRecord, n: bigint): boolean {
  if (lane !== undefined)
    return (view.get(heldKeysKey(runId, action))?.keys ?? []).some(
      (held) => held.lane === lane && held.heldN === n,
    );
  const own = view.get(runKey(runId))?.actions[action]?.breaker;
  return own?.held === true && own.heldN === n;
}

export interface BreakerSums {
  readonly records: number;
  readonly open: number;
  readonly held: number;
}

export const sumOf = (
  records: readonly Pick<BreakerRecord, "status" | "held">[],
  closed: number,
): BreakerSums => ({
  records: records.length,
  open: records.filter(({ status }) => status !== closed).length,
  held: records.reduce((sum, { held }) => sum + held, 0),
});

/** A partition's totals of its breakers. */
export function checkBreakerTotals(totals: Partial<BreakerSums>, found: BreakerSums): FoundInBooks[] {
  return (["records", "open", "held"] as const).flatMap((what): FoundInBooks[] => {
    const counted = totals[what] ?? 0;
    const words = { records: "breakers", open: "open breakers", held: "held actions" }[what];
    if (counted === found[what]) return [];
    return [{ rule: "I7", of: "", message: `${counted} ${words} are counted, ${found[what]} are there` }];
  });
}
