/** What must hold of the runs that need a person: each is told of for as long as it does, and nothing else is. */
import {
  ActionStatus,
  AttentionKind,
  type AttentionRecord,
  RecoveryStrategy,
  type ScheduleRecord,
} from "@holdfast/proto";
import { isApproval } from "../actor/approvals.js";
import { recommendForRun } from "../recovery/recommend-run.js";
import {
  appliedKey,
  breachesKey,
  attentionKey,
  readAttentionSeq,
  scheduleAttentionKey,
  scheduleKey,
} from "../state/tables.js";
import { BREACHES_KEPT_MAX } from "../limits.js";
import { isRunRetryable } from "../status.js";
import { must, type RunUnderTest } from "./must.js";
import type { MemoryView } from "./memory-view.js";

export function checkAttention(view: MemoryView, runs: readonly RunUnderTest[]): void {
  const rows = new Set(view.keysOf("K"));
  for (const { runId, run, plan } of runs) {
    const isOver = isRunRetryable(run.status) && run.recoverAtNs === 0n;
    // What the cancel of a job, or a child, spends once its run has ended may change what is recommended.
    const mayChange =
      plan.definition.guardrails !== undefined &&
      plan.actions.some(({ batch, definition }) => batch !== undefined || definition.child !== undefined);
    // A person has seen it.
    const isGivenUp = run.discarded !== undefined || run.deadLetters !== undefined;
    const manual =
      isOver &&
      !mayChange &&
      !isGivenUp &&
      recommendForRun(runId, plan, run).strategy === RecoveryStrategy.MANUAL;
    must(!manual || run.attentionSeq > 0n, `run ${runId} needs a person, and that is told`);
    const asks = plan.actions.some(
      (action) => isApproval(action) && run.actions[action.index]?.status === ActionStatus.WAITING,
    );
    must(
      !asks || run.attentionSeq > 0n || run.cancel !== undefined,
      `run ${runId} asks somebody, and that is told`,
    );
    if (run.attentionSeq === 0n) continue;
    must(isOver || asks, `run ${runId} is told of only while it has failed for good, or asks somebody`);
    const key = attentionKey(run.attentionSeq, runId);
    const attention = view.get<AttentionRecord>(key)?.attention;
    must(attention?.runId === runId && attention.workflow === run.workflow, `run ${runId}: its row names it`);
    must(attention.message.includes(runId), `run ${runId}: its row says what is the matter`);
    must(rows.delete(key), `run ${runId}: its row is its own`);
  }
  for (const key of view.keysOf("e")) {
    const name = key.slice(1);
    const { attentionSeq, spec } = view.get(scheduleKey(name)) as ScheduleRecord;
    if (attentionSeq === 0n) continue;
    const row = scheduleAttentionKey(attentionSeq, name);
    const attention = view.get(row)?.attention;
    must(attention?.kind === AttentionKind.SCHEDULE, `schedule ${name}: its row is of a schedule`);
    must(attention.message.includes(name) && spec !== undefined, `schedule ${name}: its row names it`);
    must(rows.delete(row), `schedule ${name}: its row is its own`);
  }
  must(rows.size === 0, `what needs a person is there: ${rows.size} rows are nobody's`);
  const applied = view.get(appliedKey);
  if (applied === undefined) return;
  must(applied.attentionToldSeq <= applied.seq, "nothing is told before it is in the log");
  const kept = view.get(breachesKey)?.kept ?? [];
  must(kept.length <= BREACHES_KEPT_MAX, "I14: broken rules that are kept are bounded");
  must(
    kept.every(({ seq, attention }) => seq <= applied.seq && attention?.kind === AttentionKind.BREACH),
    "what is kept of broken rules was found",
  );
  for (const key of view.keysOf("K"))
    must(readAttentionSeq(key) <= applied.seq, "what needs a person is in the log");
}
