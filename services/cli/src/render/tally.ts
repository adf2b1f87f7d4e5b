/** The tally line and the counts of items, spelled in one place. */
import type { ItemCounts, ModeCount, Tally } from "@holdfast/proto";
import { modeWord } from "./status.js";
import type { Tone } from "./style.js";
import { formatCount } from "./text.js";

/** `17 OK | 2 PARTIAL | 0 SKIP | 0 ERROR`, and `| 3 OPEN` while something has not ended. */
export function formatTally(tally: Tally | undefined): string {
  const { ok = 0, partial = 0, skip = 0, error = 0, open = 0 } = tally ?? {};
  const parts = [`${ok} OK`, `${partial} PARTIAL`, `${skip} SKIP`, `${error} ERROR`];
  if (open > 0) parts.push(`${open} OPEN`);
  return parts.join(" | ");
}

/** A level with an error is red, with a partial yellow, else green; the word says it, the tone repeats it. */
export function levelColour(tally: Tally | undefined): { readonly word: string; readonly tone: Tone } {
  if ((tally?.error ?? 0) > 0) return { word: "red", tone: "bad" };
  if ((tally?.partial ?? 0) > 0) return { word: "yellow", tone: "warn" };
  if ((tally?.open ?? 0) > 0) return { word: "open", tone: "plain" };
  return { word: "green", tone: "good" };
}

/** Items that have ended, whatever way. */
export function endedItems(counts: ItemCounts): number {
  return counts.succeeded + counts.failed + counts.skipped + counts.cancelled;
}

/** `3,143 of 3,201 items OK · 58 failed`: zero counts are left out, so what is there matters. */
export function formatItemCounts(counts: ItemCounts): string {
  if (counts.total === 0) return "no items";
  const parts = [`${formatCount(counts.succeeded)} of ${formatCount(counts.total)} items OK`];
  const rest: readonly (readonly [number, string])[] = [
    [counts.failed, "failed"],
    [counts.skipped, "skipped"],
    [counts.cancelled, "cancelled"],
    [counts.retrying, "retrying"],
    [counts.running, "running"],
    [counts.pending, "pending"],
  ];
  for (const [count, word] of rest) if (count > 0) parts.push(`${formatCount(count)} ${word}`);
  return parts.join(" · ");
}

/** `48 VALIDATION, 10 HANDLER_BUG`, most first. */
export function formatModes(modes: readonly ModeCount[]): string {
  return modes
    .toSorted((a, b) => b.count - a.count || a.mode - b.mode)
    .map(({ mode, count }) => `${formatCount(count)} ${modeWord(mode)}`)
    .join(", ");
}
