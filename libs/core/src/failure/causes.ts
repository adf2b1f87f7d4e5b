/**
 * A thrown thing and what caused it: its chain of causes, then the members of AggregateErrors, with theirs. Never throws, whatever it is given.
 *
 * 1. Bounded in number, and each thing is looked at once: a chain may lead back into itself.
 */
export const CAUSES_MAX = 8;

export interface Cause {
  readonly error: unknown;
  /** `cause`: of the one before; `member`: of an AggregateError. */
  readonly as: "thrown" | "cause" | "member";
}

/** A property of anything, also where reading it throws. */
export function prop(value: unknown, key: string): unknown {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return undefined;
  try {
    return (value as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}

/** What was thrown comes first, then its causes, outermost first. */
export function causesOf(thrown: unknown): readonly Cause[] {
  const cause = prop(thrown, "cause");
  const errors = prop(thrown, "errors");
  if ((cause === undefined || cause === null) && errors === undefined)
    return [{ error: thrown, as: "thrown" }];
  const found: Cause[] = [];
  const seen = new Set<unknown>();
  const waiting: Cause[] = [{ error: thrown, as: "thrown" }];
  for (let next = waiting.shift(); next !== undefined && found.length < CAUSES_MAX; next = waiting.shift()) {
    if (seen.has(next.error)) continue;
    seen.add(next.error);
    found.push(next);
    for (const error of membersOf(next.error)) waiting.push({ error, as: "member" });
    const inner = prop(next.error, "cause");
    if (inner !== undefined && inner !== null) waiting.unshift({ error: inner, as: "cause" });
  }
  return found;
}

function membersOf(error: unknown): readonly unknown[] {
  const members = prop(error, "errors");
  try {
    return Array.isArray(members) ? members.slice(0, CAUSES_MAX) : [];
  } catch {
    return [];
  }
}
