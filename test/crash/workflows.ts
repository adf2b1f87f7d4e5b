/**
 * The workflows of the crash tests: one action, a chain of three, a run over items of which some fail for good, some at first.
 * Each invocation of a handler leaves a line (effects.ts).
 */
import { existsSync } from "node:fs";
import { ActionError, typed, workflow } from "@holdfast/sdk";
import { effect } from "../support/effects.js";
import { pause } from "../support/wait.js";

/** Names a file; while it is not there, what heals fails. */
export const MENDED_FILE = "HOLDFAST_TEST_MENDED";
/** Names a file; while it is there, `hold` does not end. */
export const HOLD_FILE = "HOLDFAST_TEST_HOLD";

const MENDED_PAUSE_MS = 15;
const HOLD_LOOK_MS = 25;

export interface Single {
  readonly n: number;
  readonly ms: number;
}

export const single = workflow("single", { input: typed<Single>() }).action(
  "double",
  { retry: { maxAttempts: 10, initialBackoff: "50ms" } },
  async ({ input }, ctx) => {
    effect(ctx.idempotencyKey);
    if (input.ms > 0) await pause(input.ms);
    return input.n * 2;
  },
);

const retry = { maxAttempts: 10, initialBackoff: "50ms", maxBackoff: "1s" } as const;

export const chain = workflow("chain", { input: typed<Single>() })
  .action("first", { retry }, async ({ input }, ctx) => {
    effect(ctx.idempotencyKey);
    await pause(input.ms);
    return { n: input.n + 1 };
  })
  .action("second", { after: ["first"], retry }, ({ first }, ctx) => {
    effect(ctx.idempotencyKey);
    return { n: first.n * 10 };
  })
  .action("third", { after: ["second"], retry }, ({ second }, ctx) => {
    effect(ctx.idempotencyKey);
    return second.n + 1;
  });

export interface Row {
  readonly row: number;
  /** `bad`: fails for good. `late`: fails the first time. */
  readonly kind: "good" | "bad" | "late";
}

export const batch = workflow("batch", { input: typed<{ rows: Row[] }>() })
  .forEach("check", { items: "rows", retry }, ({ item }, ctx) => {
    effect(ctx.idempotencyKey);
    if (item.kind === "bad") throw new ActionError("VALIDATION", `row ${item.row} is bad`);
    if (item.kind === "late" && ctx.attempt === 1)
      throw new ActionError("NETWORK", `row ${item.row} is late`);
    return { row: item.row };
  })
  .forEach("load", { itemsOf: "check", retry }, ({ item }, ctx) => {
    effect(ctx.idempotencyKey);
    return item.row;
  })
  .action("report", { after: ["load"], retry }, ({ load }, ctx) => {
    effect(ctx.idempotencyKey);
    return { loaded: load.length };
  });

/** Half of its rows fail until the cause is mended. */
export const healing = workflow("healing", { input: typed<{ rows: Row[] }>() })
  .forEach("check", { items: "rows", retry: { maxAttempts: 1 } }, async ({ item }, ctx) => {
    effect(ctx.idempotencyKey);
    const mended = existsSync(process.env[MENDED_FILE] ?? "");
    if (item.kind === "bad" && !mended)
      throw new ActionError("VALIDATION", `row ${item.row} is not mended yet`);
    if (mended) await pause(MENDED_PAUSE_MS);
    return { row: item.row };
  })
  .forEach("load", { itemsOf: "check", retry }, ({ item }, ctx) => {
    effect(ctx.idempotencyKey);
    return item.row;
  })
  .action("report", { after: ["load"], retry }, ({ load }, ctx) => {
    effect(ctx.idempotencyKey);
    return { loaded: load.length, sum: load.reduce((sum, row) => sum + row, 0) };
  });

const hold = async (key: string): Promise<void> => {
  effect(key);
  while (existsSync(process.env[HOLD_FILE] ?? "")) await pause(HOLD_LOOK_MS);
};

/** Stays in its handler for as long as the test wants. */
export const held = workflow("held").action("hold", { retry }, async (_args, ctx) => {
  await hold(ctx.idempotencyKey);
  return { attempt: ctx.attempt };
});

/** The same with one attempt only. */
export const heldOnce = workflow("held-once").action(
  "hold",
  { retry: { maxAttempts: 1 } },
  async (_args, ctx) => {
    await hold(ctx.idempotencyKey);
    return { attempt: ctx.attempt };
  },
);

/** One attempt only, and a step once the test lets it go on. */
export const steppedOnce = workflow("stepped-once").action(
  "hold",
  { retry: { maxAttempts: 1 } },
  async (_args, ctx) => {
    await hold(ctx.idempotencyKey);
    return await ctx.step("after", () => ({ attempt: ctx.attempt }));
  },
);

/** Fails once and then waits an hour: stays as it is for a test. */
export const backing = workflow("backing").action(
  "try",
  { retry: { maxAttempts: 3, initialBackoff: "1h", maxBackoff: "2h", jitter: 0 } },
  () => {
    throw new ActionError("NETWORK", "the other side is away");
  },
);
