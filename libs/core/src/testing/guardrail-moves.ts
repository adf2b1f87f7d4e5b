/** What attempts may say that they spent, rightly or not, and guardrails that such amounts come up against. */
import {
  type Guardrails,
  GuardrailsSchema,
  type Usage,
  UsageBudgetSchema,
  UsageCountSchema,
  UsageSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import * as fc from "fast-check";
import { USAGE_NAMES_MAX } from "../limits.js";

export const usage = (amounts: Readonly<Record<string, bigint>>, uncounted = 0): Usage =>
  init(UsageSchema, {
    counts: Object.entries(amounts).map(([name, amountMicro]) =>
      init(UsageCountSchema, { name, amountMicro }),
    ),
    uncounted,
  });

const MANY = Object.fromEntries(
  Array.from({ length: USAGE_NAMES_MAX + 3 }, (_, i): [string, bigint] => [`n${i}`, 1n]),
);
const USAGES: readonly (() => Usage | undefined)[] = [
  () => undefined,
  () => usage({ tokens: 3_000_000n }),
  () => usage({ tokens: 1n, cost_usd: 3_100n }),
  () => undefined,
  () => usage({ "": 1n, "no way": 2n, tokens: -5n, cost_usd: 0n }, 7),
  () => usage({ tokens: 2n ** 63n - 1n }),
  () => usage(MANY),
];

/** By any number. */
export const usageOf = (how: number): Usage | undefined => USAGES[how % USAGES.length]?.();

export const budgets = (limits: Readonly<Record<string, bigint>>): Guardrails["budgets"] =>
  Object.entries(limits).map(([name, limitMicro]) => init(UsageBudgetSchema, { name, limitMicro }));

export const arbitraryGuardrails: fc.Arbitrary<Guardrails | undefined> = fc.option(
  fc
    .record({
      maxDurationMs: fc.constantFrom(0n, 0n, 60n, 400n),
      maxSteps: fc.constantFrom(0, 1, 2),
      limits: fc.constantFrom<Record<string, bigint>>(
        {},
        {},
        { tokens: 5_000_000n },
        { late: 1n, cost_usd: 4_000n },
      ),
    })
    .map(({ limits, ...rest }) => init(GuardrailsSchema, { ...rest, budgets: budgets(limits) })),
  { nil: undefined },
);
