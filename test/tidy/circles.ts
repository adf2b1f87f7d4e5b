/**
 * Files that need each other to run: none of them can be read, tried or moved alone. Circles of types alone are none, since types are gone at run time.
 */
import { posix } from "node:path";
import { type SourceFile, withoutComments } from "./source-files.js";

/** In a circle today. Files may leave this list, and none may come to it; the list is to be empty. */
export const IN_A_CIRCLE: readonly string[] = [
  "libs/core/src/actor/actions.ts",
  "libs/core/src/actor/advance.ts",
  "libs/core/src/actor/approvals.ts",
  "libs/core/src/actor/attempt.ts",
  "libs/core/src/actor/attention.ts",
  "libs/core/src/actor/batch-cancel.ts",
  "libs/core/src/actor/batch.ts",
  "libs/core/src/actor/cancel-items.ts",
  "libs/core/src/actor/child.ts",
  "libs/core/src/actor/failed-again.ts",
  "libs/core/src/actor/failed-attempt.ts",
  "libs/core/src/actor/held-items.ts",
  "libs/core/src/actor/items.ts",
  "libs/core/src/actor/keyed-items.ts",
  "libs/core/src/actor/move-to-dead-letters.ts",
  "libs/core/src/actor/pruned.ts",
  "libs/core/src/actor/recover.ts",
  "libs/core/src/actor/recovery.ts",
  "libs/core/src/actor/reopen-items.ts",
  "libs/core/src/actor/reopen.ts",
  "libs/core/src/actor/report.ts",
  "libs/core/src/actor/run-end.ts",
  "libs/core/src/actor/shown.ts",
  "libs/core/src/actor/start-deadline.ts",
  "libs/core/src/actor/stop.ts",
  "libs/core/src/actor/undo.ts",
  "libs/core/src/actor/wait.ts",
  "libs/core/src/breaker/gate.ts",
  "libs/core/src/breaker/held-text.ts",
  "libs/core/src/breaker/job.ts",
  "libs/core/src/breaker/lanes.ts",
  "libs/core/src/breaker/name.ts",
];

/** Whatever is imported or re-exported but for `import type` and lists of types only. */
export function valueImportsOf({ path, text }: SourceFile): string[] {
  const found = withoutComments(text).matchAll(
    /\b(?:import|export)\s+(?!type\b)(?:([^;'"`]*?)\bfrom\s*)?["'](\.[^"'\n]+)["']/g,
  );
  return [...found].flatMap(([, names = "", to = ""]) =>
    isOfTypes(names) ? [] : [posix.join(posix.dirname(path), to).replace(/\.js$/, ".ts")],
  );
}

function isOfTypes(names: string): boolean {
  const list = /^\s*\{([^}]*)\}\s*$/.exec(names)?.[1];
  if (list === undefined) return false;
  const each = list.split(",").flatMap((name) => name.trim() || []);
  return each.length > 0 && each.every((name) => name.startsWith("type "));
}

/** Each group of files of which every one leads to every other, in order; after Tarjan. */
export function circlesOf(files: readonly SourceFile[]): string[][] {
  const imports = new Map(files.map((file) => [file.path, valueImportsOf(file)]));
  const numbers = new Map<string, number>();
  const open: string[] = [];
  const isOpen = new Set<string>();
  const circles: string[][] = [];
  const visit = (path: string): number => {
    let low = numbers.size;
    const own = low;
    numbers.set(path, own);
    open.push(path);
    isOpen.add(path);
    for (const to of imports.get(path) ?? []) {
      if (!imports.has(to)) continue;
      const number = numbers.get(to);
      if (number === undefined) low = Math.min(low, visit(to));
      else if (isOpen.has(to)) low = Math.min(low, number);
    }
    if (low < own) return low;
    const circle = open.splice(open.indexOf(path));
    for (const one of circle) isOpen.delete(one);
    if (circle.length > 1) circles.push(circle.toSorted());
    return low;
  };
  for (const { path } of files) if (!numbers.has(path)) visit(path);
  return circles.toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1));
}
