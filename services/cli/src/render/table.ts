/**
 * Aligned tables. Where a line does not fit the screen, first the columns that may be left out go, then those that may
 * shrink give up room, widest first; the others, such as what has to be typed again, are never cut. A very long name at the
 * beginning of a line stands above it, alone, so that it costs the other lines nothing.
 * Expects safe text (`safeText`) without colour codes in its cells.
 */
import { cells, cutText, padText } from "./text.js";
import type { Screen, Tone } from "./style.js";

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
  /** May be cut down to this many cells where the line does not fit. */
  readonly shrinkTo?: number;
  /** May be left out where the line does not fit even so; lower goes first. */
  readonly expendable?: number;
}

export interface Cell {
  readonly text: string;
  readonly tone?: Tone;
}

export type Row = readonly (string | Cell)[];

const GAP = "  ";
/** A name with more cells stands alone where its line would not fit: ids that a server makes are shorter. */
const NAME_CELLS_MAX = 40;

const textOf = (cell: string | Cell | undefined): string =>
  cell === undefined ? "" : typeof cell === "string" ? cell : cell.text;
const toneOf = (cell: string | Cell | undefined): Tone =>
  cell === undefined || typeof cell === "string" ? "plain" : (cell.tone ?? "plain");

/** A heading and one line for each row; no trailing spaces. */
export function renderTable(columns: readonly Column[], given: readonly Row[], screen: Screen): string[] {
  const alone = columns[0]?.shrinkTo === undefined ? namesAlone(columns, given, screen.width) : [];
  const rows = given.map((row, at) => (alone[at] === undefined ? row : ["", ...row.slice(1)]));
  const kept = keepColumns(columns, rows, screen.width);
  const shown = kept.map((at) => columns[at]).filter((column) => column !== undefined);
  const shownRows = rows.map((row) => kept.map((at) => row[at] ?? ""));
  const widths = fitWidths(shown, shownRows, screen.width);
  const line = (row: Row, heading: boolean): string => {
    const parts = shown.map((column, at) => {
      const width = widths[at] ?? 0;
      const cell = row[at];
      const cut = cutText(textOf(cell), width);
      // The tone goes around the text alone, so that the padding of a coloured cell stays plain.
      const toned = screen.style(heading ? "dim" : toneOf(cell), cut);
      const last = at === shown.length - 1 && column.align !== "right";
      return last ? toned : padText(toned, width, column.align);
    });
    return parts.join(GAP).trimEnd();
  };
  const titles = shown.map((column) => column.title);
  return [line(titles, true), ...shownRows.flatMap((row, at) => [...(alone[at] ?? []), line(row, false)])];
}

/** By row, the line of a name that would leave its line and all others no room. */
function namesAlone(
  columns: readonly Column[],
  rows: readonly Row[],
  screenWidth: number,
): readonly (readonly string[] | undefined)[] {
  if (sumOf(naturalWidths(columns, rows)) <= screenWidth) return [];
  return rows.map(([name]) => (cells(textOf(name)) > NAME_CELLS_MAX ? [textOf(name)] : undefined));
}

const naturalWidths = (columns: readonly Column[], rows: readonly Row[]): number[] =>
  columns.map((column, at) =>
    rows.reduce((most, row) => Math.max(most, cells(textOf(row[at]))), cells(column.title)),
  );

const sumOf = (widths: readonly number[]): number =>
  widths.reduce((sum, width) => sum + width, 0) + GAP.length * Math.max(0, widths.length - 1);

/** Indexes of the columns that can stand side by side once each that may shrink has. */
function keepColumns(columns: readonly Column[], rows: readonly Row[], screenWidth: number): number[] {
  const least = naturalWidths(columns, rows).map((width, at) =>
    Math.min(width, columns[at]?.shrinkTo ?? width),
  );
  const isEmpty = (at: number): boolean => rows.every((row) => textOf(row[at]) === "");
  // An expendable column with nothing in it tells nothing, also where there is room.
  const kept = new Set(
    [...columns.keys()].filter(
      (at) => columns[at]?.expendable === undefined || rows.length === 0 || !isEmpty(at),
    ),
  );
  const expendable = [...columns.keys()]
    .filter((at) => columns[at]?.expendable !== undefined)
    .toSorted((a, b) => (columns[a]?.expendable ?? 0) - (columns[b]?.expendable ?? 0));
  for (const at of expendable) {
    if (sumOf([...kept].map((index) => least[index] ?? 0)) <= screenWidth) break;
    kept.delete(at);
  }
  return [...kept];
}

function fitWidths(columns: readonly Column[], rows: readonly Row[], screenWidth: number): number[] {
  const widths = naturalWidths(columns, rows);
  for (let excess = sumOf(widths) - screenWidth; excess > 0; excess -= 1) {
    const widest = widestShrinkable(columns, widths);
    if (widest === undefined) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

function widestShrinkable(columns: readonly Column[], widths: readonly number[]): number | undefined {
  let widest: number | undefined;
  columns.forEach((column, at) => {
    const width = widths[at] ?? 0;
    if (column.shrinkTo === undefined || width <= column.shrinkTo) return;
    if (widest === undefined || width > (widths[widest] ?? 0)) widest = at;
  });
  return widest;
}
