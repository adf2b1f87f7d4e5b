/**
 * Sums of what handlers spent, in millionths, so that they are exact and the same in whatever order they are made.
 *
 * 1. Amounts are never negative and stop at the most that the record holds: no sum goes down, and none overflows.
 * 2. A run counts at most USAGE_NAMES_MAX names; names with a budget always find room. What is left out is counted as left out.
 */
import { type Usage, type UsageCount, UsageCountSchema, UsageSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { USAGE_MICRO_MAX, USAGE_NAMES_MAX } from "../limits.js";
import { isName } from "../names.js";

const MICRO = 1_000_000n;
const UNCOUNTED_MAX = 0xffff_ffff;

export const usedOf = (counts: readonly UsageCount[], name: string): bigint =>
  counts.find((count) => count.name === name)?.amountMicro ?? 0n;

/** What of a report can be counted: amounts above 0 under valid names, at most so many. The rest is `uncounted`. */
export function checkedUsage(usage: Usage | undefined): Usage | undefined {
  if (usage === undefined) return undefined;
  const checked = init(UsageSchema, { uncounted: Math.min(usage.uncounted, UNCOUNTED_MAX) });
  for (const { name, amountMicro } of usage.counts) {
    if (amountMicro === 0n) continue;
    if (amountMicro < 0n || !isName(name) || !hasRoom(checked, name, NO_NAMES)) leaveOut(checked, 1);
    else add(checked, name, amountMicro);
  }
  return checked;
}

/** Splits off what a run has no more names for; `reserved` names always find room. */
export function admitted(usage: Usage, total: Usage, reserved: readonly string[]): Usage {
  const taken = init(UsageSchema, { uncounted: usage.uncounted });
  const names = init(UsageSchema, { counts: [...total.counts] });
  for (const { name, amountMicro } of usage.counts) {
    if (!hasRoom(names, name, reserved)) leaveOut(taken, 1);
    else {
      add(taken, name, amountMicro);
      if (!names.counts.some((count) => count.name === name))
        names.counts.push(init(UsageCountSchema, { name, amountMicro }));
    }
  }
  return taken;
}

/** Sums are added to in place: what is kept elsewhere needs its own. */
export const copyUsage = ({ counts, uncounted }: Usage): Usage =>
  init(UsageSchema, { counts: counts.map((count) => init(UsageCountSchema, { ...count })), uncounted });

/** What a sum has grown by since it was `before`. */
export function usageSince(total: Usage, before: Usage): Usage {
  const counts = total.counts.map(({ name, amountMicro }) => {
    const grown = amountMicro - usedOf(before.counts, name);
    return init(UsageCountSchema, { name, amountMicro: grown > 0n ? grown : 0n });
  });
  return init(UsageSchema, { counts, uncounted: Math.max(0, total.uncounted - before.uncounted) });
}

/** Adds one sum to another, in place. */
export function addUsage(total: Usage, usage: Usage): void {
  leaveOut(total, usage.uncounted);
  for (const { name, amountMicro } of usage.counts) add(total, name, amountMicro);
}

const NO_NAMES: readonly string[] = [];

function hasRoom({ counts }: Usage, name: string, reserved: readonly string[]): boolean {
  if (counts.some((count) => count.name === name) || reserved.includes(name)) return true;
  const kept = reserved.filter((other) => !counts.some((count) => count.name === other));
  return counts.length + kept.length < USAGE_NAMES_MAX;
}

function leaveOut(usage: Usage, amounts: number): void {
  usage.uncounted = Math.min(usage.uncounted + amounts, UNCOUNTED_MAX);
}

function add(usage: Usage, name: string, amountMicro: bigint): void {
  let count = usage.counts.find((known) => known.name === name);
  if (count === undefined) {
    count = init(UsageCountSchema, { name });
    usage.counts.push(count);
  }
  const sum = count.amountMicro + amountMicro;
  count.amountMicro = sum > USAGE_MICRO_MAX ? USAGE_MICRO_MAX : sum;
}

/** Millionths as people write them: `0.0031`, `120`. */
export function microText(micro: bigint): string {
  const whole = micro / MICRO;
  const rest = (micro % MICRO).toString().padStart(6, "0").replace(/0+$/, "");
  return rest === "" ? `${whole}` : `${whole}.${rest}`;
}

/** `tokens 120, cost_usd 0.0031`, and how much was left out. */
export function usageText({ counts, uncounted }: Usage): string {
  const parts = counts.map(({ name, amountMicro }) => `${name} ${microText(amountMicro)}`);
  if (uncounted > 0)
    parts.push(
      `${uncounted} further amounts not counted: a run counts at most ${USAGE_NAMES_MAX} names, each of 1 to 64 of A-Z a-z 0-9 _ -`,
    );
  return parts.join(", ");
}
