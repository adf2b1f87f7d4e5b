/** The workflows that are measured. Their handlers do next to nothing, so that what is measured is Holdfast. */
import { ActionError, typed, workflow } from "@holdfast/sdk";

export interface Numbered {
  readonly n: number;
}

/** One action. */
export const single = workflow("bench-single", { input: typed<Numbered>() }).action(
  "double",
  async ({ input }) => ({ doubled: input.n * 2 }),
);

const next = (before: Numbered): Numbered => ({ n: before.n + 1 });

/** Ten actions, each after the one before. */
export const CHAIN_ACTIONS = 10;
export const chain = workflow("bench-chain", { input: typed<Numbered>() })
  .action("a1", async ({ input }) => next(input))
  .action("a2", { after: ["a1"] }, async ({ a1 }) => next(a1))
  .action("a3", { after: ["a2"] }, async ({ a2 }) => next(a2))
  .action("a4", { after: ["a3"] }, async ({ a3 }) => next(a3))
  .action("a5", { after: ["a4"] }, async ({ a4 }) => next(a4))
  .action("a6", { after: ["a5"] }, async ({ a5 }) => next(a5))
  .action("a7", { after: ["a6"] }, async ({ a6 }) => next(a6))
  .action("a8", { after: ["a7"] }, async ({ a7 }) => next(a7))
  .action("a9", { after: ["a8"] }, async ({ a8 }) => next(a8))
  .action("a10", { after: ["a9"] }, async ({ a9 }) => next(a9));

/** One action whose handler does ten steps, each checkpointed before the next. */
export const STEPS = 10;
export const stepped = workflow("bench-stepped", { input: typed<Numbered>() }).action(
  "all",
  async ({ input }, ctx) => {
    let { n } = input;
    for (let step = 0; step < STEPS; step++) n = await ctx.step(`s${step}`, () => n + 1);
    return { n };
  },
);

export interface Row {
  readonly id: string;
  readonly price: number;
}

/** One of so many rows is not valid, and stays so. */
export const BAD_ROW_EVERY = 100;

/** One action over rows, some of which fail for good. */
export const rows = workflow("bench-rows", { input: typed<{ readonly rows: readonly Row[] }>() }).forEach(
  "check",
  { items: "rows" },
  async ({ item }) => {
    if (item.price < 0) throw new ActionError("VALIDATION", `row ${item.id} has a negative price`);
    return { cents: item.price * 100 };
  },
);

/** Its action fails at once, and is tried again in an hour: meanwhile the run waits. */
export const waiting = workflow("bench-waiting", { input: typed<Numbered>() }).action(
  "call",
  { retry: { maxAttempts: 3, initialBackoff: "1h", maxBackoff: "2h", jitter: 0 } },
  async (): Promise<Numbered> => {
    throw new ActionError("UNAVAILABLE", "the other side is not there");
  },
);

export const all = [single, chain, stepped, rows, waiting];
