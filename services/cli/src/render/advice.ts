/** What can be done about a run, and what to type for it: chosen by its status, so that each line shown does something. */
import { isRunRetryable, isRunTerminal } from "@holdfast/core/shown";
import {
  type ActionView,
  FailureMode,
  RecoveryStrategy,
  RunStatus,
  type RunView,
  UndoStatus,
} from "@holdfast/proto";
import { shellWord, withId, withIds } from "./command.js";
import { familySuggestions } from "./family.js";
import type { Screen } from "./style.js";
import { strategyWord } from "./status.js";
import { cells, cutText, padText, safeText, wrapAround } from "./text.js";
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
  const runId = safeText(run.summary?.runId ?? "");
  const lines = wrapAround(runId, `Recommended: ${strategy}: ${safeText(advice.reason)}`, screen.width).map(
    (line, at) => (at === 0 ? line.replace(strategy, screen.style("strong", strategy)) : `  ${line}`),
  );
  if (advice.hint !== "") {
    for (const line of wrapAround(runId, safeText(advice.hint), screen.width - 2)) lines.push(`  ${line}`);
  }
  return lines;
}

interface Suggestion {
  readonly args: string;
  readonly does: string;
}

/** What lets go on whatever waits for a person or another system. */
function waitSuggestions(actions: readonly ActionView[], id: string): Suggestion[] {
  const asking = actions.filter(({ wait }) => wait?.kind === "approval");
  const suggestions: Suggestion[] = [];
  for (const { name, wait } of asking.slice(0, ASKING_SHOWN)) {
    const which = asking.length === 1 ? [] : [`--action ${shellWord(safeText(name))}`];
    const what = cutText(safeText(wait?.text ?? ""), PROMPT_CHARS);
    suggestions.push(
      { args: withId("approve", id, ...which), does: what === "" ? "say yes" : `say yes: ${what}` },
      { args: withId("reject", id, ...which, '--comment "…"'), does: "say no: its action fails" },
    );
  }
  for (const { wait } of actions) {
    if (wait?.kind !== "signal") continue;
    suggestions.push({ args: withIds("signal", id, wait.text), does: "send the signal that it waits for" });
  }
  return suggestions;
}

/** What keeps a run from going on that is none of its own. */
function hinderedSuggestions({ summary, actions, workflowPaused }: RunView): Suggestion[] {
  const suggestions: Suggestion[] = [];
  if (workflowPaused !== "") {
    const workflow = shellWord(safeText(summary?.workflow ?? ""));
    suggestions.push({ args: `resume --workflow ${workflow}`, does: "let its workflow go on" });
  }
  if (actions.some(({ held }) => held))
    suggestions.push({ args: "breakers --open", does: "the breakers that hold it, and why" });
  if (actions.some(({ note }) => note !== ""))
    suggestions.push({ args: "cluster", does: "which workers there are, and what they serve" });
  return suggestions;
}

const ASKING_SHOWN = 3;
const PROMPT_CHARS = 40;

/** What a run failed with as a whole is of its input, and nobody has begun another in its place. */
const isForAnotherInput = ({ summary, restartedAs }: RunView): boolean =>
  restartedAs.length === 0 &&
  summary?.status === RunStatus.FAILED &&
  summary.failureMode === FailureMode.VALIDATION;

/** What a retry has to be told to do what is recommended, and what it does then. */
const AS_RECOMMENDED: Readonly<Partial<Record<RecoveryStrategy, string>>> = {
  [RecoveryStrategy.RETRY_FROM_CHECKPOINT]: "as recommended: go on from where it stopped",
  [RecoveryStrategy.RETRY_ALL]: "as recommended: run all of it again",
};

/** The next commands, most useful first; each can be typed as it stands. */
export function suggestionsFor(run: RunView): Suggestion[] {
  const summary = run.summary;
  if (summary === undefined) return [];
  const id = summary.runId;
  if (isOpen(summary.status)) {
    const watch = { args: withId("run", id, "--watch"), does: "follow it until it ends" };
    const family = familySuggestions(run);
    // A compensation can't be stopped.
    if (isBeingUndone(run.actions)) return [watch, ...family];
    const cancel = { args: withId("cancel", id), does: "stop it; what succeeded stays" };
    const held = summary.status === RunStatus.PAUSED;
    return [
      ...(held ? [{ args: withId("resume", id), does: "let it go on" }] : []),
      ...waitSuggestions(run.actions, id),
      ...hinderedSuggestions(run),
      watch,
      ...family,
      cancel,
    ];
  }
  const suggestions: Suggestion[] = run.restartedAs
    .slice(0, 1)
    .map(({ runId }) => ({ args: withId("run", runId), does: "the run in its place" }));
  if (run.actions.some((action) => (action.items?.failed ?? 0) > 0)) {
    suggestions.push({ args: withId("items", id, "--failed"), does: "every failed item, with its input" });
  }
  if (isRunRetryable(summary.status)) {
    const undone = run.actions.some((action) => action.undo?.status === UndoStatus.DONE);
    const failed = `run again what failed${undone ? ", and what was undone" : ""}`;
    const advised = run.recommendation?.strategy ?? RecoveryStrategy.UNSPECIFIED;
    const whole = AS_RECOMMENDED[advised];
    if (whole !== undefined)
      suggestions.push({ args: withId("retry", id, "--strategy", strategyWord(advised)), does: whole });
    const mending = advised === RecoveryStrategy.MANUAL ? "once that is mended: " : "";
    suggestions.push({ args: withId("retry", id), does: mending + failed });
    if (run.deadLetters.length > 0)
      suggestions.push({
        args: withId("discard", id, '--reason "…"'),
        does: "give up what is in the dead letters",
      });
    if (isForAnotherInput(run))
      suggestions.push({
        args: withId("restart", id, "--input '…'"),
        does: "another run, with another input",
      });
    suggestions.push({
      args: `retry-failed --workflow ${summary.workflow}`,
      does: "and in every such run",
    });
  }
  suggestions.push(...familySuggestions(run));
  if (suggestions.length === 0)
    suggestions.push({ args: withId("run", id, "--json"), does: "all of it, for a program" });
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
