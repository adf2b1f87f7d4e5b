/** Every bound of a worker, with its default. */

export interface WorkerLimits {
  /** How often a worker says that it is there. Nodes give a silent one up after 10 s. */
  readonly beatMs: number;
  /** No more often than this it says so early, because a batch was lost or its capacity changed. */
  readonly earlyBeatMs: number;
  /** Tasks it holds at most: waiting, running, or not reported yet. Batches beyond are refused, and come again. */
  readonly maxHeld: number;
  /** Reports that the log has not taken yet; beyond it no task is begun. */
  readonly maxUnreported: number;
  /** Attempts remembered after their report, so that a task that is sent again is not run again. */
  readonly maxRemembered: number;
  /** Nodes whose batches are counted at once. */
  readonly maxNodes: number;
  /** Batches of one node received beyond a lost one. */
  readonly maxAhead: number;
  /** Run inputs kept for the handlers of items. */
  readonly maxInputs: number;
  /** What a worker announces at most, for each queue, however fast it is. */
  readonly maxCapacity: number;
  /** It announces as much as it gets done in this time, so that it need not wait for more. */
  readonly lookAheadMs: number;
  /** How often overdue attempts are looked for. */
  readonly sweepMs: number;
  /** What a handler has after its run was cancelled, before its attempt is given up. */
  readonly cancelGraceMs: number;
  /** A report that the log refused for good is tried again after this long. */
  readonly reportAgainMs: number;
}

export const DEFAULT_WORKER_LIMITS: WorkerLimits = {
  beatMs: 2_000,
  earlyBeatMs: 100,
  maxHeld: 8_192,
  maxUnreported: 8_192,
  maxRemembered: 20_000,
  maxNodes: 256,
  maxAhead: 1_024,
  maxInputs: 64,
  maxCapacity: 2_048,
  lookAheadMs: 50,
  sweepMs: 20,
  cancelGraceMs: 5_000,
  reportAgainMs: 1_000,
};
