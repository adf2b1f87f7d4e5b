/**
 * From what a handler threw to the failure that its report carries. Never throws.
 *
 * 1. The worker's own errors (a value that is no JSON, a store that is away) have a mode of their own.
 * 2. Then `classify` of the workflow, else of the worker, has the word; where it says nothing, or nothing of use, the core's classifier decides.
 */
import { classifyFailure, modeNamed, RETRY_AFTER_LIMIT_MS } from "@holdfast/core";
import { PayloadError, PortError } from "@holdfast/engine";
import { type Failure, FailureMode, FailureSchema, Source } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { Logger } from "@holdfast/telemetry";
import type { Classify } from "../workflow/options.js";

/** Whose `classify` are asked, in their order. */
export interface Classifiers {
  readonly classifiers: readonly Classify[];
  readonly logger: Logger;
}

export const classifiersOf = (given: readonly (Classify | undefined)[], logger: Logger): Classifiers => ({
  classifiers: given.filter((classify) => classify !== undefined),
  logger,
});

export function failureOf(thrown: unknown, by: Classifiers): Failure {
  const { mode, retryAfterMs, classifiedBy, ...said } = classifyFailure(thrown);
  const known = ownMode(thrown);
  const asked = known === undefined && by.classifiers.length > 0 ? askedMode(thrown, by) : undefined;
  return init(FailureSchema, {
    ...said,
    source: Source.WORKER,
    mode: known ?? asked ?? mode,
    classifiedBy: known !== undefined ? "type" : asked !== undefined ? "classify" : classifiedBy,
    retryAfterMs: Math.min(retryAfterMs, RETRY_AFTER_LIMIT_MS),
    retryPauseMs: retryAfterMs > RETRY_AFTER_LIMIT_MS ? BigInt(retryAfterMs) : 0n,
  });
}

/** What a handler returns that can't be JSON, or is too large, is its own mistake. */
function ownMode(thrown: unknown): FailureMode | undefined {
  try {
    if (thrown instanceof PortError) return FailureMode.HANDLER_BUG;
    if (!(thrown instanceof PayloadError)) return undefined;
    return thrown.code === "unavailable" ? FailureMode.UNAVAILABLE : FailureMode.HANDLER_BUG;
  } catch {
    // What was thrown can't even be looked at.
    return undefined;
  }
}

function askedMode(thrown: unknown, { classifiers, logger }: Classifiers): FailureMode | undefined {
  for (const classify of classifiers) {
    try {
      const named: unknown = classify(thrown);
      if (named === undefined || named === null) continue;
      const mode = typeof named === "string" ? modeNamed(named) : undefined;
      if (mode !== undefined) return mode;
      logger.error("classify answered with what is no failure mode; it is passed over", {
        answer: typeof named === "string" ? named : typeof named,
      });
    } catch (err) {
      logger.error("classify threw; it is passed over", { err });
    }
  }
  return undefined;
}
