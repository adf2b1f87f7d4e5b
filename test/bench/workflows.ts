/** The workflows that are measured. Their handlers do next to nothing, so that what is measured is Holdfast. */
import { ActionError, type Artifact, typed, workflow } from "@holdfast/sdk";

export interface Numbered {
  readonly n: number;
}

/** One action. */
export const single = workflow("bench-single", { input: typed<Numbered>() }).action(
  "double",
  async ({ input }) => ({ doubled: input.n * 2 }),
);

/** The same with a breaker, whose window is as long as a repetition. */
export const guarded = workflow("bench-guarded", { input: typed<Numbered>() }).action(
  "double",
  { breaker: { window: "1m" } },
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

/** Where the items of a large run come from. */
export const ITEM_SOURCES = ["input", "output", "lines"] as const;
export type ItemsFrom = (typeof ITEM_SOURCES)[number];

export interface WideRow extends Row {
  readonly padding: string;
}

const WIDE_ROW_PADDING = "x".repeat(440);

/** Rows of about 500 bytes. */
export function* wideRows(count: number): Generator<WideRow> {
  for (let i = 0; i < count; i++) yield { id: `row-${i}`, price: i, padding: WIDE_ROW_PADDING };
}

const centsOf = ({ item }: { readonly item: Row }): { cents: number } => ({ cents: item.price * 100 });
const totalOf = ({
  check,
}: {
  readonly check: readonly { cents: number }[];
}): { items: number; cents: number } => ({
  items: check.length,
  cents: check.reduce((sum, { cents }) => sum + cents, 0),
});

export const fromInput = workflow("bench-from-input", {
  input: typed<{ readonly rows: readonly WideRow[] }>(),
})
  .forEach("check", { items: "rows" }, centsOf)
  .action("total", { after: ["check"] }, totalOf);

export const fromOutput = workflow("bench-from-output", { input: typed<{ readonly count: number }>() })
  .action("extract", ({ input }) => ({ rows: [...wideRows(input.count)] }))
  .forEach("check", { outputOf: { action: "extract", path: "rows" } }, ({ item }) => ({
    cents: item.price * 100,
  }))
  .action("total", { after: ["check"] }, totalOf);

export const fromLines = workflow("bench-from-lines", {
  input: typed<{ readonly file: Artifact<WideRow> }>(),
})
  .forEach("check", { lines: "file" }, centsOf)
  .action("total", { after: ["check"] }, totalOf);

/** Nothing but a timer. */
export const sleeping = workflow("bench-sleeping").sleep("rest", { for: 1 });

/** Why rows of a negative price fail; of the worker's process. */
export const cause = { mended: false };

/** Rows of a negative price fail until the cause is mended. */
export const healed = workflow("bench-healed", { input: typed<{ readonly file: Artifact<Row> }>() })
  .forEach("check", { lines: "file", retry: { maxAttempts: 1 } }, ({ item }) => {
    if (item.price < 0 && !cause.mended)
      throw new ActionError("UNAVAILABLE", `row ${item.id} can't be checked yet`);
    return { cents: item.price * 100 };
  })
  .forEach("load", { itemsOf: "check" }, ({ item }) => ({ loaded: item.cents }));

export const all = [
  single,
  guarded,
  chain,
  stepped,
  rows,
  waiting,
  fromInput,
  fromOutput,
  fromLines,
  sleeping,
  healed,
];
