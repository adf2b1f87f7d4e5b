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

/** `vi.waitFor` gives up after a second unless it is told otherwise, which a busy machine may need for anything. */
export function impatience(file: SourceFile): string[] {
  if (!isTest(file.path)) return [];
  const text = codeOnly(file.text);
  return Array.from(text.matchAll(/\bvi\s*\.\s*waitFor\(/g)).flatMap(({ index }) =>
    callAt(text, index).includes("timeout")
      ? []
      : [
          `${file.path}:${lineAt(text, index)}: "vi.waitFor" waits a second only: give it a timeout, or use expect.poll`,
        ],
  );
}

/** A call from its name to its closing parenthesis. */
function callAt(text: string, from: number): string {
  let depth = 0;
  for (let at = text.indexOf("(", from); at < text.length; at++) {
    if (text[at] === "(") depth += 1;
    else if (text[at] === ")" && --depth === 0) return text.slice(from, at);
  }
  return text.slice(from);
}
