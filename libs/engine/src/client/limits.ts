/** Every bound of the client side, with its default. Nothing in this folder queues, waits or retries beyond these. */

export interface ClientLimits {
  /** Commands in one log entry. */
  readonly maxBatchCommands: number;
  /** Bytes of one log entry that holds several commands; a larger single command travels alone. */
  readonly maxBatchBytes: number;
  /** Appends of one partition under way at once. */
  readonly maxInFlight: number;
  /** Commands that are not durable yet; beyond it callers wait. */
  readonly maxQueued: number;
  /** Bytes that are not durable yet; beyond it callers wait. */
  readonly maxQueuedBytes: number;
  /** Commands whose outcome is awaited; beyond it callers wait. */
  readonly maxAwaited: number;
  /** Callers that wait for room; beyond it a command fails with `full`. */
  readonly maxWaiting: number;
  /** Runs whose end is listened for; beyond it the oldest is let go, and its end has to be asked for. */
  readonly maxEndsAwaited: number;
  /** An append is tried again until this long after its first try; `Infinity`: until the client closes. */
  readonly appendDeadlineMs: number;
  /** First pause between tries of an append; doubles up to `appendBackoffMsMax`. */
  readonly appendBackoffMs: number;
  readonly appendBackoffMsMax: number;
  /** A stored command without an outcome is sent again after this long; doubles with each time. */
  readonly resendAfterMs: number;
  /** The outcome of a stored command is given up this long after it was first stored. */
  readonly outcomeDeadlineMs: number;
  /** How often overdue outcomes are looked for. */
  readonly sweepMs: number;
}

export const DEFAULT_CLIENT_LIMITS: ClientLimits = {
  maxBatchCommands: 4_000,
  maxBatchBytes: 512 * 1024,
  maxInFlight: 2,
  maxQueued: 50_000,
  maxQueuedBytes: 64 * 1024 * 1024,
  maxAwaited: 50_000,
  maxWaiting: 200_000,
  maxEndsAwaited: 200_000,
  appendDeadlineMs: 30_000,
  appendBackoffMs: 50,
  appendBackoffMsMax: 2_000,
  resendAfterMs: 2_000,
  outcomeDeadlineMs: 30_000,
  sweepMs: 250,
};
