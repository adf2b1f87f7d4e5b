/** A clock that moves only when it is told to, so that hours pass in a test in no time and always alike. */
import type { Clock } from "../ports/clock.js";

interface Alarm {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

export class ManualClock implements Clock {
  private ms: number;
  private steppedMs = 0;
  private order = 0;
  private readonly alarms = new Set<Alarm>();

  constructor(startMs = 1_700_000_000_000) {
    this.ms = startMs;
  }

  nowMs(): number {
    return this.ms + this.steppedMs;
  }

  monotonicMs(): number {
    return this.ms;
  }

  after(delayMs: number, callback: () => void): () => void {
    const alarm = { atMs: this.ms + Math.max(0, delayMs), order: this.order++, callback };
    this.alarms.add(alarm);
    return () => this.alarms.delete(alarm);
  }

  /** Somebody sets the wall clock by so much, forwards or backwards. No time passes. */
  step(byMs: number): void {
    this.steppedMs += byMs;
  }

  /** Moves on by so much, calling back what falls due on the way in its order; lets what that set off settle in between. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.ms + byMs;
    await settle();
    for (let next = this.next(endMs); next !== undefined; next = this.next(endMs)) {
      this.alarms.delete(next);
      this.ms = Math.max(this.ms, next.atMs);
      next.callback();
      await settle();
    }
    this.ms = endMs;
    await settle();
  }

  private next(endMs: number): Alarm | undefined {
    let first: Alarm | undefined;
    for (const alarm of this.alarms) {
      if (alarm.atMs > endMs) continue;
      if (
        first === undefined ||
        alarm.atMs < first.atMs ||
        (alarm.atMs === first.atMs && alarm.order < first.order)
      )
        first = alarm;
    }
    return first;
  }
}

const TURNS = 8;

/** Lets everything that is ready to run in this process run. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
