/**
 * Which headers published work may carry. Holdfast's own begin with `Holdfast-`; of anybody else's nothing is asked.
 *
 * 1. A name of Holdfast's that does not exist is a slip whose sender waits for what it should have done: refused, with what may have been meant.
 * 2. What is read must be there once: of two values each reader would take another one.
 */
import { lettersApart } from "@holdfast/core";

/** Those that are read, in lower case, as they are written. A trace is not among them: a broken one is begun anew. */
const READ: ReadonlyMap<string, string> = new Map(
  ["Holdfast-Run-Id", "Holdfast-Priority", "Holdfast-Start-At", "Content-Type", "Nats-Msg-Id"].map((name) => [
    name.toLowerCase(),
    name,
  ]),
);
const OWN = /^holdfast-/;
/** What Holdfast writes beside rejected work. Whoever publishes that again as it is means no harm by them. */
const WRITTEN = /^holdfast-(reject-code|reject-reason|original-subject|original-body|kept-.*)$/;
const NAME_CHARS_MAX = 60;
/** Letters that differ, of a name that may have been meant. */
const APART_MAX = 5;

/** Why they are refused; undefined: they are not. */
export function headersProblem(headers: readonly (readonly [string, string])[]): string | undefined {
  let seen: Set<string> | undefined;
  for (const [name] of headers) {
    const lower = name.toLowerCase();
    const read = READ.get(lower);
    if (read === undefined) {
      if (OWN.test(lower) && !WRITTEN.test(lower)) return unknown(name);
      continue;
    }
    seen ??= new Set();
    if (seen.has(lower)) return `the header ${read} stands there twice: give it once`;
    seen.add(lower);
  }
  return undefined;
}

function unknown(name: string): string {
  const cut = name.slice(0, NAME_CHARS_MAX);
  const known = [...READ.values()].filter((one) => OWN.test(one.toLowerCase()));
  const apart = (one: string): number => lettersApart(cut.toLowerCase(), one.toLowerCase());
  const nearest = known.reduce((best, one) => (apart(one) < apart(best) ? one : best));
  const meant = apart(nearest) <= APART_MAX ? `: did you mean ${nearest}?` : ":";
  return `there is no header ${cut}${meant} Holdfast reads ${known.join(", ")}; take another prefix for your own`;
}
