/** What was put aside: the list, and what a run's dashboard says of it. */
import type { DeadLetterView, RunView } from "@holdfast/proto";
import { modeWord, runStatusWord } from "./status.js";
import type { Screen } from "./style.js";
import { renderTable, type Row } from "./table.js";
import { countOf, safeText, wrapText } from "./text.js";
import { formatMoment, formatRelative } from "./time.js";

/** A run, or an item of it, as it can be named again. */
const nameOf = ({ runId, action, item }: DeadLetterView): string =>
  item === undefined ? safeText(runId) : `${safeText(runId)} ${safeText(action)}#${item}`;

export function byText({ who, byPolicy }: Pick<DeadLetterView, "who" | "byPolicy">): string {
  if (byPolicy) return "policy";
  return who === "" ? "?" : safeText(who);
}

export function renderDeadLetters(letters: readonly DeadLetterView[], screen: Screen): string[] {
  if (letters.length === 0) return ["No dead letters match."];
  const rows: Row[] = letters.map((letter) => [
    nameOf(letter),
    safeText(letter.workflow),
    { text: modeWord(letter.mode), tone: "bad" },
    letter.movedAt === undefined ? "" : formatRelative(letter.movedAt, screen.nowMs),
    byText(letter),
    letter.keptUntil === undefined ? "" : formatMoment(letter.keptUntil),
    safeText(letter.reason),
    safeText(letter.failure),
  ]);
  return renderTable(
    [
      { title: "RUN" },
      { title: "WORKFLOW", shrinkTo: 8, expendable: 4 },
      { title: "FAILED WITH", expendable: 6 },
      { title: "MOVED" },
      { title: "BY", shrinkTo: 6, expendable: 3 },
      { title: "KEPT UNTIL", expendable: 5 },
      { title: "WHY", shrinkTo: 12 },
      { title: "ERROR", shrinkTo: 12, expendable: 2 },
    ],
    rows,
    screen,
  );
}

const ITEM_GROUPS_SHOWN = 5;

/** Of a run with anything in the dead letters, or that was discarded: since when, by whom, why and until when. */
export function deadLetterRemarks(run: RunView): string[] {
  const remarks: string[] = [];
  const groups = groupsOf(run.deadLetters);
  for (const [what, letter] of groups.slice(0, ITEM_GROUPS_SHOWN)) {
    const by = letter.byPolicy
      ? "by its workflow's policy"
      : letter.who === ""
        ? ""
        : `by ${safeText(letter.who)}`;
    const facts = [`since ${formatMoment(letter.movedAt)}`, by].filter((fact) => fact !== "").join(" ");
    const until = letter.keptUntil === undefined ? "" : `; kept until ${formatMoment(letter.keptUntil)}`;
    const why = letter.reason === "" ? "" : `: ${safeText(letter.reason)}`;
    remarks.push(`▲ In the dead letters: ${what}, ${facts}${why}${until}`);
  }
  const more = groups.length - ITEM_GROUPS_SHOWN;
  if (more > 0) remarks.push(`▲ … and ${countOf(more, "more move")} to the dead letters`);
  if (run.discarded !== "") remarks.push(`▲ ${capital(safeText(run.discarded))}`);
  return remarks;
}

/** Items that were moved together are told of together. */
function groupsOf(letters: readonly DeadLetterView[]): [string, DeadLetterView][] {
  const groups = new Map<string, DeadLetterView[]>();
  for (const letter of letters) {
    const { action, movedAt } = letter;
    const key = `${action}/${movedAt?.seconds}/${movedAt?.nanos}`;
    groups.set(key, [...(groups.get(key) ?? []), letter]);
  }
  return [...groups.values()].flatMap((moved): [string, DeadLetterView][] => {
    const [first] = moved;
    if (first === undefined) return [];
    if (first.action === "") return [["the run", first]];
    if (moved.length === 1) return [[`item ${first.item} of ${safeText(first.action)}`, first]];
    return [[`${countOf(moved.length, "item")} of ${safeText(first.action)}`, first]];
  });
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** What was done, in one sentence. */
export function movedText(runId: string, items: number, action: string): string {
  const what =
    action === ""
      ? `Run ${safeText(runId)}`
      : `${countOf(items, "item")} of ${safeText(action)} of run ${safeText(runId)}`;
  return `${what}: in the dead letters until retried, discarded, or past dead-letter retention.`;
}

export function discardedLine(runId: string, status: number, items: number): string {
  const also = items === 0 ? "" : ` (${countOf(items, "item")} of it)`;
  return `Run ${safeText(runId)}${also}: discarded; it stays ${runStatusWord(status)}, and goes when its retention is over.`;
}

/** Narrow screens leave out the reason of a list's entry: where only one run is asked for, all is told. */
export function renderReasons(letters: readonly DeadLetterView[], screen: Screen): string[] {
  return letters.flatMap((letter) => [
    screen.style("strong", nameOf(letter)),
    ...wrapText(
      `moved by ${byText(letter)}: ${safeText(letter.reason) || "no reason given"}`,
      screen.width - 2,
    ).map((line) => `  ${line}`),
    ...wrapText(`${modeWord(letter.mode)}: ${safeText(letter.failure)}`, screen.width - 2).map(
      (line) => `  ${screen.style("dim", line)}`,
    ),
  ]);
}
