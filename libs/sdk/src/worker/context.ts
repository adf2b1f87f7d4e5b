/** What a handler is given beside its arguments. Types and contract; `TaskContext` is what workers make. */
import type { Logger } from "@holdfast/telemetry";
import type { NoEffect, Skip } from "../workflow/types.js";

export interface ActionContext {
  readonly runId: string;
  readonly workflow: string;
  readonly action: string;
  /** From 1; counts on through retries. */
  readonly attempt: number;
  /** Attempts that the retry policy still allows after this one. */
  readonly attemptsLeft: number;
  /** The same for every attempt of this action (and item) of this run: give it to dependencies that know such keys. */
  readonly idempotencyKey: string;
  /** W3C trace context of the run; empty: none. */
  readonly traceparent: string;
  /** Lines carry run, action, item, attempt and trace. */
  readonly log: Logger;
  /** Aborts when the run is cancelled, the attempt's time is over, or the worker shuts down. Hand it to what you wait for. */
  readonly signal: AbortSignal;
  /**
   * Runs a named part of the handler and gives its result. A failure names the step it happened in, and steps are logged at
   * debug level. Results are NOT checkpointed yet: a later attempt runs every step again, so steps must be safe to repeat.
   */
  step<T>(name: string, run: () => T | Promise<T>): Promise<T>;
  /** Return it where the handler rightly did nothing: the run is then no silent no-op. */
  noEffect(reason: string): NoEffect;
}

export interface ItemContext<Input = unknown> extends ActionContext {
  readonly index: number;
  /** The run's input, fetched when it is first asked for. Shared with other handlers, so frozen. */
  runInput(): Promise<Input>;
  /** Return it to filter this item out: it counts as skipped, and flows no further. */
  skip(reason: string): Skip;
}
