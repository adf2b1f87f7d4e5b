/** Holds what a run says of the ways in which it failed against its items, and against the index that a retry by signature reads. */
import { RunStatus, type RunRecord } from "@holdfast/proto";
import type { DefinitionPlan } from "../definition/plan.js";
import { signatureRunKey } from "../state/tables.js";
import type { View } from "../state/view.js";
import { isRunRetryable, isRunTerminal } from "../status.js";

type Say = (rule: "I4" | "I6", action: string, message: string) => void;

/** What failed before there were signatures has none, so there may be more failed items than are counted; never fewer. */
export function checkSignatures(
  view: View,
  runId: string,
  run: RunRecord,
  plan: DefinitionPlan,
  say: Say,
): void {
  const { signatures } = run;
  if (signatures.length === 0) return;
  const isFailed = isRunRetryable(run.status);
  if (isRunTerminal(run.status) && !isFailed)
    say("I4", "", `the run is ${RunStatus[run.status] ?? run.status}, but has failure signatures`);
  for (const { index, name } of plan.actions) {
    const own = signatures.filter(({ action }) => action === index);
    const counted = own.reduce((sum, { items }) => sum + items, 0);
    const failed = run.actions[index]?.items?.counts?.failed ?? 0;
    if (counted > failed)
      say("I4", name, `its signatures count ${counted} failed items, there are ${failed}`);
  }
  for (const { id, action, items } of signatures) {
    const name = plan.actions[action]?.name ?? "";
    const filed = view.get(signatureRunKey(id, run.createdAtNs, runId)) !== undefined;
    if (isFailed && !filed)
      say("I6", name, `the run failed with signature ${id}, but a retry by that would not find it`);
    if (!isFailed && filed)
      say(
        "I6",
        name,
        `the run is ${RunStatus[run.status] ?? run.status}, but a retry by signature ${id} would find it`,
      );
    if (!isRunTerminal(run.status) && items === 0)
      say("I4", name, `the run has not ended, but is counted as failed with signature ${id}`);
  }
}
