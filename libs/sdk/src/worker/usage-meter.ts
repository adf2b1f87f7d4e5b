/**
 * What a handler says that it spent in one attempt, summed under names of its own, in millionths.
 *
 * 1. At most USAGE_NAMES_MAX names; amounts under further ones are counted as left out, and the run says so.
 */
import { isName, USAGE_MICRO_MAX, USAGE_NAMES_MAX } from "@holdfast/core";
import type { Usage } from "@holdfast/proto";
import { ActionError } from "../action-error.js";

const MICRO = 1_000_000;
/** The largest amount whose millionths can be kept. */
const AMOUNT_MAX = Number(USAGE_MICRO_MAX / BigInt(MICRO)) - 1;

export class UsageMeter {
  readonly #counts = new Map<string, bigint>();
  #uncounted = 0;

  /** Throws an ActionError (HANDLER_BUG), having counted nothing, where a name or an amount can't be. */
  add(amounts: Readonly<Record<string, number>>): void {
    const checked = Object.entries(amounts).map(([name, amount]): [string, bigint] => [
      checkedName(name),
      microOf(name, amount),
    ]);
    for (const [name, micro] of checked) {
      if (micro === 0n) continue;
      const before = this.#counts.get(name);
      if (before === undefined && this.#counts.size >= USAGE_NAMES_MAX) this.#uncounted += 1;
      else {
        const sum = (before ?? 0n) + micro;
        this.#counts.set(name, sum > USAGE_MICRO_MAX ? USAGE_MICRO_MAX : sum);
      }
    }
  }

  report(): Usage {
    return {
      $typeName: "holdfast.v1.Usage",
      counts: Array.from(this.#counts, ([name, amountMicro]) => ({
        $typeName: "holdfast.v1.UsageCount",
        name,
        amountMicro,
      })),
      uncounted: this.#uncounted,
    };
  }
}

function checkedName(name: string): string {
  if (isName(name)) return name;
  throw new ActionError(
    "HANDLER_BUG",
    `ctx.usage can't count under ${JSON.stringify(name)}: use names of 1 to 64 of A-Z a-z 0-9 _ -`,
  );
}

/** Rounded to the nearest millionth. */
function microOf(name: string, amount: unknown): bigint {
  if (typeof amount !== "number" || !(amount >= 0 && amount <= AMOUNT_MAX)) {
    throw new ActionError(
      "HANDLER_BUG",
      `ctx.usage can't count ${typeof amount === "number" ? amount : `a ${typeof amount}`} as ${name}: give a number from 0 to ${AMOUNT_MAX}`,
    );
  }
  const whole = Math.floor(amount);
  return BigInt(whole) * BigInt(MICRO) + BigInt(Math.round((amount - whole) * MICRO));
}
