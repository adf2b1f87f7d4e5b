/**
 * The retry policy: whether another attempt is made, and after how long. Deterministic: jitter comes from what is retried.
 */
import type { Failure, FailureMode, RetryPolicy } from "@holdfast/proto";
import { traitsOf } from "../failure/modes.js";
import { fnv1a, mix32 } from "../names.js";

export interface ResolvedRetry {
  readonly maxAttempts: number;
  readonly initialBackoffMs: number;
  readonly factorMilli: number;
  readonly maxBackoffMs: number;
  readonly jitterMilli: number;
  readonly retryOn: readonly number[];
  readonly neverOn: readonly number[];
}

export const DEFAULT_RETRY: ResolvedRetry = {
  maxAttempts: 3,
  initialBackoffMs: 500,
  factorMilli: 2000,
  maxBackoffMs: 60_000,
  jitterMilli: 200,
  retryOn: [],
  neverOn: [],
};

/** The longest pause that `retry_after_ms` asks for; a longer one stands in `retry_pause_ms`. */
export const RETRY_AFTER_LIMIT_MS = 24 * 3600 * 1000;
/** Ten years: the longest pause of all. */
const RETRY_PAUSE_LIMIT_MS = 315_360_000_000n;

/** The pause that a dependency asked for, in milliseconds. */
export function askedPauseMs({
  retryAfterMs,
  retryPauseMs,
}: Pick<Failure, "retryAfterMs" | "retryPauseMs">): number {
  const short = Math.min(retryAfterMs, RETRY_AFTER_LIMIT_MS);
  if (retryPauseMs === 0n) return short;
  return Math.max(short, Number(retryPauseMs > RETRY_PAUSE_LIMIT_MS ? RETRY_PAUSE_LIMIT_MS : retryPauseMs));
}

export function resolveRetry(policy: RetryPolicy | undefined): ResolvedRetry {
  if (policy === undefined) return DEFAULT_RETRY;
  const initialBackoffMs = policy.initialBackoffMs || DEFAULT_RETRY.initialBackoffMs;
  return {
    maxAttempts: policy.maxAttempts || DEFAULT_RETRY.maxAttempts,
    initialBackoffMs,
    factorMilli: policy.factorMilli || DEFAULT_RETRY.factorMilli,
    maxBackoffMs: Math.max(policy.maxBackoffMs || DEFAULT_RETRY.maxBackoffMs, initialBackoffMs),
    jitterMilli: policy.jitterMilli ?? DEFAULT_RETRY.jitterMilli,
    retryOn: policy.retryOn,
    neverOn: policy.neverOn,
  };
}

/**
 * The pause before the attempt after number `attempt` (from 1), in whole milliseconds:
 * `min(max, initial × factor^(attempt − 1))`, moved by at most ± jitter. `key` names what is retried.
 */
export function backoffMs(policy: ResolvedRetry, attempt: number, key: string): number {
  let pause = policy.initialBackoffMs;
  for (let i = 1; i < attempt && pause < policy.maxBackoffMs; i++) {
    const longer = Math.floor((pause * policy.factorMilli) / 1000);
    if (longer <= pause) break;
    pause = longer;
  }
  pause = Math.min(pause, policy.maxBackoffMs);
  const span = Math.floor((pause * policy.jitterMilli) / 1000);
  if (span === 0) return pause;
  const hash = mix32(fnv1a(`${key}#${attempt}`));
  return pause - span + (hash % (2 * span + 1));
}

export interface RetryQuestion {
  readonly mode: FailureMode;
  /** Attempts made in this generation, the failed one included. */
  readonly attempts: number;
  /** At least so long, where the dependency asked for it. */
  readonly pauseMs: number;
  /** Names the run, action and item. */
  readonly key: string;
}

/** Milliseconds to wait before the next attempt, or undefined where there is none. */
export function nextAttemptInMs(policy: ResolvedRetry, question: RetryQuestion): number | undefined {
  const { mode, attempts, pauseMs, key } = question;
  if (attempts >= policy.maxAttempts) return undefined;
  const traits = traitsOf(mode);
  if (traits.terminal || policy.neverOn.includes(mode)) return undefined;
  const wanted = policy.retryOn.length > 0 ? policy.retryOn.includes(mode) : traits.retryable;
  if (!wanted) return undefined;
  return Math.max(backoffMs(policy, attempts, key), pauseMs);
}
