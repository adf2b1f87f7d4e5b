/** Moves into the dead-letter set and out of it, drawn blindly and by the state they meet: mostly of what failed, some of what must be refused. */
import {
  type Command,
  DiscardDeadLettersSchema,
  ItemStatus,
  MoveToDeadLettersSchema,
  type RunRecord,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { eachItem, STATUS_MASK } from "../actor/items.js";
import { runKey } from "../state/tables.js";
import { isRunRetryable } from "../status.js";
import { at } from "./control-moves.js";
import type { TestPartition } from "./partition.js";

interface Named {
  readonly runId: string;
  readonly action: string;
  readonly items: number[];
}

/** Of a run that failed, where there is one: the whole of it, or some failed items of one of its actions. */
export function deadLetterMove(
  partition: TestPartition,
  known: readonly string[],
  pick: number,
  how: number,
): Command["kind"] {
  const failed = known.filter((runId) => isRunRetryable(runOf(partition, runId)?.status ?? 0));
  const withItems = failed.filter((runId) =>
    runOf(partition, runId)?.actions.some(({ items }) => (items?.counts?.failed ?? 0) > 0),
  );
  const likely = how % 3 !== 0 && withItems.length > 0 ? withItems : failed;
  const named = name(partition, likely.length > 0 && how % 9 !== 8 ? likely : known, pick, how);
  const value = init(MoveToDeadLettersSchema, { ...named, who: at(["ann", ""], how), reason: "poison" });
  return { case: "moveToDeadLetters", value };
}

export function discardMove(
  partition: TestPartition,
  known: readonly string[],
  pick: number,
  how: number,
): Command["kind"] {
  const held = known.filter((runId) => runOf(partition, runId)?.deadLetters !== undefined);
  const named = name(partition, held.length > 0 && how % 9 !== 8 ? held : known, pick, how);
  const reason = at(["of no use", "of no use", "of no use", "  "], how >> 1);
  return {
    case: "discardDeadLetters",
    value: init(DiscardDeadLettersSchema, { ...named, who: "bob", reason }),
  };
}

const runOf = (partition: TestPartition, runId: string): RunRecord | undefined =>
  partition.view.get(runKey(runId));

function name(partition: TestPartition, known: readonly string[], pick: number, how: number): Named {
  const runId = at([...known, ...known, "nobody", "Ł"], pick);
  const run = /^[a-z0-9-]+$/i.test(runId) ? runOf(partition, runId) : undefined;
  if (run === undefined || how % 3 === 0) return { runId, action: "", items: [] };
  const { actions } = partition.planOf(runId);
  const overItems = actions.filter((action) => (run.actions[action.index]?.items?.counts?.failed ?? 0) > 0);
  const action = at(overItems.length === 0 ? actions : overItems, pick >> 2);
  const failed: number[] = [];
  eachItem(
    partition.view,
    runId,
    action.index,
    run.actions[action.index]?.items?.bound ?? 0,
    (item, byte) => {
      if ((byte & STATUS_MASK) === ItemStatus.FAILED) failed.push(item);
    },
  );
  const items = at([failed, failed, failed.slice(0, 1), [...failed, 0], [4_294_967_295], []], how >> 2);
  return { runId, action: how % 31 === 1 ? "no way" : action.name, items };
}
