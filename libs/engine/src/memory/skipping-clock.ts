/**
 * A clock that goes at its usual pace, and leaps when it is told to: what falls due on the way is called back at once, in its order. To all that
 * run on it, a leap looks as if the process had stood still for so long.
 */
import { type Clock, TIMER_MAX_MS } from "../ports/clock.js";

interface Alarm {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

export class SkippingClock implements Clock {
  private leaptMs = 0;
  private steppedMs = 0;
  private order = 0;
  private readonly alarms = new Set<Alarm>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private timerAtMs = Number.POSITIVE_INFINITY;

  nowMs(): number {
    return Date.now() + this.leaptMs + this.steppedMs;
  }

  monotonicMs(): number {
    return performance.now() + this.leaptMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const alarm = { atMs: this.monotonicMs() + Math.max(0, delayMs), order: this.order++, callback };
    this.alarms.add(alarm);
    this.plan(alarm.atMs);
    return () => this.alarms.delete(alarm);
  }

  /** Time goes on by so much at once. */
  leap(byMs: number): void {
    this.leaptMs += Math.max(0, byMs);
    this.timerAtMs = Number.POSITIVE_INFINITY;
    this.planNext();
  }

  /** Somebody sets the wall clock by so much, forwards or backwards. No time passes. */
  step(byMs: number): void {
    this.steppedMs += byMs;
  }

  /** Calls nothing back any more. */
  close(): void {
    this.alarms.clear();
    clearTimeout(this.timer);
  }

  private plan(atMs: number): void {
    if (atMs >= this.timerAtMs) return;
    this.timerAtMs = atMs;
    clearTimeout(this.timer);
    const delayMs = Math.min(Math.max(0, Math.ceil(atMs - this.monotonicMs())), TIMER_MAX_MS);
    this.timer = setTimeout(() => this.ring(), delayMs);
  }

  private planNext(): void {
    let first = Number.POSITIVE_INFINITY;
    for (const { atMs } of this.alarms) first = Math.min(first, atMs);
    if (first < Number.POSITIVE_INFINITY) this.plan(first);
  }

  private ring(): void {
    this.timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = this.monotonicMs();
    const due = [...this.alarms].filter(({ atMs }) => atMs <= nowMs);
    due.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
    for (const alarm of due) if (this.alarms.delete(alarm)) alarm.callback();
    this.planNext();
  }
}
