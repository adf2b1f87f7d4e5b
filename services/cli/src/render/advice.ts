/** What can be done about a run, and what to type for it: chosen by its status, so that each line shown does something. */
import { isRunRetryable, isRunTerminal } from "@holdfast/core";
import { RecoveryStrategy, RunStatus, type RunView, UndoStatus } from "@holdfast/proto";
import { familySuggestions } from "./family.js";
import type { Screen } from "./style.js";
import { strategyWord } from "./status.js";
import { cells, padText, safeText, wrapText } from "./text.js";
import { formatMoment, formatRelative } from "./time.js";
import { isBeingUndone } from "./undo.js";

/** Whether more is to come of it without anybody doing anything. */
export const isOpen = (status: RunStatus): boolean => !isRunTerminal(status);

export function renderRetryable(run: RunView, screen: Screen): string[] {
  const until = run.summary?.retryableUntil;
  if (until === undefined) return [];
  return [`Retryable until ${formatMoment(until)} (${formatRelative(until, screen.nowMs)})`];
}

export function renderRecommendation(run: RunView, screen: Screen): string[] {
  const advice = run.recommendation;
  if (advice === undefined || advice.strategy === RecoveryStrategy.UNSPECIFIED) return [];
  // While a run goes on, and where nothing failed, there is nothing to recover, and saying so would only be noise.
  const status = run.summary?.status ?? RunStatus.UNSPECIFIED;
  if (isOpen(status) || status === RunStatus.COMPLETED) return [];
  const strategy = strategyWord(advice.strategy);
  const lines = wrapText(`Recommended: ${strategy}: ${safeText(advice.reason)}`, screen.width).map(
    (line, at) => (at === 0 ? line.replace(strategy, screen.style("strong", strategy)) : `  ${line}`),
  );
  if (advice.hint !== "") {
    for (const line of wrapText(safeText(advice.hint), screen.width - 2)) lines.push(`  ${line}`);
  }
  return lines;
}

interface Suggestion {
  readonly args: string;
  readonly does: string;
}

/** The next commands, most useful first; each can be typed as it stands. */
export function suggestionsFor(run: RunView): Suggestion[] {
  const summary = run.summary;
  if (summary === undefined) return [];
  const id = summary.runId;
  if (isOpen(summary.status)) {
    const watch = { args: `run ${id} --watch`, does: "follow it until it ends" };
    const family = familySuggestions(run);
    // A compensation can't be stopped.
    if (isBeingUndone(run.actions)) return [watch, ...family];
    const cancel = { args: `cancel ${id}`, does: "stop it; what succeeded stays" };
    const held = summary.status === RunStatus.PAUSED;
    return [...(held ? [{ args: `resume ${id}`, does: "let it go on" }] : []), watch, ...family, cancel];
  }
  const suggestions: Suggestion[] = [];
  if (run.actions.some((action) => (action.items?.failed ?? 0) > 0)) {
    suggestions.push({ args: `items ${id} --failed`, does: "every failed item, with its input" });
  }
  if (isRunRetryable(summary.status)) {
    const undone = run.actions.some((action) => action.undo?.status === UndoStatus.DONE);
    const does = `run again what failed${undone ? ", and what was undone" : ""}`;
    suggestions.push({ args: `retry ${id}`, does });
    if (run.deadLetters.length > 0)
      suggestions.push({ args: `discard ${id} --reason "…"`, does: "give up what is in the dead letters" });
    suggestions.push({
      args: `retry-failed --workflow ${summary.workflow}`,
      does: "and in every such run",
    });
  }
  suggestions.push(...familySuggestions(run));
  if (suggestions.length === 0)
    suggestions.push({ args: `run ${id} --json`, does: "all of it, for a program" });
  return suggestions;
}

export function renderSuggestions(run: RunView, screen: Screen): string[] {
  const suggestions = suggestionsFor(run).map(({ args, does }) => ({ typed: screen.command(args), does }));
  if (suggestions.length === 0) return [];
  const width = suggestions.reduce((most, { typed }) => Math.max(most, cells(typed)), 0);
  const fits = suggestions.every(({ does }) => 2 + width + 2 + cells(does) <= screen.width);
  const lines = [screen.style("strong", "What to type")];
  for (const { typed, does } of suggestions) {
    if (fits) lines.push(`  ${padText(typed, width)}  ${screen.style("dim", does)}`);
    else lines.push(`  ${typed}`, `      ${screen.style("dim", does)}`);
  }
  return lines;
}
