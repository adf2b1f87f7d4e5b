import { RunStatus, TimerRecordSchema } from "@holdfast/proto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  chunkKey,
  eventChunkKey,
  inputsKey,
  itemKey,
  payloadKey,
  prefixEnd,
  readStatusKey,
  schemaOf,
  statusKey,
  statusPrefix,
  timerDue,
  timerKey,
  TIMERS_FROM,
  TIMERS_TO,
  timersUpTo,
} from "./tables.js";
import { readU32, readU64, u32, u64 } from "./key-numbers.js";

const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/);
const small = fc.nat(0xffff);
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

const compare = <T>(a: readonly T[], b: readonly T[]): number => {
  for (let i = 0; i < a.length; i++) {
    const left = a[i] as T;
    const right = b[i] as T;
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
};
const byBytes = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);
/** A NUL ends an id: an id that begins another comes first, as it does among strings. */
function expectOrdered<T extends (string | number | bigint)[]>(
  tuple: fc.Arbitrary<T>,
  key: (...parts: T) => string,
): void {
  fc.assert(
    fc.property(tuple, tuple, (a, b) => {
      expect(byBytes(key(...a), key(...b))).toBe(compare<string | number | bigint>(a, b));
      expect(/^[\0-\xff]*$/.test(key(...a))).toBe(true);
    }),
    { numRuns: 500 },
  );
}

describe("the byte order of keys is the order of what they are made of", () => {
  test("chunks", () => expectOrdered(fc.tuple(name, small, uint32), chunkKey));
  test("inputs", () => expectOrdered(fc.tuple(name, small, uint32), inputsKey));
  test("items", () => expectOrdered(fc.tuple(name, small, uint32), itemKey));
  test("payloads", () => expectOrdered(fc.tuple(name, small), payloadKey));
  test("event chunks", () => expectOrdered(fc.tuple(name, uint32), eventChunkKey));
  test("timers", () => expectOrdered(fc.tuple(uint64, fc.maxSafeNat(), uint32), timerKey));
  test("runs by status and time", () =>
    expectOrdered(
      fc.tuple(name, fc.constantFrom(1, 4, 5, 6, 7), uint64, name),
      (workflow, status, at, runId) => statusKey(workflow, status as RunStatus, at, runId),
    ));
});

test("numbers come out of keys as they went in", () => {
  fc.assert(
    fc.property(uint32, uint64, (a, b) => {
      expect(readU32(`x${u32(a)}`, 1)).toBe(a);
      expect(readU64(`x${u64(b)}`, 1)).toBe(b);
    }),
  );
});

describe("timers", () => {
  test("are found up to their time and not beyond it", () => {
    fc.assert(
      fc.property(uint64, uint64, (due, ns) => {
        const key = timerKey(due, 7, 3);
        expect(timerDue(key)).toBe(due);
        expect(key >= TIMERS_FROM && key < timersUpTo(ns)).toBe(due <= ns);
      }),
    );
  });
  test("of the last instant there is are found, too", () => {
    const last = 2n ** 64n - 1n;
    expect(timersUpTo(last)).toBe(TIMERS_TO);
    expect(timerKey(last, 1, 0) < timersUpTo(last)).toBe(true);
  });
  test("of one entry never share a key, however many there are", () => {
    expect(timerKey(1n, 1, 65_536)).not.toBe(timerKey(1n, 1, 0));
  });
});

test("a status row tells its workflow, time and run; all that has not ended is in one class", () => {
  fc.assert(
    fc.property(name, uint64, name, (workflow, createdNs, runId) => {
      const key = statusKey(workflow, RunStatus.PAUSED, createdNs, runId);
      expect(readStatusKey(key)).toEqual({ workflow, createdNs, runId });
      const prefix = statusPrefix(workflow, RunStatus.PENDING);
      expect(key >= prefix && key < prefixEnd(prefix)).toBe(true);
      const ended = statusKey(workflow, RunStatus.FAILED, createdNs, runId);
      expect(ended >= prefix && ended < prefixEnd(prefix)).toBe(false);
    }),
  );
});

test("a key of no table is a bug, and said so", () => {
  expect(schemaOf("t123")).toBe(TimerRecordSchema);
  expect(() => schemaOf("?")).toThrow(/unknown table/);
  expect(() => schemaOf("")).toThrow(/unknown table/);
});
