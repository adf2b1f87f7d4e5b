/**
 * What a circuit breaker costs where it never opens: runs of one action without one and with one, turn about on the same system, so that
 * whatever else the machine does befalls both.
 */
import type { Elapsed, Load } from "../client-process.js";
import { repeat, type Scenario } from "../scenario.js";

const MS_A_SECOND = 1_000;
const REPETITION_MS_MAX = 120_000;
const CALLERS = 2_000;

export const breaker: Scenario = {
  name: "breaker",
  about: "runs of one action without a breaker and with one that stays closed, one half after the other",
  async run(system, scale, progress) {
    const load: Load = { runs: scale.quick ? 3_000 : 30_000, callers: CALLERS };
    const rate = async (call: string): Promise<number> => {
      const { ms } = await system.client.call<Elapsed>(call, load, REPETITION_MS_MAX);
      return (load.runs * MS_A_SECOND) / ms;
    };
    let turn = 0;
    const measured = await repeat(system, scale, progress, async () => {
      // Whoever is second finds a larger log.
      const [first, second] =
        turn++ % 2 === 0 ? (["single", "guarded"] as const) : (["guarded", "single"] as const);
      const rates = new Map<string, number>([[first, await rate(first)]]);
      rates.set(second, await rate(second));
      const [without, guarded] = [rates.get("single") ?? 0, rates.get("guarded") ?? 0];
      return [
        { name: "without a breaker", unit: "runs/s", value: without },
        { name: "with a breaker", unit: "runs/s", value: guarded },
        { name: "with to without", unit: "×", value: guarded / without },
      ];
    });
    return { ...measured, sizes: { ...load } };
  },
};
