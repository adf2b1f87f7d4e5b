/**
 * The dashboard of one run, line by line: status and tally, each level, each action, the first failed items with
 * reason and input, until when it is retryable, what is recommended and why, what to type.
 * Pure: a message in, lines out.
 */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import {
  ActionStatus,
  type ActionView,
  Effect,
  type ItemView,
  type LevelView,
  RunStatus,
  type RunView,
} from "@holdfast/proto";
import { isRunTerminal } from "@holdfast/core/shown";
import { restartedRemarks, restartsFact } from "./restarts.js";
import { heldRemarks } from "./breakers.js";
import { renderRecommendation, renderRetryable, renderSuggestions } from "./advice.js";
import { withId } from "./command.js";
import { deadLetterRemarks } from "./dead-letters.js";
import { childRemark, parentFact, saysChildOnly } from "./family.js";
import { guardrailsRemark, recoverRemark, usageRemark } from "./guardrails.js";
import { causeText, failureText, modeText, renderFailedItems } from "./item.js";
import { jobRemark } from "./job.js";
import { formatSteps } from "./steps.js";
import { actionStatusWord, actionTone, MARKS, runStatusWord, runTone } from "./status.js";
import type { Screen } from "./style.js";
import { formatItemCounts, formatModes, formatTally, levelColour } from "./tally.js";
import { cells, countOf, cutText, formatCount, padText, safeText, wrapParts, wrapText } from "./text.js";
import { formatMoment, formatRelative, formatTook } from "./time.js";
import { undoRemark } from "./undo.js";

/** The first failed items of one action, as `ListItems` gave them. */
export interface FailedItems {
  readonly action: string;
  readonly items: readonly ItemView[];
  /** How many failed in all. */
  readonly total: number;
}

export function renderRun(run: RunView, failed: readonly FailedItems[], screen: Screen): string[] {
  const blocks = [
    renderHead(run, screen),
    renderLevels(run, screen),
    ...failed.filter(({ items }) => items.length > 0).map((some) => renderFirstFailed(run, some, screen)),
    [...renderRetryable(run, screen), ...renderRecommendation(run, screen)],
    renderSuggestions(run, screen),
  ];
  return blocks
    .filter((block) => block.length > 0)
    .flatMap((block, at) => (at === 0 ? block : ["", ...block]));
}

function renderHead(run: RunView, screen: Screen): string[] {
  const summary = run.summary;
  if (summary === undefined) return ["(the answer held no summary of the run)"];
  const tone = runTone(summary.status);
  const status = screen.style(tone, `${MARKS[tone]} ${runStatusWord(summary.status)}`);
  const facts = [
    `workflow ${safeText(summary.workflow)}`,
    `generation ${summary.generation}`,
    summary.priority === 0 ? "" : `priority ${summary.priority}`,
    summary.startedAt === undefined ? "not begun" : `began ${formatMoment(summary.startedAt)}`,
    summary.startedAt === undefined
      ? ""
      : `${summary.endedAt === undefined ? "running for" : "took"} ${formatTook(summary.startedAt, summary.endedAt, screen.nowMs)}`,
    run.recoveries === 0 ? "" : `recovered by itself ${countOf(run.recoveries, "time")}`,
    usageRemark(run.usage),
    guardrailsRemark(run),
    parentFact(run),
    restartsFact(run),
    run.origin === "" || run.parent !== undefined ? "" : `from ${safeText(run.origin)}`,
  ].filter((fact) => fact !== "");
  return [
    `${screen.style("strong", `Run ${safeText(summary.runId)}`)}  ${status}`,
    `  ${formatTally(summary.tally)}`,
    ...wrapParts(facts, screen.width - 2).map((line) => `  ${screen.style("dim", line)}`),
    ...renderRemarks(run, screen),
  ];
}

