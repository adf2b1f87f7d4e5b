/** What a handler throws to say of what kind its failure is. Read by the core's classifier through its properties alone. */
import type { FailureMode } from "@holdfast/proto";
import { type Duration, durationMs } from "./duration.js";

/** A failure mode by its name, such as `"VALIDATION"`. */
export type FailureModeName = Exclude<keyof typeof FailureMode, "UNSPECIFIED">;

export interface ActionErrorOptions {
  readonly cause?: unknown;
  /** The dependency asked for at least this long a pause before the next attempt. */
  readonly retryAfter?: Duration;
  /** The dependency's own code, kept with the failure. */
  readonly code?: string;
}

/**
 * Ends an attempt with a failure of that mode. The mode decides whether the retry policy applies (`TIMEOUT`, `NETWORK`,
 * `RATE_LIMITED`, `UNAVAILABLE`…) or not (`VALIDATION`, `NOT_FOUND`, `PERMISSION`, `CONFLICT`…).
 */
export class ActionError extends Error {
  override readonly name = "ActionError";
  readonly holdfastMode: FailureModeName;
  readonly retryAfterMs: number | undefined;
  readonly code: string | undefined;

  constructor(mode: FailureModeName, message: string, options: ActionErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.holdfastMode = mode;
    this.retryAfterMs =
      options.retryAfter === undefined ? undefined : durationMs(options.retryAfter, "retryAfter");
    this.code = options.code;
  }
}
