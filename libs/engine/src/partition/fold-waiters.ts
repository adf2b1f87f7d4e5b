/** Who waits for an entry of the log to be folded. */
import type { Clock } from "../ports/clock.js";

interface Waiter {
  readonly seq: number;
  readonly resolve: () => void;
}

export class FoldWaiters {
  private readonly waiters = new Set<Waiter>();

  constructor(
    private readonly clock: Clock,
    /** The last sequence that was folded. */
    private readonly applied: () => number,
  ) {}

  /** Resolves once `seq` has been folded. */
  until(seq: number): Promise<void> {
    if (this.applied() >= seq) return Promise.resolve();
    return new Promise((resolve) => this.waiters.add({ seq, resolve }));
  }

  /** Whether `seq` is folded within `ms`. */
  inTime(seq: number, ms: number): Promise<boolean> {
    if (this.applied() >= seq) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiter = {
        seq,
        resolve: () => {
          cancel();
          resolve(true);
        },
      };
      this.waiters.add(waiter);
      const cancel = this.clock.after(ms, () => {
        this.waiters.delete(waiter);
        resolve(false);
      });
    });
  }

  /** An entry has been folded. */
  folded(seq: number): void {
    for (const waiter of this.waiters) {
      if (waiter.seq > seq) continue;
      this.waiters.delete(waiter);
      waiter.resolve();
    }
  }
}
