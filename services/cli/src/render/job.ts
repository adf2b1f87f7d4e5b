/** The job of an external batch action that is under way: when it was submitted, and when it was and will be checked. */
import { BatchPhase, type BatchView } from "@holdfast/proto";
import { countOf, safeText } from "./text.js";
import { formatMoment } from "./time.js";

const WORDS: Readonly<Record<BatchPhase, string>> = {
  [BatchPhase.UNSPECIFIED]: "",
  [BatchPhase.SUBMITTING]: "is not submitted yet",
  [BatchPhase.SUBMITTED]: "",
  [BatchPhase.CHECKING]: "is being checked",
  [BatchPhase.CLOSING]: "is over: what it has no result for fails",
};

/** One line: `job 2 batch-17 · submitted … · last check … · next check … · 3 checks`; empty: there is no job under way. */
export function jobRemark(batch: BatchView | undefined): string {
  if (batch === undefined) return "";
  const cancels =
    batch.cancels === 0 ? "" : `${countOf(batch.cancels, "job")} still to be cancelled in the outside system`;
  if (batch.phase === BatchPhase.UNSPECIFIED) return cancels;
  const handle = safeText(batch.handle);
  const parts = [
    `job ${batch.job}${handle === "" ? "" : ` ${handle}`}`,
    WORDS[batch.phase] ?? "",
    batch.submittedAt === undefined ? "" : `submitted ${formatMoment(batch.submittedAt)}`,
    batch.lastCheck === undefined ? "" : `last check ${formatMoment(batch.lastCheck)}`,
    batch.nextCheck === undefined ? "" : `next check ${formatMoment(batch.nextCheck)}`,
    batch.checks === 0 ? "" : countOf(batch.checks, "check"),
    batch.tries === 0 ? "" : `${countOf(batch.tries, "failed attempt")} in a row`,
    batch.deadline === undefined ? "" : `time until ${formatMoment(batch.deadline)}`,
    batch.ignored === 0 ? "" : `${countOf(batch.ignored, "result")} that changed nothing`,
    cancels,
  ];
  return parts.filter((part) => part !== "").join(" · ");
}
