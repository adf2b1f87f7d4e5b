/** What a retry did: one line for each run as it happens, and the outcome line that adds up. */
import { type RetryOutcome, type RetryResult, RetryResultKind } from "@holdfast/proto";
import type { Screen, Tone } from "./style.js";
import { MARKS } from "./status.js";
import { formatMoment } from "./time.js";
import { countOf, formatCount, safeText, wrapText } from "./text.js";

const KINDS: Readonly<Record<RetryResultKind, readonly [word: string, tone: Tone]>> = {
  [RetryResultKind.UNSPECIFIED]: ["unknown", "plain"],
  [RetryResultKind.RETRIED]: ["retried", "good"],
  [RetryResultKind.RACED]: ["raced", "warn"],
  [RetryResultKind.REFUSED]: ["refused", "bad"],
  [RetryResultKind.PRUNED]: ["pruned", "warn"],
};

export function renderRetryResult(result: RetryResult, screen: Screen, dryRun = false): string[] {
  const [kind, tone] = KINDS[result.kind] ?? ["unknown", "plain"];
  const word = dryRun ? `would be ${kind}` : kind;
  const items = result.items > 0 ? ` · ${countOf(result.items, "item")}` : "";
  const reason = result.reason === "" ? "" : ` · ${safeText(result.reason)}`;
  const text = `${safeText(result.runId)} ${word}${items}${reason}`;
  return wrapText(text, screen.width - 4).map((line, at) =>
    at === 0 ? `  ${screen.style(tone, MARKS[tone])} ${line}` : `    ${line}`,
  );
}

/** `matched 1 · retried 1 · refused 0 · raced 0 · pruned past retention 0` */
export function formatRetryOutcome(outcome: RetryOutcome): string {
  return [
    `matched ${formatCount(outcome.matched)}`,
    `retried ${formatCount(outcome.retried)}`,
    `refused ${formatCount(outcome.refused)}`,
    `raced ${formatCount(outcome.raced)}`,
    `pruned past retention ${formatCount(outcome.prunedPastRetention)}`,
  ].join(" · ");
}

export function renderRetryOutcome(outcome: RetryOutcome, screen: Screen): string[] {
  const dry = outcome.dryRun ? " (dry run: nothing was changed)" : "";
  const lines = [formatRetryOutcome(outcome) + dry];
  for (const { reason, count } of outcome.refusedReasons) {
    for (const line of wrapText(`refused ${formatCount(count)}: ${safeText(reason)}`, screen.width - 2))
      lines.push(`  ${line}`);
  }
  if (
    outcome.prunedPastRetention > 0n &&
    outcome.prunedFrom !== undefined &&
    outcome.prunedUntil !== undefined
  ) {
    const between = `they had ended between ${formatMoment(outcome.prunedFrom)} and ${formatMoment(outcome.prunedUntil)}`;
    lines.push(
      ...wrapText(
        `${formatCount(outcome.prunedPastRetention)} more were pruned past their retention: ${between}`,
        screen.width - 2,
      ).map((line) => `  ${line}`),
    );
  }
  if (outcome.limited)
    lines.push("  There were more runs than the limit: type the same again for the next ones.");
  return lines;
}
