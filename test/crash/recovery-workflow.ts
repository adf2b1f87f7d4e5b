/** Work that always needs its recovery handlers: rows, then a total. Those stay in their handler as long as their file is there. */
import { existsSync } from "node:fs";
import { ActionError, typed, workflow } from "@holdfast/sdk";
import { effect } from "../support/effects.js";
import { pause } from "../support/wait.js";

/** Names files: while `<it>.rows` is there, no recovery of a row ends; `<it>.total` likewise. */
export const HOLD_RECOVERY_FILE = "HOLDFAST_TEST_HOLD_RECOVERY";

const LOOK_MS = 25;
const retry = { maxAttempts: 1 } as const;

async function hold(which: string, signal: AbortSignal): Promise<void> {
  while (existsSync(`${process.env[HOLD_RECOVERY_FILE]}.${which}`) && !signal.aborted) await pause(LOOK_MS);
}

export const ledger = workflow("ledger", {
  input: typed<{ rows: number[] }>(),
  guardrails: { budgets: { tokens: 1_000 }, maxDuration: "10m" },
})
  .forEach(
    "rows",
    { items: "rows", retry },
    ({ item }, ctx): { row: number } => {
      effect(ctx.idempotencyKey);
      ctx.usage({ tokens: 10 });
      if (item > 10) throw new ActionError("VALIDATION", `row ${item} is odd`);
      return { row: item };
    },
    {
      recover: async ({ item }, error, ctx) => {
        effect(`${ctx.idempotencyKey} of ${error.mode}`);
        ctx.usage({ tokens: 1 });
        await hold("rows", ctx.signal);
        return { row: -item };
      },
    },
  )
  .action(
    "total",
    { after: ["rows"], retry },
    (_, ctx): { total: number } => {
      effect(ctx.idempotencyKey);
      throw new ActionError("CONFLICT", "the ledger is closed");
    },
    {
      recover: async ({ rows }, error, ctx) => {
        effect(`${ctx.idempotencyKey} of ${error.mode}`);
        await hold("total", ctx.signal);
        return { total: rows.reduce((sum, { row }) => sum + row, 0) };
      },
    },
  );
