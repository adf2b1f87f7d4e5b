/** One run over many items, some of which fail for good. From before its start until its client has been told of its end. */
import type { Elapsed } from "../client-process.js";
import { repeat, type Scenario } from "../scenario.js";

const ITEMS = 5_000;
const MS_A_SECOND = 1_000;
const RUN_MS_MAX = 60_000;

export const items: Scenario = {
  name: "items",
  about: `one run over ${ITEMS.toLocaleString("en")} items, of which 1 % fail for good; all counts checked`,
  async run(system, scale, progress) {
    // Short, so that several warm it up, and a repetition is several.
    const runs = scale.quick ? 1 : 3;
    const measured = await repeat(system, scale, progress, async () => {
      let ms = 0;
      for (let run = 0; run < runs; run++) {
        ms += (await system.client.call<Elapsed>("items", ITEMS, RUN_MS_MAX)).ms;
      }
      return [{ name: "items of one run", unit: "items/s", value: (runs * ITEMS * MS_A_SECOND) / ms }];
    });
    return { ...measured, sizes: { items: ITEMS, runsARepetition: runs } };
  },
};
