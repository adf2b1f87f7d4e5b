import { array, assert, asyncProperty, boolean, nat, record } from "fast-check";
import { expect, test } from "vitest";
import { ManualClock } from "../memory/index.js";
import { SingleFlight } from "./single-flight.js";
import { turns } from "./slow-store.js";

const wakeUp = record({ after: nat(6), takes: nat(6), fails: boolean() });

test("no wake-up is lost, one job is under way at a time, and a failure is tried again", async () => {
  await assert(
    asyncProperty(array(wakeUp, { minLength: 1, maxLength: 30 }), async (wakeUps) => {
      const clock = new ManualClock();
      let [todo, underWay, mostUnderWay, failures, told] = [0, 0, 0, 0, 0];
      const drawn = [...wakeUps];
      const flight = new SingleFlight({ clock, failed: () => (told += 1) }, async () => {
        underWay += 1;
        mostUnderWay = Math.max(mostUnderWay, underWay);
        const taken = todo;
        const { takes, fails } = drawn.pop() ?? { takes: 0, fails: false };
        await turns(takes);
        underWay -= 1;
        if (fails) {
          failures += 1;
          throw new Error("not now");
        }
        todo -= taken;
      });
      for (const { after } of wakeUps) {
        await turns(after);
        todo += 1;
        flight.wake();
      }
      // Each job under way comes to its end before the time that it may be tried again at.
      for (let jobs = 0; jobs <= wakeUps.length; jobs++) {
        await turns(8);
        await clock.advance(10_000);
      }
      expect([todo, underWay, mostUnderWay]).toEqual([0, 0, 1]);
      expect(told).toBe(failures);
      expect(flight.busy).toBe(false);
    }),
    { numRuns: 50 },
  );
});

test("one that hangs is left behind, and one that was stopped does nothing more", async () => {
  const clock = new ManualClock();
  let begun = 0;
  const flight = new SingleFlight({ clock, failed: () => undefined }, () => {
    begun += 1;
    return begun === 1 ? new Promise(() => undefined) : Promise.resolve();
  });
  flight.wake();
  flight.wake();
  await clock.advance(10_000);
  expect(begun).toBe(1);
  flight.restart();
  await clock.advance(1);
  expect([begun, flight.busy]).toEqual([2, false]);
  flight.stop();
  flight.wake();
  await clock.advance(10_000);
  expect(begun).toBe(2);
});
