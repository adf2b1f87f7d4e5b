/**
 * Aligned tables. Columns that may shrink give up room, widest first, until a line fits the screen;
 * the others are never cut. Expects safe text (`safeText`) without colour codes in its cells.
 */
import { cells, cutText, padText } from "./text.js";
import type { Screen, Tone } from "./style.js";

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
  /** May be cut down to this many cells where the line does not fit. */
  readonly shrinkTo?: number;
}

export interface Cell {
  readonly text: string;
  readonly tone?: Tone;
}

export type Row = readonly (string | Cell)[];

const GAP = "  ";

const textOf = (cell: string | Cell | undefined): string =>
  cell === undefined ? "" : typeof cell === "string" ? cell : cell.text;
const toneOf = (cell: string | Cell | undefined): Tone =>
  cell === undefined || typeof cell === "string" ? "plain" : (cell.tone ?? "plain");

/** A heading and one line for each row; no trailing spaces. */
export function renderTable(columns: readonly Column[], rows: readonly Row[], screen: Screen): string[] {
  const widths = fitWidths(columns, rows, screen.width);
  const line = (row: Row, heading: boolean): string => {
    const parts = columns.map((column, at) => {
      const width = widths[at] ?? 0;
      const cell = row[at];
      const cut = cutText(textOf(cell), width);
      // The tone goes around the text alone, so that the padding of a coloured cell stays plain.
      const toned = screen.style(heading ? "dim" : toneOf(cell), cut);
      const last = at === columns.length - 1 && column.align !== "right";
      return last ? toned : padText(toned, width, column.align);
    });
    return parts.join(GAP).trimEnd();
  };
  const titles = columns.map((column) => column.title);
  return [line(titles, true), ...rows.map((row) => line(row, false))];
}

function fitWidths(columns: readonly Column[], rows: readonly Row[], screenWidth: number): number[] {
  const widths = columns.map((column, at) =>
    rows.reduce((most, row) => Math.max(most, cells(textOf(row[at]))), cells(column.title)),
  );
  const total = (): number =>
    widths.reduce((sum, width) => sum + width, 0) + GAP.length * Math.max(0, columns.length - 1);
  let excess = total() - screenWidth;
  while (excess > 0) {
    const widest = widestShrinkable(columns, widths);
    if (widest === undefined) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess -= 1;
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
