/** A circuit breaker as users declare it, made into what the definition carries. */
import { type Breaker, BreakerSchema, OnOpen } from "@holdfast/proto";
import { modeNamed } from "@holdfast/core";
import { init } from "@holdfast/proto/codec";
import type { FailureModeName } from "../action-error.js";
import { type Duration, durationMs } from "../duration.js";
import { HoldfastError } from "../errors.js";

export interface BreakerOptions {
  /** Opens where this part of the attempts that ended in the window failed, above 0 and at most 1; default 0.5. */
  readonly failureRate?: number;
  /** ... and at least so many ended; default 20. Of an external batch its submits and jobs count, not its items. */
  readonly minSamples?: number;
  /** How far back attempts count; default 1 minute. */
  readonly window?: Duration;
  /** How long it stays open the first time; default 30 seconds. */
  readonly openFor?: Duration;
  /** Each time that it opens again without having closed, so many times longer; default 2. */
  readonly factor?: number;
  /** The longest that it stays open; default 10 minutes. */
  readonly maxOpenFor?: Duration;
  /** Attempts let out to see whether the dependency answers again; default 3. */
  readonly probes?: number;
  /** What becomes of an attempt that would begin while it is open: `hold` (default) makes it later. */
  readonly onOpen?: "hold" | "fail" | "skip";
  /** A place in the run's input, as a dotted path or JSON pointer: each value there has a breaker of its own. */
  readonly key?: string;
  /** Failures that are the dependency's; default TIMEOUT, NETWORK, RATE_LIMITED, UNAVAILABLE. */
  readonly modes?: readonly FailureModeName[];
}

/** Of an action over items. */
export interface ItemBreakerOptions<Key extends string = string> extends BreakerOptions {
  /**
   * Instead of `key`: a place in the item, as a dotted path or JSON pointer, `""` for the item itself. Items of one value are counted and
   * held by themselves; those of others go on.
   */
  readonly itemKey?: Key;
}

const ON_OPEN: Readonly<Record<string, OnOpen>> = {
  hold: OnOpen.UNSPECIFIED,
  fail: OnOpen.FAIL,
  skip: OnOpen.SKIP,
};

/** Throws `INVALID_DEFINITION` or `INVALID_ARGUMENT`, naming what is wrong. `pointer`: a path as a JSON pointer. */
export function breaker(name: string, given: ItemBreakerOptions, pointer: (path: string) => string): Breaker {
  const what = (part: string): string => `breaker.${part} of action ${name}`;
  const { failureRate, factor, onOpen = "hold" } = given;
  if (failureRate !== undefined && !(failureRate > 0 && failureRate <= 1))
    throw invalid(`${what("failureRate")} is ${failureRate}: give more than 0 and at most 1`);
  if (factor !== undefined && !(factor >= 1 && factor <= 100))
    throw invalid(`${what("factor")} is ${factor}: give 1 to 100`);
  const mode = Object.hasOwn(ON_OPEN, onOpen) ? ON_OPEN[onOpen] : undefined;
  if (mode === undefined)
    throw invalid(`${what("onOpen")} is ${JSON.stringify(onOpen)}: use hold, fail or skip`);
  return init(BreakerSchema, {
    failureRateBp: failureRate === undefined ? 0 : Math.max(1, Math.round(failureRate * 10_000)),
    minSamples: whole(given.minSamples, what("minSamples")),
    windowMs: span(given.window, what("window")),
    openForMs: span(given.openFor, what("openFor")),
    factorMilli: factor === undefined ? 0 : Math.round(factor * 1_000),
    maxOpenForMs: span(given.maxOpenFor, what("maxOpenFor")),
    probes: whole(given.probes, what("probes")),
    onOpen: mode,
    key: pointer(given.key ?? ""),
    itemKey: given.itemKey === undefined ? undefined : pointer(given.itemKey),
    modes: (given.modes ?? []).map((named) => {
      const found = modeNamed(named);
      if (found === undefined)
        throw invalid(`${what("modes")} names ${JSON.stringify(named)}, which does not exist`);
      return found;
    }),
  });
}

function whole(given: number | undefined, what: string): number {
  if (given !== undefined && !(Number.isInteger(given) && given >= 1))
    throw invalid(`${what} is ${given}: give a whole number of at least 1`);
  return given ?? 0;
}

function span(given: Duration | undefined, what: string): number {
  const ms = given === undefined ? 0 : durationMs(given, what);
  if (given !== undefined && ms < 1) throw invalid(`${what} is ${JSON.stringify(given)}: give more than 0`);
  return ms;
}

const invalid = (message: string): HoldfastError => new HoldfastError("INVALID_DEFINITION", message);
