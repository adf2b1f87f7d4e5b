/** A run's progress as bars, one for each action that is worth a line. Pure: drawing them over each other is `live-lines`. */
import { ActionStatus, type ActionView, type RunView } from "@holdfast/proto";
import { actionStatusWord, actionTone, MARKS } from "./status.js";
import type { Screen } from "./style.js";
import { endedItems } from "./tally.js";
import { cells, cutText, formatCount, padText, safeText } from "./text.js";
import { undoWord } from "./undo.js";

const BAR_CELLS_MAX = 30;
const BAR_CELLS_MIN = 8;
/** Lines that progress takes at most, so that it can always be drawn over. */
export const PROGRESS_LINES_MAX = 8;

/** `████████░░░░`: full only when all is done, empty only when nothing is. */
export function renderBar(done: number, total: number, width: number): string {
  const share = total <= 0 ? 0 : Math.min(1, done / total);
  let full = Math.round(share * width);
  if (share < 1 && full === width) full = width - 1;
  if (share > 0 && full === 0) full = 1;
  return "█".repeat(full) + "░".repeat(width - full);
}

export function renderProgress(run: RunView, screen: Screen): string[] {
  const actions = chooseActions(run.actions);
  const nameWidth = Math.min(
    actions.reduce((most, action) => Math.max(most, cells(safeText(action.name))), 0),
    20,
  );
  return actions.map((action) => renderActionProgress(action, nameWidth, screen));
}

/** The working ones and their neighbours: a window of the list that holds the first action that has not ended. */
function chooseActions(actions: readonly ActionView[]): readonly ActionView[] {
  if (actions.length <= PROGRESS_LINES_MAX) return actions;
  const current = actions.findIndex((action) => action.endedAt === undefined);
  const last = current === -1 ? actions.length : Math.min(actions.length, current + PROGRESS_LINES_MAX - 1);
  const from = Math.max(0, last - PROGRESS_LINES_MAX);
  return actions.slice(from, from + PROGRESS_LINES_MAX);
}

function renderActionProgress(action: ActionView, nameWidth: number, screen: Screen): string {
  const tone = actionTone(action.status);
  const head = `${MARKS[tone]} ${padText(cutText(safeText(action.name), nameWidth), nameWidth)}`;
  const items = action.items;
  if (items === undefined || items.total === 0) {
    const undo = undoWord(action.undo);
    const line = `${head}  ${actionStatusWord(action.status)}${undo === "" ? "" : `, ${undo}`}`;
    return line.replace(MARKS[tone], screen.style(tone, MARKS[tone]));
  }
  const done = endedItems(items);
  // No percentage: one that counts what has ended would stand beside one that counts what is done.
  const tail = [`${formatCount(done)} of ${formatCount(items.total)} items ended`];
  if (items.failed > 0) tail.push(`${formatCount(items.failed)} failed`);
  if (items.retrying > 0) tail.push(`${formatCount(items.retrying)} retrying`);
  if (action.status === ActionStatus.WAITING) tail.push("WAITING");
  const undo = undoWord(action.undo);
  if (undo !== "") tail.push(undo);
  const text = tail.join(" · ");
  const room = screen.width - cells(head) - 4 - cells(text);
  const bar = renderBar(done, items.total, Math.max(BAR_CELLS_MIN, Math.min(BAR_CELLS_MAX, room)));
  return `${head.replace(MARKS[tone], screen.style(tone, MARKS[tone]))}  ${screen.style(tone, bar)}  ${text}`;
}
