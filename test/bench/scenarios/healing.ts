/** Healing costs as what is healed: 1,000 failed items of 100,000 against 1,000 failed of 2,000. */
import type { Elapsed, Heal } from "../client-process.js";
import { repeat, type Scenario } from "../scenario.js";

const RUN_MS_MAX = 120_000;
const CALL_MS_MAX = 10_000;

export const healing: Scenario = {
  name: "healing",
  about:
    "1,000 failed items of 100,000 healed, and 1,000 of 2,000; their dependants run for the healed alone",
  async run(system, scale, progress) {
    const failed = scale.quick ? 100 : 1_000;
    const [large, small] = [failed * 100, failed * 2];
    const heal = async (count: number): Promise<number> => {
      await system.worker.call("mend", false, CALL_MS_MAX);
      const load: Heal = { count, failed };
      const runId = await system.client.call<string>("failing", load, RUN_MS_MAX);
      await system.worker.call("mend", true, CALL_MS_MAX);
      return (await system.client.call<Elapsed>("heal", { ...load, runId }, RUN_MS_MAX)).ms;
    };
    const measured = await repeat(system, scale, progress, async () => {
      const [ofMany, ofFew] = [await heal(large), await heal(small)];
      return [
        { name: `${failed} of ${large} healed`, unit: "ms", value: ofMany },
        { name: `${failed} of ${small} healed`, unit: "ms", value: ofFew },
        { name: "the one against the other", unit: "times", value: ofMany / ofFew },
      ];
    });
    return { ...measured, sizes: { failed, large, small } };
  },
};
