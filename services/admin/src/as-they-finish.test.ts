/** Bounded concurrency over a stream: its bound, its order, its ends. */
import { setImmediate as turn } from "node:timers/promises";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asTheyFinish } from "./as-they-finish.js";

async function* upTo(count: number, onEnd: () => void = () => {}) {
  try {
    for (let n = 0; n < count; n++) {
      if (n % 7 === 0) await turn();
      yield n;
    }
  } finally {
    onEnd();
  }
}

/** Ends after that many turns of the event loop. */
async function after<T>(turns: number, value: T): Promise<T> {
  for (let n = 0; n < turns; n++) await turn();
  return value;
}

describe("work as it finishes", () => {
  it("does each item once, never more at once than allowed", async () => {
    const delays = fc.array(fc.nat({ max: 5 }), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(delays, fc.integer({ min: 1, max: 8 }), async (turns, atOnce) => {
        let underWay = 0;
        const done: number[] = [];
        const work = async (n: number): Promise<number> => {
          underWay += 1;
          expect(underWay).toBeLessThanOrEqual(atOnce);
          await after(turns[n] ?? 0, n);
          underWay -= 1;
          return n;
        };
        for await (const n of asTheyFinish(upTo(turns.length), atOnce, work)) done.push(n);
        expect(done.toSorted((a, b) => a - b)).toEqual(turns.map((_, n) => n));
      }),
      { numRuns: 60 },
    );
  });

  it("brings what is quick before what is slow", async () => {
    const done: number[] = [];
    for await (const n of asTheyFinish(upTo(3), 3, (each) => after(each === 0 ? 50 : 1, each))) done.push(n);
    expect(done.at(-1)).toBe(0);
  });

  it("begins nothing more while nobody reads", async () => {
    let begun = 0;
    const results = asTheyFinish(upTo(1_000), 10, async (n) => {
      begun += 1;
      return n;
    });
    await results.next();
    await after(50, undefined);
    expect(begun).toBeLessThanOrEqual(11);
    await results.return();
  });

  it("closes its source when the reader leaves, and begins nothing more", async () => {
    let closed = false;
    let begun = 0;
    const source = upTo(1_000, () => {
      closed = true;
    });
    for await (const n of asTheyFinish(source, 4, async (each) => ((begun += 1), after(1, each)))) {
      expect(n).toBeGreaterThanOrEqual(0);
      break;
    }
    const atLeave = begun;
    await after(20, undefined);
    expect(closed).toBe(true);
    expect(begun).toBe(atLeave);
  });

  it("brings what was under way, then throws the first failure", async () => {
    const done: number[] = [];
    const work = (n: number): Promise<number> => (n === 2 ? Promise.reject(new Error("two")) : after(3, n));
    const reading = (async () => {
      for await (const n of asTheyFinish(upTo(1_000), 4, work)) done.push(n);
    })();
    await expect(reading).rejects.toThrow("two");
    expect(done).toEqual(expect.arrayContaining([0, 1]));
    expect(done.length).toBeLessThan(10);
  });

  it("throws the source's failure", async () => {
    async function* broken() {
      yield 1;
      throw new Error("page 2");
    }
    const reading = (async () => {
      for await (const n of asTheyFinish(broken(), 4, (each) => after(1, each))) expect(n).toBe(1);
    })();
    await expect(reading).rejects.toThrow("page 2");
  });
});
