/** Retries, drawn blindly and by the state they meet: of runs, of single items and of dead letters; mostly of what failed. */
import { type Command, ItemStatus, RecoveryStrategy } from "@holdfast/proto";
import { eachItem, STATUS_MASK } from "../actor/items.js";
import { runKey } from "../state/tables.js";
import { isRunRetryable } from "../status.js";
import { retry } from "./build.js";
import { at } from "./control-moves.js";
import type { TestPartition } from "./partition.js";

const STRATEGIES = [
  RecoveryStrategy.UNSPECIFIED,
  RecoveryStrategy.UNSPECIFIED,
  RecoveryStrategy.RETRY_FAILED,
  RecoveryStrategy.RETRY_FROM_CHECKPOINT,
  RecoveryStrategy.RETRY_ALL,
  RecoveryStrategy.MANUAL,
] as const;

export function retryMove(
  partition: TestPartition,
  known: readonly string[],
  pick: number,
  how: number,
): Command["kind"] {
  const failedRuns = known.filter((runId) => isRunRetryable(partition.view.get(runKey(runId))?.status ?? 0));
  const candidates = failedRuns.length > 0 && how % 8 !== 7 ? failedRuns : [...known, "nobody", "Ł"];
  return retry(at(candidates, pick), {
    force: how % 3 === 0,
    who: "tester",
    strategy: at(STRATEGIES, how >> 2),
  });
}

/** Of a run with failed items, where there is one: some of them, those in the dead letters, or what must be refused. */
export function retryItemsMove(
  partition: TestPartition,
  known: readonly string[],
  pick: number,
  how: number,
): Command["kind"] {
  const candidates = known.flatMap((runId) => {
    const run = partition.view.get(runKey(runId));
    if (run === undefined || !isRunRetryable(run.status)) return [];
    return run.actions.flatMap(({ items }, index) =>
      (items?.counts?.failed ?? 0) > 0 ? [{ runId, index }] : [],
    );
  });
  const force = how % 3 !== 1;
  if (candidates.length === 0 || how % 16 === 15)
    return retry(at([...known, "nobody"], pick), {
      action: at(["", "a0", "zz"], how),
      items: [how % 4],
      force,
    });
  const { runId, index } = at(candidates, pick);
  const failed = failedItems(partition, runId, index);
  const some = failed.filter((_, i) => (i + how) % 2 === 0);
  const one = [at(failed, pick >> 1)];
  const items = at([one, one, some, failed, [...one, ...one], [...one, 0], [4_294_967_295], []], how >> 1);
  const action = partition.planOf(runId).actions[index]?.name ?? "";
  const strategy = at([0, 0, RecoveryStrategy.RETRY_FAILED, 0, RecoveryStrategy.RETRY_ALL], pick);
  const inSet = partition.run(runId).deadLetters !== undefined;
  const deadLetters = inSet ? how % 4 !== 0 : how % 16 === 2;
  return deadLetters && how % 3 === 0
    ? retry(runId, { deadLetters, force, strategy })
    : retry(runId, {
        action,
        items: deadLetters && how % 3 === 1 ? [] : items,
        deadLetters,
        force,
        strategy,
      });
}

function failedItems(partition: TestPartition, runId: string, action: number): number[] {
  const failed: number[] = [];
  const bound = partition.run(runId).actions[action]?.items?.bound ?? 0;
  eachItem(partition.view, runId, action, bound, (item, byte) => {
    if ((byte & STATUS_MASK) === ItemStatus.FAILED) failed.push(item);
  });
  return failed;
}
