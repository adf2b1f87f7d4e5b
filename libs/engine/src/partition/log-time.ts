/**
 * What time it is in a partition's log, as far as its entries tell, without this machine's wall clock.
 *
 * 1. An entry that is folded now was stored before now: log time less this node's running time is a lower bound of what lies between the
 *    two, and the highest of the last minutes is close to it. So the estimate is never early, and late by no more than an entry takes.
 * 2. Steps of this machine's clock change nothing. A step of the log's own clock is followed within two windows.
 * 3. To be asked by an owner alone: its own announcement is an entry of just now. What is read from long ago tells nothing of now.
 */
import type { Clock } from "../ports/clock.js";

const WINDOW_MS = 60_000;
const NS_A_MS = 1e6;
const UNKNOWN = Number.NEGATIVE_INFINITY;

export class LogTime {
  /** The highest of this window, and of the one before. */
  private aheadMs = UNKNOWN;
  private beforeMs = UNKNOWN;
  private windowMs = UNKNOWN;

  constructor(
    private readonly clock: Clock,
    /** The time of the fold: never below any entry's. */
    private readonly foldedNs: () => bigint,
  ) {}

  /** An entry has arrived that the log stored at this time. */
  saw(atNs: bigint): void {
    const nowMs = this.clock.monotonicMs();
    const aheadMs = Number(atNs) / NS_A_MS - nowMs;
    if (nowMs - this.windowMs >= WINDOW_MS) {
      this.windowMs = nowMs;
      this.beforeMs = this.aheadMs;
      this.aheadMs = UNKNOWN;
    }
    if (aheadMs > this.aheadMs) this.aheadMs = aheadMs;
  }

  /** Unix milliseconds. */
  nowMs(): number {
    const aheadMs = Math.max(this.aheadMs, this.beforeMs);
    if (aheadMs === UNKNOWN) return this.clock.nowMs();
    return Math.max(aheadMs + this.clock.monotonicMs(), Number(this.foldedNs()) / NS_A_MS);
  }

  nowNs(): bigint {
    return BigInt(Math.floor(this.nowMs())) * BigInt(NS_A_MS);
  }

  /** By how much the log's clock is ahead of this machine's wall clock, in milliseconds, but for what entries take. */
  get offsetMs(): number {
    return this.nowMs() - this.clock.nowMs();
  }
}
