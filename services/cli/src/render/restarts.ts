/** Runs of which one takes the place of another: which, by whom, when and why. */
import type { RestartView, RunView } from "@holdfast/proto";
import { formatCount, safeText } from "./text.js";
import { formatMoment } from "./time.js";

/** `restarts run order-1 (by ann: the address was wrong)`; empty: it takes nobody's place. */
export function restartsFact({ restarts }: RunView): string {
  if (restarts === undefined) return "";
  const why = whoAndWhy(restarts);
  return `restarts run ${safeText(restarts.runId)}${why === "" ? "" : ` (${why})`}`;
}

/** One line for each run that took its place, the newest first. */
export function restartedRemarks({ restartedAs, restartedCount }: RunView): string[] {
  const lines = restartedAs.map((one) => {
    const why = whoAndWhy(one);
    const at = one.at === undefined ? "" : ` at ${formatMoment(one.at)}`;
    return `▲ Restarted as run ${safeText(one.runId)}${at}${why === "" ? "" : `, ${why}`}`;
  });
  const more = restartedCount - restartedAs.length;
  return more > 0 ? [...lines, `… and as ${formatCount(more)} more before`] : lines;
}

function whoAndWhy({ who, reason }: RestartView): string {
  const by = who === "" ? "" : `by ${safeText(who)}`;
  return [by, safeText(reason)].filter((part) => part !== "").join(": ");
}
