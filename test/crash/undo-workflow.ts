/** A workflow that is always undone: rows, then a payment, then a failure. Each undo stays in its handler as long as its file is there. */
import { existsSync } from "node:fs";
import { ActionError, typed, workflow } from "@holdfast/sdk";
import { effect } from "../support/effects.js";
import { pause } from "../support/wait.js";

/** Names files: while `<it>.pay` is there, the undo of `pay` does not end; `<it>.rows` likewise. */
export const HOLD_UNDO_FILE = "HOLDFAST_TEST_HOLD_UNDO";

const LOOK_MS = 25;
const retry = { maxAttempts: 5, initialBackoff: "50ms", maxBackoff: "200ms" } as const;

async function holdUndo(which: string, signal: AbortSignal): Promise<void> {
  while (existsSync(`${process.env[HOLD_UNDO_FILE]}.${which}`) && !signal.aborted) await pause(LOOK_MS);
}

export const order = workflow("order", { input: typed<{ rows: number[] }>() })
  .forEach(
    "rows",
    { items: "rows", retry },
    ({ item }, ctx) => {
      effect(ctx.idempotencyKey);
      return { row: item };
    },
    {
      undo: async ({ outputs }, ctx) => {
        effect(
          `${ctx.idempotencyKey} of ${outputs.map(({ index, output }) => `${index}=${output.row}`).join()}`,
        );
        await holdUndo("rows", ctx.signal);
      },
    },
  )
  .action(
    "pay",
    { after: ["rows"], retry },
    ({ rows }, ctx) => {
      effect(ctx.idempotencyKey);
      return { paid: rows.length };
    },
    {
      undo: async ({ output }, ctx) => {
        await ctx.step("refund", () => effect(`refund ${ctx.runId}: ${output.paid}`));
        effect(ctx.idempotencyKey);
        await holdUndo("pay", ctx.signal);
      },
    },
  )
  .action("ship", { after: ["pay"], retry: { maxAttempts: 1 } }, () => {
    throw new ActionError("CONFLICT", "nobody ships there");
  });
