import { expect, test, vi } from "vitest";
import { SkippingClock } from "../memory/index.js";
import { type Clock, systemClock, TIMER_MAX_MS } from "./clock.js";

const clocks: readonly (readonly [string, () => Clock])[] = [
  ["the system's clock", () => systemClock],
  ["the clock that skips", () => new SkippingClock()],
];

test.each(clocks)(
  "%s waits for any span, also one that no timer of the platform holds",
  async (_name, make) => {
    const clock = make();
    let called = 0;
    const spans = [TIMER_MAX_MS + 1, 30 * 86_400_000, 1e15, Number.POSITIVE_INFINITY];
    const cancels = spans.map((ms) => clock.after(ms, () => called++));
    await new Promise<void>((resolve) => clock.after(30, resolve));
    expect(called).toBe(0);
    for (const cancel of cancels) cancel();
  },
);

test("the system's clock calls back at the end of a span that takes several timers", () => {
  vi.useFakeTimers();
  try {
    let called = 0;
    systemClock.after(TIMER_MAX_MS * 2 + 1_000, () => called++);
    vi.advanceTimersByTime(TIMER_MAX_MS * 2 + 999);
    expect(called).toBe(0);
    vi.advanceTimersByTime(2);
    expect(called).toBe(1);
    systemClock.after(TIMER_MAX_MS * 2, () => called++)();
    vi.advanceTimersByTime(TIMER_MAX_MS * 3);
    expect(called).toBe(1);
  } finally {
    vi.useRealTimers();
  }
});
