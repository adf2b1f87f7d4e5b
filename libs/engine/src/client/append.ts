/**
 * One append to the log, tried until its outcome is known.
 *
 * Every try sends the same bytes, so a try whose outcome was unknown is harmless: the fold counts what they hold once.
 * It never looks into the bytes and never reorders: a caller that needs an order waits for one append before the next.
 */
import type { Clock } from "../ports/clock.js";
import type { CommandLog } from "../ports/command-log.js";
import { PortError } from "../ports/errors.js";
import type { ClientLimits } from "./limits.js";

export interface AppendDeps {
  readonly log: CommandLog;
  readonly clock: Clock;
  readonly limits: ClientLimits;
  /** Counts the tries beyond the first. */
  onRetry?(error: PortError): void;
}

/**
 * Resolves with the entry's sequence once it is durable. Rejects with the log's last `PortError` when trying again
 * would not help, when the log is full (unless the caller waits for ever: a log gets room by a person's hand), when
 * `appendDeadlineMs` is over, or when `signal` aborts; after the latter three `retry` says whether it may have been stored.
 */
export async function appendUntilKnown(
  deps: AppendDeps,
  partition: number,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<number> {
  const { log, clock, limits } = deps;
  const startedMs = clock.monotonicMs();
  let backoffMs = limits.appendBackoffMs;
  let maybeStored = false;
  for (;;) {
    try {
      return await log.append(partition, bytes);
    } catch (thrown) {
      const error = asPortError(thrown, partition);
      if (error.retry === "never") throw error;
      maybeStored ||= error.retry === "unknown-outcome";
      const waitsForRoom = limits.appendDeadlineMs === Number.POSITIVE_INFINITY;
      if (error.code === "full" && !waitsForRoom) throw maybeStored ? maybeBefore(error, partition) : error;
      const over = clock.monotonicMs() - startedMs + backoffMs > limits.appendDeadlineMs;
      if (over || signal.aborted) throw gaveUp(error, partition, maybeStored, signal.aborted);
      deps.onRetry?.(error);
      await pause(clock, backoffMs, signal);
      if (signal.aborted) throw gaveUp(error, partition, maybeStored, true);
      backoffMs = Math.min(backoffMs * 2, limits.appendBackoffMsMax);
    }
  }
}

/** Adapters promise `PortError`s; anything else is a defect of theirs, told as one. */
function asPortError(thrown: unknown, partition: number): PortError {
  if (thrown instanceof PortError) return thrown;
  return new PortError(
    "io",
    `the log of partition ${partition} failed in a way its adapter does not name; see the cause`,
    { partition },
    { cause: thrown },
  );
}

/** This try was refused, one before it may have been stored. */
function maybeBefore(full: PortError, partition: number): PortError {
  return new PortError(
    "unknown-outcome",
    `${full.message}; an earlier try of the same entry may be stored all the same: sending it again under the same id is safe`,
    { ...full.details, partition },
    { cause: full },
  );
}

function gaveUp(last: PortError, partition: number, maybeStored: boolean, aborted: boolean): PortError {
  const why = aborted ? "the client was closed" : "the time for it is over";
  const known = maybeStored
    ? "it may be stored all the same: sending it again under the same id is safe"
    : "it is certainly not stored: send it again";
  return new PortError(
    maybeStored ? "unknown-outcome" : last.code,
    `the log of partition ${partition} has not confirmed an entry and ${why}; ${known} (last error: ${last.message})`,
    { ...last.details, partition },
    { cause: last },
  );
}

function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.after(delayMs, done);
    signal.addEventListener("abort", done);
  });
}