/** What a person has to know beyond the status: why it failed, was cancelled, or did nothing. */
function renderRemarks(run: RunView, screen: Screen): string[] {
  const remarks: string[] = [];
  const detail = safeText(run.summary?.detail ?? "");
  if (run.failure !== undefined) {
    const why = failureText(run.failure);
    // A detail that goes on after the failure (what was undone, when it is recovered) says both.
    remarks.push(`${modeText(run.failure)}: ${detail.startsWith(why) ? detail : why}`);
  }
  const status = run.summary?.status ?? RunStatus.UNSPECIFIED;
  const repeatsStatus = detail.toUpperCase() === runStatusWord(status);
  // Of a run that failed or goes on, what its actions did not do so far is not the point.
  const effect = status === RunStatus.COMPLETED ? effectRemark(run.summary?.effect, detail) : "";
  if (effect !== "") remarks.push(effect);
  else if (detail !== "" && !repeatsStatus && !remarks.some((remark) => remark.includes(detail)))
    remarks.push(detail);
  const cancelReason = safeText(run.cancelReason);
  if (cancelReason !== "" && !detail.includes(cancelReason)) remarks.push(`Cancelled: ${cancelReason}`);
  if (run.workflowPaused !== "") remarks.push(`▲ ${safeText(run.workflowPaused)}`);
  remarks.push(...deadLetterRemarks(run), ...restartedRemarks(run));
  return remarks.flatMap((remark) => wrapText(remark, screen.width - 2)).map((line) => `  ${line}`);
}

/** What did nothing says so once, and what to do where that is a surprise. */
function effectRemark(effect: Effect | undefined, detail: string): string {
  if (effect === Effect.NONE_WITH_REASON) return `NO_EFFECT: ${detail || "it completed and changed nothing"}`;
  if (effect !== Effect.SILENT) return "";
  return "▲ Silent no-op: it completed, but no action returned a value or said why it had nothing to do. If that is right, let its handlers return ctx.noEffect(reason); else mend them.";
}

function renderLevels(run: RunView, screen: Screen): string[] {
  const nameWidth = Math.min(
    run.actions.reduce((most, action) => Math.max(most, cells(safeText(action.name))), 0),
    24,
  );
  const statusWidth = run.actions.reduce(
    (most, action) => Math.max(most, actionStatusWord(action.status).length),
    0,
  );
  const look = { nameWidth, statusWidth, generation: run.summary?.generation ?? 0 };
  return run.levels.flatMap((level) => [
    renderLevelLine(level, screen),
    ...run.actions
      .filter((action) => action.level === level.level)
      .flatMap((action) => renderAction(action, look, screen)),
  ]);
}

function renderLevelLine(level: LevelView, screen: Screen): string {
  const { word, tone } = levelColour(level.tally);
  return `Level ${level.level}  ${screen.style(tone, padText(word, 6))}  ${formatTally(level.tally)}`;
}

interface Look {
  readonly nameWidth: number;
  readonly statusWidth: number;
  readonly generation: number;
}

function renderAction(
  action: ActionView,
  { nameWidth, statusWidth, generation }: Look,
  screen: Screen,
): string[] {
  const tone = actionTone(action.status);
  const name = padText(cutText(safeText(action.name), nameWidth), nameWidth);
  const status = screen.style(tone, actionStatusWord(action.status));
  const pad = " ".repeat(Math.max(0, statusWidth - actionStatusWord(action.status).length));
  const head = `  ${screen.style(tone, MARKS[tone])} ${name}  ${status}${pad}`;
  const work = actionWork(action, screen);
  const indent = " ".repeat(6);
  const lines: string[] = [];
  if (cells(head) + 2 + cells(work) <= screen.width) lines.push(`${head}  ${work}`.trimEnd());
  else
    lines.push(head.trimEnd(), ...wrapText(work, screen.width - indent.length).map((text) => indent + text));
  for (const remark of actionRemarks(action, screen)) {
    for (const text of wrapText(remark, screen.width - indent.length))
      lines.push(indent + screen.style("dim", text));
  }
  const undo = undoRemark(action.undo, generation, screen);
  if (undo !== undefined) {
    for (const text of wrapText(undo.text, screen.width - indent.length))
      lines.push(indent + screen.style(undo.tone, text));
  }
  return lines;
}

