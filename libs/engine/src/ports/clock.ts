/**
 * Port: time for liveness and batching. Never for deciding anything about state: that is the log's time.
 *
 * 1. The wall clock may be stepped at any moment, in either direction: what waits, waits by running time.
 * 2. Any span may be waited for, be it longer than a timer of the platform holds.
 */
export interface Clock {
  /** Unix milliseconds. */
  nowMs(): number;
  /** Milliseconds that never run backwards. */
  monotonicMs(): number;
  /** Calls back once; returns what cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}

/** A timer of the platform with a longer delay fires at once. */
export const TIMER_MAX_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    if (delayMs > TIMER_MAX_MS) return afterLong(delayMs, callback);
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

function afterLong(delayMs: number, callback: () => void): () => void {
  const endMs = performance.now() + delayMs;
  let timer: ReturnType<typeof setTimeout>;
  const go = (): void => {
    const leftMs = endMs - performance.now();
    if (leftMs <= 0) callback();
    else timer = setTimeout(go, Math.min(leftMs, TIMER_MAX_MS));
  };
  go();
  return () => clearTimeout(timer);
}
