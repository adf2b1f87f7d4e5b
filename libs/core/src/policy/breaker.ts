/** The policy of a circuit breaker: its defaults, what an ended attempt says of the dependency, and how long it stays open. */
import { type Breaker, FailureMode, OnOpen } from "@holdfast/proto";
import { isKnownMode, modeName, traitsOf } from "../failure/modes.js";
import {
  BREAKER_OPEN_MS_MAX,
  BREAKER_PROBES_MAX,
  BREAKER_SAMPLES_MAX,
  BREAKER_WINDOW_MS_MAX,
} from "../limits.js";
import { isPointer } from "../text.js";

export interface ResolvedBreaker {
  readonly failureRateBp: number;
  readonly minSamples: number;
  readonly windowMs: number;
  readonly openForMs: number;
  readonly factorMilli: number;
  readonly maxOpenForMs: number;
  readonly probes: number;
  readonly onOpen: OnOpen;
  /** "": one breaker for the action. */
  readonly key: string;
  /** Each item has a key of its own: what stands there in it ("": the item itself). */
  readonly itemKey: string | undefined;
  readonly modes: readonly FailureMode[];
  readonly definition: Breaker;
}

const MODES = [
  FailureMode.TIMEOUT,
  FailureMode.NETWORK,
  FailureMode.RATE_LIMITED,
  FailureMode.UNAVAILABLE,
] as const;

export function resolveBreaker(breaker: Breaker | undefined): ResolvedBreaker | undefined {
  if (breaker === undefined) return undefined;
  const firstMs = breaker.openForMs || 30_000;
  return {
    failureRateBp: breaker.failureRateBp || 5_000,
    minSamples: breaker.minSamples || 20,
    windowMs: breaker.windowMs || 60_000,
    openForMs: firstMs,
    factorMilli: breaker.factorMilli || 2_000,
    maxOpenForMs: Math.max(breaker.maxOpenForMs || 600_000, firstMs),
    probes: breaker.probes || 3,
    onOpen: breaker.onOpen,
    key: breaker.key,
    itemKey: breaker.itemKey,
    modes: breaker.modes.length === 0 ? MODES : breaker.modes,
    definition: breaker,
  };
}

/** How long it stays open when it opens for the `opened`th time in a row. */
export function openForMs(policy: ResolvedBreaker, opened: number): number {
  let ms = policy.openForMs;
  for (let i = 1; i < opened && ms < policy.maxOpenForMs; i++)
    ms = Math.floor((ms * policy.factorMilli) / 1000);
  return Math.min(ms, policy.maxOpenForMs);
}

/** What the end of an attempt says of the dependency; "nothing" where it may not even have been asked. */
export type Sign = "good" | "bad" | "nothing";

/** The dependency has answered, or part of the work was done. */
const ANSWERED: ReadonlySet<FailureMode> = new Set([
  FailureMode.VALIDATION,
  FailureMode.NOT_FOUND,
  FailureMode.PERMISSION,
  FailureMode.CONFLICT,
  FailureMode.PARTIAL_STEP_FAILURES,
  FailureMode.PARTIAL_TOOL_FAILURES,
]);

export function signOf(policy: ResolvedBreaker, mode: FailureMode): Sign {
  if (policy.modes.includes(mode)) return "bad";
  return ANSWERED.has(mode) ? "good" : "nothing";
}

/** Sentences that say what is wrong. */
export function breakerProblems(breaker: Breaker): string[] {
  const problems: string[] = [];
  const whole = (what: string, value: number, max: number): void => {
    if (!Number.isInteger(value) || value < 0 || value > max)
      problems.push(`breaker.${what} is ${value}: it must be a whole number from 0 to ${max}`);
  };
  whole("failure_rate_bp", breaker.failureRateBp, 10_000);
  whole("min_samples", breaker.minSamples, BREAKER_SAMPLES_MAX);
  whole("window_ms", breaker.windowMs, BREAKER_WINDOW_MS_MAX);
  whole("open_for_ms", breaker.openForMs, BREAKER_OPEN_MS_MAX);
  whole("max_open_for_ms", breaker.maxOpenForMs, BREAKER_OPEN_MS_MAX);
  whole("probes", breaker.probes, BREAKER_PROBES_MAX);
  whole("factor_milli", breaker.factorMilli, 100_000);
  if (breaker.factorMilli > 0 && breaker.factorMilli < 1_000)
    problems.push("breaker.factor_milli is below 1000: a breaker that opens again stays open no shorter");
  if (breaker.windowMs > 0 && breaker.windowMs < 10)
    problems.push("breaker.window_ms is below 10: it can't be cut into buckets");
  if (OnOpen[breaker.onOpen] === undefined)
    problems.push(`breaker.on_open: this version knows no ${breaker.onOpen}`);
  if (!isPointer(breaker.key))
    problems.push(`breaker.key ${JSON.stringify(breaker.key)} is no JSON pointer: use "/customer/region"`);
  if (breaker.itemKey !== undefined && !isPointer(breaker.itemKey))
    problems.push(`breaker.item_key ${JSON.stringify(breaker.itemKey)} is no JSON pointer: use "/host"`);
  if (breaker.itemKey !== undefined && breaker.key !== "")
    problems.push(
      "breaker.key and breaker.item_key: a breaker is taken from the run's input or from the item, so leave one of them out",
    );
  for (const mode of breaker.modes) {
    if (!isKnownMode(mode)) problems.push(`breaker.modes: this version knows no failure mode ${mode}`);
    else if (!traitsOf(mode).retryable || ANSWERED.has(mode))
      problems.push(
        `breaker.modes: ${modeName(mode)} says nothing against a dependency: leave it out (use TIMEOUT, NETWORK, RATE_LIMITED, UNAVAILABLE)`,
      );
  }
  return problems;
}
