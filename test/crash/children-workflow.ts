/** A parent whose child works on rows, some of them bad; each row stays in its handler as long as a file is there. */
import { existsSync } from "node:fs";
import { ActionError, typed, workflow } from "@holdfast/sdk";
import { effect } from "../support/effects.js";
import { pause } from "../support/wait.js";

/** Names a file: while it is there, rows above 1 do not end. */
export const HOLD_ROWS_FILE = "HOLDFAST_TEST_HOLD_ROWS";
const LOOK_MS = 25;

export const load = workflow("load", { input: typed<number[]>() }).forEach(
  "row",
  { items: "", retry: { maxAttempts: 5, initialBackoff: "50ms" } },
  async ({ item, index }, ctx) => {
    effect(`row ${index}`);
    const file = index === 0 ? "" : (process.env[HOLD_ROWS_FILE] ?? "");
    while (existsSync(file) && !ctx.signal.aborted) await pause(LOOK_MS);
    if (ctx.signal.aborted) throw new ActionError("CANCELLED", "told to stop");
    if (item < 0) throw new ActionError("VALIDATION", `row ${index} is negative`);
    return item;
  },
);

export const nightly = workflow("nightly", { input: typed<{ rows: number[] }>() })
  .child("loaded", { workflow: load, input: "rows" })
  .action("report", { after: ["loaded"] }, (_, ctx) => {
    effect(ctx.idempotencyKey);
    return "told";
  });
