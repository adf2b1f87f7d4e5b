/**
 * Approvals that wait are told to people, and listed for as long as they do: nothing else says that a run stands still until somebody decides.
 *
 * 1. A run has one row, for the first that waits; while it lives it has no other.
 */
import { AttentionKind, AttentionRecordSchema, AttentionSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ActionPlan } from "../definition/plan.js";
import { attentionKey } from "../state/tables.js";
import { timeText } from "../text.js";
import { type Actor, isCancelling, stateOf } from "./actor.js";
import { settleAttention } from "./attention.js";
import { waitingForApproval } from "./wait.js";

export const isApproval = ({ definition }: ActionPlan): boolean => definition.wait?.for.case === "approval";

/** An approval of the run begins to wait, or waits no more. The caller saves the run. */
export function tellApprovals(actor: Actor): void {
  const { ctx, run, runId } = actor;
  const waiting = waitingForApproval(actor);
  const told = run.attentionSeq === 0n ? undefined : ctx.view.get(attentionKey(run.attentionSeq, runId));
  if (waiting.some(({ name }) => name === told?.attention?.action)) return;
  settleAttention(ctx, runId, run);
  const [first] = waiting;
  // What is about to be cancelled asks nobody.
  if (first === undefined || isCancelling(actor)) return;
  const { detail, retryAtNs } = stateOf(actor, first);
  const until = retryAtNs === 0n ? "" : ` until ${timeText(retryAtNs)}`;
  const attention = init(AttentionSchema, {
    kind: AttentionKind.APPROVAL,
    workflow: run.workflow,
    runId,
    action: first.name,
    message: `run ${runId} stands still${until}; approve it or reject it. Its action ${first.name} ${detail?.text ?? "waits for an approval"}`,
    atNs: ctx.atNs,
  });
  run.attentionSeq = BigInt(ctx.seq);
  ctx.view.put(attentionKey(run.attentionSeq, runId), init(AttentionRecordSchema, { attention }));
  ctx.emit({ kind: "attention", attention });
}
