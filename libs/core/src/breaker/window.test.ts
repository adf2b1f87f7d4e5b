/** The sliding window: what it counts, and what an outcome costs. */
import { BreakerRecordSchema } from "@holdfast/proto";
import { encode, init } from "@holdfast/proto/codec";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { BREAKER_BUCKETS } from "../limits.js";
import { addToWindow, clearWindow, takeFromWindow, windowCounts } from "./window.js";

const WINDOW_MS = 10_000;
const NS = 1_000_000n;
const START_NS = 1_800_000_000_000_000_000n;

function fresh() {
  const record = init(BreakerRecordSchema);
  clearWindow(record);
  return record;
}

test("an outcome costs the same record, however many there were and however long nothing was heard", () => {
  const record = fresh();
  const sizes: number[] = [];
  for (const gapMs of [0, 1, 999, 1_000, 5_000, 86_400_000, 30 * 86_400_000]) {
    for (let n = 0; n < 1_000; n++)
      addToWindow(record, WINDOW_MS, START_NS + BigInt(gapMs) * NS, n % 2 === 0);
    expect([record.ended.length, record.failed.length]).toEqual([BREAKER_BUCKETS, BREAKER_BUCKETS]);
    sizes.push(encode(BreakerRecordSchema, record).length);
  }
  expect(Math.max(...sizes)).toBeLessThan(150);
});

test("whatever ended within nine tenths of the window counts, and nothing from before it", () => {
  const outcome = fc.record({ gapMs: fc.nat(4_000), failed: fc.boolean() });
  fc.assert(
    fc.property(fc.array(outcome, { maxLength: 60 }), fc.nat(20_000), (outcomes, quietMs) => {
      const record = fresh();
      let atNs = START_NS;
      const all: { atNs: bigint; failed: boolean }[] = [];
      for (const { gapMs, failed } of outcomes) {
        atNs += BigInt(gapMs) * NS;
        addToWindow(record, WINDOW_MS, atNs, failed);
        all.push({ atNs, failed });
      }
      const nowNs = atNs + BigInt(quietMs) * NS;
      const { ended, failed } = windowCounts(record, WINDOW_MS, nowNs);
      const since = (ms: number) => all.filter((one) => nowNs - one.atNs < BigInt(ms) * NS);
      const [least, most] = [since(WINDOW_MS * 0.9), since(WINDOW_MS)];
      expect(ended).toBeGreaterThanOrEqual(least.length);
      expect(ended).toBeLessThanOrEqual(most.length);
      expect(failed).toBeGreaterThanOrEqual(least.filter((one) => one.failed).length);
      expect(failed).toBeLessThanOrEqual(most.filter((one) => one.failed).length);
    }),
  );
});

test("what is taken back is as if it had not been added, as long as the window has it; else nothing changes", () => {
  const added = fc.record({ gapMs: fc.nat(4_000), failed: fc.boolean(), takenBack: fc.boolean() });
  fc.assert(
    fc.property(fc.array(added, { maxLength: 30 }), fc.nat(20_000), (drawn, laterMs) => {
      const [with_, without] = [fresh(), fresh()];
      let atNs = START_NS;
      const back: { readonly atNs: bigint; readonly failed: boolean }[] = [];
      for (const { gapMs, failed, takenBack } of drawn) {
        atNs += BigInt(gapMs) * NS;
        addToWindow(with_, WINDOW_MS, atNs, failed);
        if (takenBack) back.push({ atNs, failed });
        else addToWindow(without, WINDOW_MS, atNs, failed);
      }
      for (const one of back) takeFromWindow(with_, WINDOW_MS, one.atNs, one.failed);
      const laterNs = atNs + BigInt(laterMs) * NS;
      expect(windowCounts(with_, WINDOW_MS, laterNs)).toEqual(windowCounts(without, WINDOW_MS, laterNs));
    }),
  );
});

test("a window that was cleared has nothing to give back", () => {
  const record = fresh();
  addToWindow(record, WINDOW_MS, START_NS, true);
  clearWindow(record);
  takeFromWindow(record, WINDOW_MS, START_NS, true);
  takeFromWindow(record, WINDOW_MS, START_NS + 60_000n * NS, false);
  expect(windowCounts(record, WINDOW_MS, START_NS)).toEqual({ ended: 0, failed: 0 });
});
