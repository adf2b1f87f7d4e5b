/**
 * Tells again what went to the dead-letter set while nobody, or a predecessor that may have died before it could, told of it.
 *
 * Each move is told as it is folded. Whoever begins to own the partition tells of every dead letter that was moved since its predecessor
 * last wrote to the log, and a while before: so each is told at least once, and some twice.
 */
import { countsKey, deadLetterPrefix, keptUntilNs, prefixEnd, readDeadLetterKey, u64 } from "@holdfast/core";
import { type DeadLetter, type DeadLetterRecord, DeadLetterSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { pinned } from "./compose.js";
import { workflowNames } from "./due-work.js";
import type { PartitionState } from "./state.js";

const WORKFLOWS_MAX = 100_000;
const PAGE = 500;
/** What an owner wrote to the log, it wrote before it had folded all that stands before it there. */
const MARGIN_NS = 60_000_000_000n;

/** `sinceNs`: when the last owner's last command was folded. `tell` is given the letters page by page. */
export async function tellDeadLetters(
  state: PartitionState,
  sinceNs: bigint,
  tell: (letters: readonly DeadLetter[]) => void,
): Promise<void> {
  const fromNs = sinceNs > MARGIN_NS ? sinceNs - MARGIN_NS : 0n;
  for (const workflow of await workflowNames(state, WORKFLOWS_MAX)) {
    if ((state.get(countsKey(workflow))?.deadLetters ?? 0n) === 0n) continue;
    const prefix = deadLetterPrefix(workflow);
    for (let from: string | undefined = prefix + u64(fromNs); from !== undefined; ) {
      const rows: [string, unknown][] = await state.range(from, prefixEnd(prefix), PAGE);
      tell(rows.flatMap(([key, record]) => letterOf(state, key, record as DeadLetterRecord)));
      const last = rows.length < PAGE ? undefined : rows.at(-1)?.[0];
      from = last === undefined ? undefined : `${last}\0`;
    }
  }
}

function letterOf(state: PartitionState, key: string, record: DeadLetterRecord): DeadLetter[] {
  const { workflow, runId, action, item, atNs } = readDeadLetterKey(key);
  const found = pinned(state, runId);
  if (found === undefined) return [];
  const { queue, mode, failure, who, reason, byPolicy } = record;
  return [
    init(DeadLetterSchema, {
      workflow,
      runId,
      action: found.plan.actions[action]?.name ?? "",
      items: item < 0 ? [] : [item],
      queue,
      mode,
      failure,
      who,
      reason,
      byPolicy,
      atNs,
      untilNs: keptUntilNs(state, found.run),
    }),
  ];
}
