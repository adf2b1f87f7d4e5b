/**
 * Only one file says which statuses are completed, terminal or retryable. Elsewhere a list, a comparison chain or
 * neighbouring cases of ended statuses is a second spelling of such a set, and would drift from the first.
 * Tables that map every status to something are no sets.
 */
import { isTest, lineAt, type SourceFile, withoutComments } from "./source-files.js";

export const STATUS_SETS_FILE = "libs/core/src/status.ts";

const STATUS =
  /\b(?:[A-Z]+_STATUS_)?(PENDING|RUNNING|PAUSED|RETRYING|WAITING|COMPLETED_WITH_FAILURES|COMPLETED|FAILED|SKIPPED|CANCELLED)\b/g;
const ENDED = new Set(["COMPLETED", "COMPLETED_WITH_FAILURES", "FAILED", "SKIPPED", "CANCELLED"]);

const LIST = /\[[^[\]{}]{0,400}\]/g;
const CHAIN = /(?:[=!]==?\s*[\w."']+\s*(?:\|\||&&)\s*[\w.?!()]+\s*)+[=!]==?\s*[\w."']+/g;
const CASES = /(?:\bcase\s+[\w."']+:\s*){2,}/g;

function isEndedSet(text: string): boolean {
  const statuses = new Set(Array.from(text.matchAll(STATUS), ([, status = ""]) => status));
  return (
    statuses.size >= 2 &&
    statuses.has("COMPLETED_WITH_FAILURES") &&
    [...statuses].every((status) => ENDED.has(status))
  );
}

export function strayStatusSets(file: SourceFile): string[] {
  if (file.path === STATUS_SETS_FILE || isTest(file.path)) return [];
  const text = withoutComments(file.text);
  return [LIST, CHAIN, CASES].flatMap((pattern) =>
    Array.from(text.matchAll(pattern))
      .filter(([match]) => isEndedSet(match))
      .map(
        ({ index }) => `${file.path}:${lineAt(text, index)}: spells a status set; use ${STATUS_SETS_FILE}'s`,
      ),
  );
}
