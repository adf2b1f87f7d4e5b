/** Many timers due at the same moment: runs that were started to begin then, each with a sleep of a millisecond as its one action. */
import type { Elapsed, Delayed } from "../client-process.js";
import { repeat, type Scenario } from "../scenario.js";

const MS_A_SECOND = 1_000;
const REPETITION_MS_MAX = 240_000;
/** One lets the run begin, one ends its sleep. */
const TIMERS_A_RUN = 2;
/** From the first start to the moment: enough for all to be accepted. */
const DELAY_MS = 30_000;
const DELAY_QUICK_MS = 5_000;

export const timers: Scenario = {
  name: "timers",
  about:
    "50,000 runs due at the same moment, and all their sleeps a millisecond later; each one's end awaited",
  async run(system, scale, progress) {
    const load: Delayed = {
      runs: scale.quick ? 2_000 : 50_000,
      callers: 2_000,
      delayMs: scale.quick ? DELAY_QUICK_MS : DELAY_MS,
    };
    const measured = await repeat(system, scale, progress, async () => {
      const { ms } = await system.client.call<Elapsed>("delayed", load, REPETITION_MS_MAX);
      const fired = load.runs * TIMERS_A_RUN;
      return [{ name: "timers fired", unit: "timers/s", value: (fired * MS_A_SECOND) / ms }];
    });
    return { ...measured, sizes: { runs: load.runs, timersARun: TIMERS_A_RUN } };
  },
};
