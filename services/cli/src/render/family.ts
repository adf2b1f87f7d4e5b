/** Parents and children of a run: who began it, which runs it began, how those stand, and how to see them. */
import { type ActionView, type ChildView, RunStatus, type RunView } from "@holdfast/proto";
import { withId } from "./command.js";
import { usageRemark } from "./guardrails.js";
import { runStatusWord } from "./status.js";
import { formatItemCounts, formatTally } from "./tally.js";
import { safeText } from "./text.js";

/** `child of run order-1 (action ship of orders)`; empty: it is nobody's. */
export function parentFact({ parent }: RunView): string {
  if (parent === undefined) return "";
  const where = `action ${safeText(parent.action)} of ${safeText(parent.workflow)}`;
  return `child of run ${safeText(parent.runId)} (${where})`;
}

/** One line: `run order-1-ship-0a1b2c3d4e of ship: FAILED · 0 OK | … · 2 of 3 items OK`; empty: there is no child. */
export function childRemark(child: ChildView | undefined): string {
  if (child === undefined) return "";
  const begun = child.status !== RunStatus.UNSPECIFIED && child.status !== RunStatus.PENDING;
  const parts = [
    `run ${safeText(child.runId)} of ${safeText(child.workflow)}: ${begun ? runStatusWord(child.status) : "asked for"}`,
    child.tally === undefined ? "" : formatTally(child.tally),
    child.items === undefined ? "" : formatItemCounts(child.items),
    usageRemark(child.usage),
  ];
  return parts.filter((part) => part !== "").join(" · ");
}

/** The detail says the run that is waited for, or how it ended: its line says so already. */
export const saysChildOnly = ({ child, detail }: ActionView): boolean =>
  child !== undefined && detail === `waits for run ${child.runId} of ${child.workflow}`;

const KIN_SHOWN = 3;

/** What to type to see them: children that did not complete first, since something may be to do there. */
export function familySuggestions({ actions, parent }: RunView): { args: string; does: string }[] {
  const children = actions
    .filter(({ child }) => child !== undefined && child.status !== RunStatus.COMPLETED)
    .slice(0, KIN_SHOWN)
    .map(({ name, child }) => ({
      args: withId("run", child?.runId ?? ""),
      does: `the run of ${safeText(name)}`,
    }));
  const above =
    parent === undefined ? [] : [{ args: withId("run", parent.runId), does: "the run that began it" }];
  return [...children, ...above];
}
