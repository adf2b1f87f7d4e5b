/**
 * Where a text stops being JSON (RFC 8259). Asked only once `JSON.parse` has refused the text, since what that says of the
 * place differs between versions of Node and is sometimes nothing. Needs no recursion, so depth costs it nothing.
 */

export interface JsonPosition {
  /** Both from 1; the column counts UTF-16 units. */
  readonly line: number;
  readonly column: number;
  /** What stands there, for people. */
  readonly found: string;
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// oxlint-disable-next-line no-control-regex -- JSON forbids exactly these inside strings
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const LITERAL = /true|false|null/y;
const SPACE = /[ \t\n\r]*/y;

/** Undefined where the text is JSON. */
export function jsonErrorPosition(text: string): JsonPosition | undefined {
  const offset = firstError(text);
  if (offset === undefined) return undefined;
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf("\n") + 1;
  return {
    line: before.split("\n").length,
    column: offset - lineStart + 1,
    found:
      offset >= text.length
        ? "the end of the text"
        : JSON.stringify(String.fromCodePoint(text.codePointAt(offset) ?? 0)),
  };
}

/** What may come next: a value, a value or the array's end, and so on. */
type Expect = "value" | "value-or-]" | "key" | "key-or-}" | ":" | "more" | "end";

function firstError(text: string): number | undefined {
  const open: ("[" | "{")[] = [];
  let expect: Expect = "value";
  let at = 0;
  for (;;) {
    at = skip(SPACE, text, at) ?? at;
    if (at >= text.length) return expect === "end" ? undefined : at;
    const char = text[at];
    if (expect === "end") return at;
    if (expect === ":") {
      if (char !== ":") return at;
      at += 1;
      expect = "value";
    } else if (expect === "more") {
      if (char === ",") expect = open.at(-1) === "[" ? "value" : "key";
      else if (char === (open.at(-1) === "[" ? "]" : "}")) expect = close(open);
      else return at;
      at += 1;
    } else if ((expect === "value-or-]" && char === "]") || (expect === "key-or-}" && char === "}")) {
      expect = close(open);
      at += 1;
    } else if (expect === "key" || expect === "key-or-}") {
      const end = skip(STRING, text, at);
      if (end === undefined) return char === '"' ? insideString(text, at) : at;
      at = end;
      expect = ":";
    } else if (char === "[" || char === "{") {
      open.push(char);
      expect = char === "[" ? "value-or-]" : "key-or-}";
      at += 1;
    } else {
      const end = skip(STRING, text, at) ?? skip(NUMBER, text, at) ?? skip(LITERAL, text, at);
      if (end === undefined) return char === '"' ? insideString(text, at) : at;
      at = end;
      expect = open.length === 0 ? "end" : "more";
    }
  }
}

function close(open: unknown[]): Expect {
  open.pop();
  return open.length === 0 ? "end" : "more";
}

function skip(token: RegExp, text: string, at: number): number | undefined {
  token.lastIndex = at;
  return token.test(text) ? token.lastIndex : undefined;
}

/** The first place inside a broken string that is wrong. */
function insideString(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    if (text.charCodeAt(i) < 0x20) return i;
    if (text[i] !== "\\") continue;
    const escape = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
    const end = skip(escape, text, i);
    if (end === undefined) return i;
    i = end - 1;
  }
  return text.length;
}
