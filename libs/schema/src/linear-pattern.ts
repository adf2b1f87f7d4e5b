/**
 * Regular expressions that somebody else wrote, in time that grows with the text and no faster: by RE2 (automata, no backtracking).
 *
 * 1. A pattern means what it means to JavaScript with the `u` flag, as JSON Schema asks for. What RE2 can't express (look-around, back-references,
 *    counts beyond 1,000) can't be used, and the error says so.
 * 2. Where backtracking can't go astray (anchored, no groups, at most one part of varying length), JavaScript's own engine is used: it is faster.
 */
import { RE2JS } from "re2js";

export interface LinearPattern {
  test(text: string): boolean;
}

/** What JavaScript takes for white space. */
const SPACE =
  "\\t-\\r \\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}";
const NOT_SPACE =
  "\\x{0}-\\x{8}\\x{e}-\\x{1f}!-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}" +
  "\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}";
const NOT_LINE_END = "[^\\n\\r\\x{2028}\\x{2029}]";
const PROPERTY = /\\[pP]\{(?:(?:Script|sc|Script_Extensions|scx|General_Category|gc)=)([A-Za-z_]+)\}/y;

/** A character by its number; two halves of one count as one. */
const NUMBERED =
  /\\u(?:\{([0-9a-fA-F]+)\}|([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|([0-9a-fA-F]{4}))/y;

/** Throws an `Error` that says why it can't be used. */
export function linearPattern(pattern: string): LinearPattern {
  const native = new RegExp(pattern, "u");
  if (isPlain(pattern)) return native;
  const why = unsupported(pattern);
  if (why !== undefined) throw new Error(`the pattern ${shown(pattern)} ${why}`);
  try {
    const compiled = RE2JS.compile(RE2JS.translateRegExp(asRe2(pattern)));
    return { test: (text) => compiled.test(text) };
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    throw new Error(`the pattern ${shown(pattern)} can't be run in linear time: ${what}`, { cause: error });
  }
}

/** One part of a pattern: an escape, a class, or a character; and how often it may stand there. */
const PART =
  /(?:\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|c[A-Za-z]|[^0-9k])|\[(?:\\[^]|[^\]\\])*\]|[^\\()[\]|^$])(\?|\*|\+|\{\d+(?:,\d*)?\})?\??/uy;

function isPlain(pattern: string): boolean {
  if (!pattern.startsWith("^")) return false;
  const end = pattern.endsWith("$") && !pattern.endsWith("\\$") ? pattern.length - 1 : pattern.length;
  let varying = 0;
  let at = 1;
  while (at < end) {
    PART.lastIndex = at;
    const part = PART.exec(pattern);
    if (part === null) return false;
    if (part[1] !== undefined && !/^\{\d+\}$/.test(part[1])) varying += 1;
    at = PART.lastIndex;
  }
  return at === end && varying <= 1;
}

function unsupported(pattern: string): string | undefined {
  for (let at = 0, inClass = false; at < pattern.length; at++) {
    const char = pattern[at];
    if (char === "\\") {
      at += 1;
      if (!inClass && /[1-9k]/.test(pattern[at] ?? ""))
        return "refers back to a group: a pattern must be decided in linear time, and that can't be; say it without";
    } else if (inClass) inClass = char !== "]";
    else if (char === "[") inClass = true;
    else if (char === "(" && /^\(\?<?[=!]/.test(pattern.slice(at, at + 4)))
      return "looks ahead or behind: a pattern must be decided in linear time, and that can't be; say it by several schemas (allOf, not)";
  }
  return undefined;
}

/** The same in RE2's syntax, where that differs and `translateRegExp` does not see to it. */
function asRe2(pattern: string): string {
  let out = "";
  let inClass = false;
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] as string;
    if (char === "\\") {
      const next = pattern[at + 1] ?? "";
      PROPERTY.lastIndex = at;
      const property = PROPERTY.exec(pattern);
      if (property !== null) {
        out += `\\${next}{${property[1]}}`;
        at = PROPERTY.lastIndex - 1;
        continue;
      }
      NUMBERED.lastIndex = at;
      const numbered = NUMBERED.exec(pattern);
      if (numbered !== null) {
        out += `\\x{${hexOf(numbered)}}`;
        at = NUMBERED.lastIndex - 1;
        continue;
      }
      at += 1;
      if (next === "s") out += inClass ? SPACE : `[${SPACE}]`;
      else if (next === "S") out += inClass ? NOT_SPACE : `[^${SPACE}]`;
      else if (next === "b" && inClass) out += "\\x{8}";
      else if (next === "0") out += "\\x{0}";
      else out += char + next;
    } else if (inClass) {
      if (char === "]") inClass = false;
      out += char === "[" ? "\\[" : char;
    } else if (char === "[") {
      inClass = true;
      out += char;
    } else out += char === "." ? NOT_LINE_END : char;
  }
  return out;
}

function hexOf([, braced, high, low, plain]: RegExpExecArray): string {
  if (high === undefined || low === undefined) return braced ?? plain ?? "";
  return String.fromCharCode(parseInt(high, 16), parseInt(low, 16)).codePointAt(0)?.toString(16) ?? "";
}

const SHOWN_CHARS = 60;
const shown = (pattern: string): string =>
  JSON.stringify(pattern.length > SHOWN_CHARS ? `${pattern.slice(0, SHOWN_CHARS)}…` : pattern);
