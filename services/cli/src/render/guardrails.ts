/** What a run spent, what its guardrails leave it, and what was recovered: one line each, or none. */
import { microText, usageText } from "@holdfast/core/shown";
import type { RecoverView, RunView, Usage } from "@holdfast/proto";
import { failureText } from "./item.js";
import { modeWord } from "./status.js";
import { formatCount, safeText } from "./text.js";
import { formatMoment } from "./time.js";

/** `spent: tokens 120, cost_usd 0.0031`; empty: nothing was reported. */
export function usageRemark(usage: Usage | undefined): string {
  const text = usage === undefined ? "" : safeText(usageText(usage));
  return text === "" ? "" : `spent: ${text}`;
}

/** `guardrails: tokens 120 of 1000000 · steps 3 of 10 · until …`; empty: there are none. */
export function guardrailsRemark({ guardrails }: RunView): string {
  if (guardrails === undefined) return "";
  const { budgets, maxSteps, steps, deadline } = guardrails;
  const parts = [
    ...budgets.map(
      ({ name, usedMicro, limitMicro }) =>
        `${safeText(name)} ${microText(usedMicro)} of ${microText(limitMicro)}`,
    ),
    maxSteps === 0 ? "" : `steps ${formatCount(steps)} of ${formatCount(maxSteps)}`,
    deadline === undefined ? "" : `until ${formatMoment(deadline)}`,
  ].filter((part) => part !== "");
  return parts.length === 0 ? "" : `guardrails: ${parts.join(" · ")}`;
}

/** Both raw reasons of a recovery that failed, where they are not shown already. */
export function recoverRemark(recover: RecoverView | undefined, shown: string): string {
  const { original, failed } = recover ?? {};
  if (original === undefined || failed === undefined) return "";
  const second = failureText(failed);
  if (shown.includes(second)) return "";
  return `its recovery failed with ${modeWord(failed.mode)}: ${second}`;
}
