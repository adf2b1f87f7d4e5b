/**
 * What handlers did in the world, in a file that outlives their process: one line for each invocation.
 * Handlers call `effect`, tests read with `effectsOf`. The file is named by HOLDFAST_TEST_EFFECTS.
 */
import { existsSync, openSync, readFileSync, writeSync } from "node:fs";

export const EFFECTS_FILE = "HOLDFAST_TEST_EFFECTS";

let file: number | undefined;

/** Written before the handler goes on, by the system and not by this process's end. */
export function effect(key: string): void {
  const path = process.env[EFFECTS_FILE];
  if (path === undefined) return;
  file ??= openSync(path, "a");
  writeSync(file, `${key}\n`);
}

/** How often each key's handler was invoked. */
export function effectsOf(path: string): Map<string, number> {
  const counts = new Map<string, number>();
  if (!existsSync(path)) return counts;
  for (const key of readFileSync(path, "utf8").split("\n")) {
    if (key !== "") counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}
