/** Port: time for liveness and batching. Never for deciding anything about state: that is the log's time. */
export interface Clock {
  /** Unix milliseconds. */
  nowMs(): number;
  /** Milliseconds that never run backwards. */
  monotonicMs(): number;
  /** Calls back once; returns what cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
