/** What a retry did: one line for each run as it happens, and the outcome line that adds up. */
import { type RetryOutcome, type RetryResult, RetryResultKind } from "@holdfast/proto";
import type { Screen, Tone } from "./style.js";
import { MARKS } from "./status.js";
import { formatMoment } from "./time.js";
import { countOf, formatCount, safeText, wrapAround, wrapText } from "./text.js";

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
  const runId = safeText(result.runId);
  return wrapAround(runId, `${runId} ${word}${items}${reason}`, screen.width - 4).map((line, at) =>
    at === 0 ? `  ${screen.style(tone, MARKS[tone])} ${line}` : `    ${line}`,
  );
}

/** `retried 41 of 44 · 2 raced · 1 refused (POLICY_SECURITY: needs a person)`; of a dry run, what would be. */
export function formatRetryOutcome({
  matched,
  retried,
  raced,
  refused,
  refusedReasons,
  dryRun,
}: RetryOutcome): string {
  if (matched === 0n) return "Nothing to retry: no failed run matches.";
  const [only] = refusedReasons;
  const why = refusedReasons.length === 1 && only !== undefined ? ` (${safeText(only.reason)})` : "";
  return [
    `${dryRun ? "would be retried" : "retried"} ${formatCount(retried)} of ${formatCount(matched)}`,
    `${formatCount(raced)} raced`,
    `${formatCount(refused)} refused${why}`,
  ].join(" · ");
}

/** `12 more were pruned past their retention, between … and …`; undefined: none was. */
function prunedText({ prunedPastRetention, prunedFrom, prunedUntil }: RetryOutcome): string | undefined {
  if (prunedPastRetention === 0n) return undefined;
  const were = prunedPastRetention === 1n ? "was" : "were";
  const between =
    prunedFrom === undefined || prunedUntil === undefined
      ? ""
      : `: they had ended between ${formatMoment(prunedFrom)} and ${formatMoment(prunedUntil)}`;
  return `${formatCount(prunedPastRetention)} more ${were} pruned past their retention${between}`;
}

export function renderRetryOutcome(outcome: RetryOutcome, screen: Screen): string[] {
  const dry = outcome.dryRun ? " (dry run: nothing was changed)" : "";
  const lines = [formatRetryOutcome(outcome) + dry];
  const add = (text: string): void => {
    for (const line of wrapText(text, screen.width - 2)) lines.push(`  ${line}`);
  };
  if (outcome.refusedReasons.length > 1)
    for (const { reason, count } of outcome.refusedReasons)
      add(`refused ${formatCount(count)}: ${safeText(reason)}`);
  const pruned = prunedText(outcome);
  if (pruned !== undefined) add(pruned);
  const { operation } = outcome;
  if (operation !== undefined && operation.detail !== "") add(safeText(operation.detail));
  if (operation !== undefined && operation.left > 0n)
    add(`${formatCount(operation.left)} that matched were not come to: they are as they were`);
  if (outcome.limited) add("There were more runs than the limit: type the same again for the next ones.");
  return lines;
}
