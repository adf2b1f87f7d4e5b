/** How far the compensation of an action came, in words, with the tone that goes with it. */
import { type ActionView, UndoStatus, type UndoView } from "@holdfast/proto";
import { failureText } from "./item.js";
import { MARKS, modeWord } from "./status.js";
import type { Screen, Tone } from "./style.js";
import { countOf, safeText } from "./text.js";
import { formatMoment, formatTook } from "./time.js";

const TONES: Readonly<Record<UndoStatus, Tone>> = {
  [UndoStatus.UNSPECIFIED]: "dim",
  [UndoStatus.PENDING]: "dim",
  [UndoStatus.RUNNING]: "plain",
  [UndoStatus.RETRYING]: "warn",
  [UndoStatus.DONE]: "dim",
  [UndoStatus.FAILED]: "bad",
};

const WORDS: Readonly<Record<UndoStatus, string>> = {
  [UndoStatus.UNSPECIFIED]: "",
  [UndoStatus.PENDING]: "to be undone",
  [UndoStatus.RUNNING]: "undoing",
  [UndoStatus.RETRYING]: "undoing",
  [UndoStatus.DONE]: "undone",
  [UndoStatus.FAILED]: "could not be undone",
};

const OUTSTANDING: ReadonlySet<UndoStatus> = new Set([
  UndoStatus.PENDING,
  UndoStatus.RUNNING,
  UndoStatus.RETRYING,
]);

export const isBeingUndone = (actions: readonly ActionView[]): boolean =>
  actions.some(({ undo }) => undo !== undefined && OUTSTANDING.has(undo.status));

/** Empty where the action was not to be undone. */
export const undoWord = (undo: UndoView | undefined): string => WORDS[undo?.status ?? 0] ?? "";

/** One line, or none: `undone · 2 attempts · 1.2 s`. `generation`: the run's, so that an undo of an earlier one says so. */
export function undoRemark(
  undo: UndoView | undefined,
  generation: number,
  screen: Screen,
): { text: string; tone: Tone } | undefined {
  const word = undoWord(undo);
  if (undo === undefined || word === "") return undefined;
  const tone = TONES[undo.status] ?? "plain";
  const detail = safeText(undo.detail);
  const why =
    undo.failure === undefined ? "" : `${modeWord(undo.failure.mode)}: ${failureText(undo.failure)}`;
  const parts = [
    why === "" ? word : `${word}: ${why}`,
    undo.attempts === 0 ? "" : countOf(undo.attempts, "attempt"),
    formatTook(undo.startedAt, undo.endedAt, screen.nowMs),
    undo.retryAt === undefined ? "" : `tries again at ${formatMoment(undo.retryAt)}`,
    undo.generation === generation ? "" : `in generation ${undo.generation}`,
    why !== "" || detail.toLowerCase() === word ? "" : detail,
  ].filter((part) => part !== "");
  return { text: `${MARKS[tone]} ${parts.join(" · ")}`, tone };
}
