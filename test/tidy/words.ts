/** Words that must not stand in code: what would make the fold impure, and escapes from the rules. */
import { codeOnly, isTest, lineAt, type SourceFile } from "./source-files.js";

interface Rule {
  pattern: RegExp;
  why: string;
}

const IMPURE: readonly Rule[] = [
  {
    pattern: /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.now\b/g,
    why: "reads a clock; `now` is the log's",
  },
  { pattern: /\bMath\.random\b|\bcrypto\.(random|getRandom)/g, why: "is random; derive it from a hash" },
  { pattern: /\bprocess\./g, why: "is Node's" },
  {
    pattern: /\b(setTimeout|setInterval|setImmediate|queueMicrotask)\b/g,
    why: "acts later; timers are commands",
  },
  { pattern: /\bIntl\b|\.toLocale\w*|\.localeCompare\b/g, why: "depends on the machine's locale" },
];

const ESCAPES: readonly Rule[] = [
  { pattern: /\bas\s+any\b|:\s*any\b|[<]any\b|\bany\[\]/g, why: "escapes the type checker" },
  { pattern: /\b(it|test|describe|suite)\.(only|skip|todo|skipIf|runIf)\b/g, why: "leaves tests out" },
];

/** Looked for in comments, too. Spelled so that this file does not trip over itself. */
const MARKERS: readonly Rule[] = [
  { pattern: /@ts-[i]gnore|@ts-[n]ocheck/g, why: "silences the type checker" },
  { pattern: /\b(TO[D]O|FIX[M]E|XX[X])\b/g, why: "is a leftover: do it, or file it" },
  { pattern: /not\s[i]mplemented/gi, why: "is a stub" },
];

function find(file: SourceFile, text: string, rules: readonly Rule[]): string[] {
  return rules.flatMap(({ pattern, why }) =>
    Array.from(
      text.matchAll(pattern),
      (match) => `${file.path}:${lineAt(text, match.index)}: "${match[0].trim()}" ${why}`,
    ),
  );
}

export function impureWords(file: SourceFile): string[] {
  if (!file.path.startsWith("libs/core/src/") || isTest(file.path)) return [];
  return find(file, codeOnly(file.text), IMPURE);
}

export function escapes(file: SourceFile): string[] {
  return [...find(file, codeOnly(file.text), ESCAPES), ...find(file, file.text, MARKERS)];
}

/** What a quiet machine does in a second may take a busy one thirty: limits end what would never end, nothing else. */
const WAIT_MS_MIN = 60_000;
/** As the shortest that a test has without saying so (vitest.config.ts). */
const TEST_MS_MIN = 180_000;
const WAIT = /\bvi\s*\.\s*wait(?:For|Until)\(|\bexpect\s*\.\s*poll\(/g;
const LIMIT_BEFORE = /\b(?:it|test)(?:\.\w+)*\([^{}()]*\{\s*timeout:\s*([\d_]+)/g;
const LIMIT_BEHIND = /^\s*\}, ([\d_]{3,})\);$/gm;

/** Waits and tests that a busy machine would let fail. `vi.waitFor` gives up after a second unless it is told otherwise. */
export function impatience(file: SourceFile): string[] {
  if (!isTest(file.path)) return [];
  const text = codeOnly(file.text);
  const waits = Array.from(text.matchAll(WAIT)).flatMap(({ 0: name, index }) => {
    const limit = /\btimeout\b(?::\s*([\d_]+))?/.exec(callAt(text, index));
    const isPoll = name.includes("poll");
    if (limit === null ? isPoll : numberOf(limit[1]) >= WAIT_MS_MIN) return [];
    const advice = isPoll
      ? "leave its timeout out"
      : `give it a timeout of ${WAIT_MS_MIN} ms, or use expect.poll`;
    return [`${file.path}:${lineAt(text, index)}: "${name}" waits too briefly for a busy machine: ${advice}`];
  });
  const limits = [LIMIT_BEFORE, LIMIT_BEHIND].flatMap((pattern) =>
    Array.from(text.matchAll(pattern)).flatMap(({ 0: found, 1: ms, index }) =>
      numberOf(ms) >= TEST_MS_MIN
        ? []
        : [
            `${file.path}:${lineAt(text, index + found.length)}: a test's own limit is longer than ${TEST_MS_MIN} ms: leave this one out`,
          ],
    ),
  );
  return [...waits, ...limits];
}

/** A constant's value is not looked for. */
const numberOf = (literal: string | undefined): number =>
  literal === undefined ? Infinity : Number(literal.replaceAll("_", ""));

/** A call from its name to its closing parenthesis. */
function callAt(text: string, from: number): string {
  let depth = 0;
  for (let at = text.indexOf("(", from); at < text.length; at++) {
    if (text[at] === "(") depth += 1;
    else if (text[at] === ")" && --depth === 0) return text.slice(from, at);
  }
  return text.slice(from);
}
