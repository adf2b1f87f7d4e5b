/**
 * Colour, and when there is any. A tone only underlines what the words beside it say already:
 * nothing here may be the sole carrier of a meaning.
 */

export type Tone = "good" | "warn" | "bad" | "dim" | "strong" | "plain";

/** Puts a tone on a piece of text. */
export type Style = (tone: Tone, text: string) => string;

/** What the pure renderers know of the place they write to. */
export interface Screen {
  /** Cells in a line; Infinity where lines are never cut, such as into a file. */
  readonly width: number;
  readonly style: Style;
  /** Unix milliseconds, for "in 7 d" and "2 min ago". */
  readonly nowMs: number;
  /** What to type for a sub-command with its arguments, such as `run a-1`: works as it stands where it is shown. */
  readonly command: (args: string) => string;
}

const CODES: Readonly<Record<Tone, readonly [open: string, close: string]>> = {
  good: ["\u001b[32m", "\u001b[39m"],
  warn: ["\u001b[33m", "\u001b[39m"],
  bad: ["\u001b[31m", "\u001b[39m"],
  dim: ["\u001b[2m", "\u001b[22m"],
  strong: ["\u001b[1m", "\u001b[22m"],
  plain: ["", ""],
};

export const plainStyle: Style = (_tone, text) => text;

export const colourStyle: Style = (tone, text) => {
  const [open, close] = CODES[tone];
  return text === "" ? "" : `${open}${text}${close}`;
};

export interface Terminal {
  /** Absent, as Node has it of a pipe, is no. */
  readonly isTTY: boolean | undefined;
  /** Cells in a line, where the terminal says so. */
  readonly columns?: number | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * NO_COLOR (set and not empty) always wins; then FORCE_COLOR (set, neither empty nor 0); else colour is for
 * terminals that are not `dumb`.
 */
export function wantsColour(terminal: Terminal, env: Environment): boolean {
  if (env["NO_COLOR"] !== undefined && env["NO_COLOR"] !== "") return false;
  const forced = env["FORCE_COLOR"];
  if (forced !== undefined && forced !== "" && forced !== "0") return true;
  return terminal.isTTY === true && env["TERM"] !== "dumb";
}

/** Narrower than this, lines are left to the terminal to wrap. */
const COLUMNS_MIN = 40;

/** The terminal's own width, else COLUMNS, else unbounded. */
export function screenWidth(terminal: Terminal, env: Environment): number {
  const told = terminal.isTTY === true ? terminal.columns : undefined;
  const columns = told ?? Number(env["COLUMNS"] ?? Number.NaN);
  return Number.isInteger(columns) && columns >= COLUMNS_MIN ? columns : Number.POSITIVE_INFINITY;
}
