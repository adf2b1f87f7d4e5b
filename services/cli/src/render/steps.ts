/** How far a handler with steps came: what is done and kept, where it failed, what was not begun. */
import type { PartialResult, StepView } from "@holdfast/proto";
import { safeText } from "./text.js";

const names = (steps: readonly string[]): string => steps.map((step) => safeText(step)).join(", ");

/** `steps: extract, map done · failed in load · not begun: publish`; empty where there are none. */
export function formatSteps(partial: PartialResult | undefined, done: readonly StepView[]): string {
  const completed = partial?.completedSteps ?? done.map(({ name }) => name);
  const parts = completed.length === 0 ? [] : [`${names(completed)} done`];
  const failed = partial?.failedSteps ?? [];
  if (failed.length > 0) parts.push(`failed in ${names(failed)}`);
  const remaining = partial?.remainingSteps ?? [];
  if (remaining.length > 0) parts.push(`not begun: ${names(remaining)}`);
  // Without a step that is done, the failure itself says all there is.
  return completed.length === 0 && remaining.length === 0 ? "" : `steps: ${parts.join(" · ")}`;
}
