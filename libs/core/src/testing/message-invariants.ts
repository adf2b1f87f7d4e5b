/** What must hold of messages and of child runs within one partition. Between several: cluster.property.test.ts. */
import { type ActionState, ActionStatus, type MessageMarkRecord, RunStatus } from "@holdfast/proto";
import type { ActionPlan } from "../definition/plan.js";
import { markedPartition, outboxKey, SENT_MARKS } from "../state/tables.js";
import { must, type RunUnderTest } from "./must.js";
import type { MemoryView } from "./memory-view.js";
import type { TestPartition } from "./partition.js";

/** I12, the sender's side: from the first message that has not arrived to the last one sent, none is missing. */
export function checkOutbox(view: MemoryView): void {
  const rows = new Set(view.keysOf("o"));
  for (const key of view.keysOf(SENT_MARKS)) {
    const { n, delivered } = view.get<MessageMarkRecord>(key) as MessageMarkRecord;
    must(delivered <= n, "no more has arrived than was sent");
    for (let at = delivered + 1n; at <= n; at++)
      must(
        rows.delete(outboxKey(markedPartition(key), at)),
        `I12: message ${at} is kept until it has arrived`,
      );
  }
  must(rows.size === 0, "what has arrived is kept no longer");
}

/** What waits for a child names it, and its input was asked for, or it was asked for itself. */
export function checkChild({ run, runId }: RunUnderTest, action: ActionPlan, partition: TestPartition): void {
  const state = run.actions[action.index] as ActionState;
  if (state.status !== ActionStatus.WAITING || action.definition.child === undefined) return;
  must((state.child?.runId ?? "") !== "", "what waits for a child says for which");
  if (state.child?.status !== RunStatus.UNSPECIFIED) return;
  const asked = partition.loads.some(
    (load) => load.runId === runId && load.action === action.index && load.generation === run.generation,
  );
  must(asked, `action ${action.name}: the input of its child was asked for in this generation`);
}
