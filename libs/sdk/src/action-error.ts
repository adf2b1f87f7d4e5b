/** What a handler throws to say of what kind its failure is. Read by the core's classifier through its properties alone. */
import type { FailureMode } from "@holdfast/proto";
import { askedMs, type Duration } from "./duration.js";

/** A failure mode by its name, such as `"VALIDATION"`. */
export type FailureModeName = Exclude<keyof typeof FailureMode, "UNSPECIFIED">;

export interface ActionErrorOptions {
  readonly cause?: unknown;
  /** The dependency asked for at least this long a pause before the next attempt, up to ten years. What is no pause is none. */
  readonly retryAfter?: Duration;
  /** The dependency's own code, kept with the failure. */
  readonly code?: string;
}

/**
 * Ends an attempt with a failure of that mode. The mode decides whether the retry policy applies (`TIMEOUT`, `NETWORK`,
 * `RATE_LIMITED`, `UNAVAILABLE`…) or not (`VALIDATION`, `NOT_FOUND`, `PERMISSION`, `CONFLICT`…).
 *
 * Made while something is wrong already, so it never throws, whatever it is given: a mistake here must not stand in the failure's place.
 */
export class ActionError extends Error {
  override readonly name = "ActionError";
  readonly holdfastMode: FailureModeName;
  readonly retryAfterMs: number | undefined;
  readonly code: string | undefined;

  constructor(mode: FailureModeName, message: string, options: ActionErrorOptions = {}) {
    super(textOf(message));
    const given = readable(options);
    if (given.cause !== undefined)
      Object.defineProperty(this, "cause", { value: given.cause, writable: true, configurable: true });
    // A mode that does not exist is told with the failure, which is then the handler's bug.
    this.holdfastMode = textOf(mode) as FailureModeName;
    this.retryAfterMs = askedMs(given.retryAfter);
    this.code = given.code === undefined ? undefined : textOf(given.code);
  }
}

function textOf(given: unknown): string {
  try {
    return String(given);
  } catch {
    return `something that is no text (${typeof given})`;
  }
}

/** The options that can be read. */
function readable(options: unknown): { cause?: unknown; retryAfter?: unknown; code?: unknown } {
  try {
    const { cause, retryAfter, code } = options as ActionErrorOptions;
    return { cause, retryAfter, code };
  } catch {
    return {};
  }
}
