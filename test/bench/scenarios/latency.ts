/** One run after the other on an idle system: how long from the call that starts a run to its result. */
import { repeat, type Scenario } from "../scenario.js";
import { percentile } from "../statistics.js";

const MEDIAN = 0.5;
const TAIL = 0.99;
const REPETITION_MS_MAX = 60_000;

export const latency: Scenario = {
  name: "latency",
  about: "sequential runs of one action, from start to result",
  async run(system, scale, progress) {
    const runs = scale.quick ? 100 : 500;
    const measured = await repeat(system, scale, progress, async () => {
      const samples = await system.client.call<number[]>("latency", runs, REPETITION_MS_MAX);
      return [
        { name: "start to result, p50", unit: "ms", value: percentile(samples, MEDIAN) },
        { name: "start to result, p99", unit: "ms", value: percentile(samples, TAIL) },
      ];
    });
    return { ...measured, sizes: { runs } };
  },
};
