/**
 * Text that is safe and measured for a terminal: what a cell takes, where a line ends.
 *
 * 1. Nothing that came from outside reaches a terminal as a control: escapes, newlines and direction marks are shown, not obeyed.
 * 2. Widths are counted in terminal cells, cuts are made between graphemes.
 * Never knows what the text is about.
 */
import stringWidth from "string-width";

export const ELLIPSIS = "…";

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** C0 and C1 controls, lone surrogates, line separators, and the marks that reorder or hide text. */
const UNSAFE =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** The same text with every unsafe character written as an escape such as `\n` or `\u001b`. */
export function safeText(text: string): string {
  return text.replace(
    UNSAFE,
    (char) => NAMED[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Terminal cells that the text takes; colour codes take none. */
export function cells(text: string): number {
  return stringWidth(text);
}

/** At most `width` cells, with an ellipsis where something was cut off. Expects text without colour codes. */
export function cutText(text: string, width: number): string {
  // A text never takes more cells than twice its length in UTF-16 units, so most need no measuring.
  if (text.length * 2 <= width || cells(text) <= width) return text;
  if (width <= 0) return "";
  let kept = "";
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    const size = cells(segment);
    if (used + size > width - 1) break;
    kept += segment;
    used += size;
  }
  return kept + ELLIPSIS;
}

/** Spaces added until it takes `width` cells. */
export function padText(text: string, width: number, align: "left" | "right" = "left"): string {
  const room = width - cells(text);
  if (room <= 0) return text;
  return align === "left" ? text + " ".repeat(room) : " ".repeat(room) + text;
}

/** Where a line of prose may end. */
const AFTER_SPACE = /(?<= )/;
/** Where a line of compact JSON may end: between members, not within their texts as long as those fit. */
const BETWEEN_MEMBERS = /(?<=[",\]}\w],)(?=["[{\w-])/;

/**
 * Lines of at most `width` cells, broken after spaces where there are any, else between graphemes.
 * Beyond `linesMax` the last line ends with an ellipsis.
 */
export function wrapText(text: string, width: number, linesMax = Number.POSITIVE_INFINITY): string[] {
  return wrapAt(AFTER_SPACE, text, width, linesMax);
}

/** The same, but a word with `whole` in it, such as a run's id, is never broken: it is to be copied, and a terminal breaks it without a line end. */
export function wrapAround(whole: string, text: string, width: number): string[] {
  return wrapAt(AFTER_SPACE, text, width, Number.POSITIVE_INFINITY, whole);
}

/** The same for compact JSON, broken between members. */
export function wrapJson(text: string, width: number, linesMax = Number.POSITIVE_INFINITY): string[] {
  return wrapAt(BETWEEN_MEMBERS, text, width, linesMax);
}

function wrapAt(breaks: RegExp, text: string, width: number, linesMax: number, whole = ""): string[] {
  if (!Number.isFinite(width) || cells(text) <= width) return [text];
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(breaks)) {
    if (cells((line + word).trimEnd()) <= width) {
      line += word;
      continue;
    }
    if (line !== "") lines.push(line.trimEnd());
    const pieces = whole !== "" && word.includes(whole) ? [word] : breakWord(word, width);
    lines.push(...pieces.slice(0, -1));
    line = pieces.at(-1) ?? "";
    if (lines.length > linesMax) break;
  }
  if (line.trimEnd() !== "") lines.push(line.trimEnd());
  if (lines.length <= linesMax) return lines;
  const last = lines[linesMax - 1] ?? "";
  return [
    ...lines.slice(0, linesMax - 1),
    cutText(`${padText(last, width)} `, width).replace(/ +…$/, ELLIPSIS),
  ];
}

const NO_BREAK = "\u00a0";

/** `a 1 · b 2`, in lines that break between the parts only. */
export function wrapParts(parts: readonly string[], width: number): string[] {
  const whole = parts.map((part) => part.replaceAll(" ", NO_BREAK)).join(" · ");
  return wrapText(whole, width).map((line) => line.replaceAll(NO_BREAK, " "));
}

function breakWord(word: string, width: number): string[] {
  if (cells(word.trimEnd()) <= width) return [word];
  const pieces: string[] = [];
  let piece = "";
  let used = 0;
  for (const { segment } of graphemes.segment(word)) {
    const size = cells(segment);
    if (used + size > width && piece !== "") {
      pieces.push(piece);
      piece = "";
      used = 0;
    }
    piece += segment;
    used += size;
  }
  pieces.push(piece);
  return pieces;
}

const grouped = new Intl.NumberFormat("en-US");

/** `3,201` */
export function formatCount(value: number | bigint): string {
  return grouped.format(value);
}

/** `1 item`, `2 items` */
export function countOf(value: number | bigint, noun: string, plural = `${noun}s`): string {
  return `${formatCount(value)} ${Number(value) === 1 ? noun : plural}`;
}