function actionWork(action: ActionView, screen: Screen): string {
  const took = formatTook(action.startedAt, action.endedAt, screen.nowMs);
  const work =
    action.items === undefined
      ? action.attempt === 0
        ? ""
        : countOf(action.attempt, "attempt")
      : formatItemCounts(action.items);
  return [work, took].filter((part) => part !== "").join(" · ");
}

function actionRemarks(action: ActionView, screen: Screen): string[] {
  const remarks: string[] = [];
  if (action.modes.length > 0) remarks.push(`failed by mode: ${formatModes(action.modes)}`);
  // Over items, the counts and modes above say already what such a failure or success sums up.
  const summedUp =
    action.modes.length > 0 || (action.items !== undefined && action.status === ActionStatus.COMPLETED);
  if (action.failure !== undefined && !summedUp) {
    remarks.push(`${modeText(action.failure)}: ${failureText(action.failure)}`);
    // What its recovery says of itself follows by itself.
    const { original, failed } = action.recover ?? {};
    const raw = failed === undefined || original === undefined ? action.failure : original;
    const cause = causeText({ shown: action.failure.shown, message: raw.message });
    if (cause !== "") remarks.push(cause);
  }
  const detail = safeText(action.detail);
  const repeatsStatus = detail.toUpperCase() === actionStatusWord(action.status) || saysChildOnly(action);
  const held = heldRemarks(action.heldKeys);
  if (held.length > 0) remarks.push(...held);
  else if (
    detail !== "" &&
    !summedUp &&
    !repeatsStatus &&
    !remarks.some((remark) => remark.includes(detail))
  ) {
    remarks.push(detail);
  }
  const recovery = recoverRemark(action.recover, remarks.join());
  if (recovery !== "") remarks.push(recovery);
  const spent = usageRemark(action.usage);
  if (spent !== "") remarks.push(spent);
  if (action.note !== "") remarks.push(`▲ ${safeText(action.note)}`);
  const child = childRemark(action.child);
  if (child !== "") remarks.push(child);
  const job = jobRemark(action.batch);
  if (job !== "") remarks.push(job);
  // Over items, each item has steps of its own.
  const steps = action.items === undefined ? formatSteps(action.partial, action.steps) : "";
  if (steps !== "" && action.status !== ActionStatus.COMPLETED) remarks.push(steps);
  const next = nextRemark(action, screen);
  if (next !== "") remarks.push(next);
  if (action.effect === Effect.SILENT && action.items === undefined) {
    remarks.push("silent no-op: it ended with no value and no reason");
  }
  if (action.optional) remarks.push("optional: its failure does not fail the run");
  return remarks.map((remark) => cutText(remark, Math.max(screen.width, 40) * 3));
}

const whenText = (at: Timestamp, { nowMs }: Screen): string =>
  `at ${formatMoment(at)} (${formatRelative(at, nowMs)})`;

/** What comes next by itself, and when: another attempt, or the end of a wait. */
function nextRemark({ retryAt, batch, wait, child, worker }: ActionView, screen: Screen): string {
  if (wait !== undefined)
    return wait.until === undefined ? "" : `${whenText(wait.until, screen)} ${safeText(wait.onTimeout)}`;
  if (retryAt === undefined || batch?.nextCheck !== undefined) return "";
  if (child !== undefined && child.status !== RunStatus.UNSPECIFIED && !isRunTerminal(child.status))
    return `its child has until ${formatMoment(retryAt)}`;
  return `tries again ${whenText(retryAt, screen)}${worker === "" ? "" : `, last on ${worker}`}`;
}

function renderFirstFailed(run: RunView, failed: FailedItems, screen: Screen): string[] {
  const shown = failed.items.length;
  const title = `Failed items of ${safeText(failed.action)}`;
  const count =
    shown < failed.total ? `first ${formatCount(shown)} of ${formatCount(failed.total)}` : formatCount(shown);
  const lines = [`${screen.style("strong", title)} (${count})`, ...renderFailedItems(failed.items, screen)];
  if (shown < failed.total) {
    const typed = screen.command(withId("items", run.summary?.runId ?? "", "--failed"));
    lines.push(`  … and ${formatCount(failed.total - shown)} more: ${typed}`);
  }
  return lines;
}
