/**
 * What a circuit breaker costs where it never opens: runs of one action without one and with one, turn about on the same system, so that
 * whatever else the machine does befalls both.
 */
import type { Elapsed, Load } from "../client-process.js";
import { repeat, type Scenario } from "../scenario.js";

const MS_A_SECOND = 1_000;
const REPETITION_MS_MAX = 120_000;
const US_A_SECOND = 1_000_000;
const CALLERS = 2_000;

/** Processor time of the node is the steadier figure on a machine that others use. */
interface Half {
  readonly rate: number;
  readonly nodeUs: number;
}

export const breaker: Scenario = {
  name: "breaker",
  about: "runs of one action without a breaker and with one that stays closed, one half after the other",
  async run(system, scale, progress) {
    const load: Load = { runs: scale.quick ? 3_000 : 30_000, callers: CALLERS };
    const nodeSeconds = async (): Promise<number> => (await system.usage()).node?.cpuSeconds ?? 0;
    const half = async (call: string): Promise<Half> => {
      const before = await nodeSeconds();
      const { ms } = await system.client.call<Elapsed>(call, load, REPETITION_MS_MAX);
      const nodeUs = (((await nodeSeconds()) - before) * US_A_SECOND) / load.runs;
      return { rate: (load.runs * MS_A_SECOND) / ms, nodeUs };
    };
    let turn = 0;
    const measured = await repeat(system, scale, progress, async () => {
      // Whoever is second finds a larger log.
      const [first, second] =
        turn++ % 2 === 0 ? (["single", "guarded"] as const) : (["guarded", "single"] as const);
      const halves = new Map<string, Half>([[first, await half(first)]]);
      halves.set(second, await half(second));
      const [without, guarded] = [halves.get("single"), halves.get("guarded")];
      if (without === undefined || guarded === undefined) throw new Error("one half was not run");
      return [
        { name: "without a breaker", unit: "runs/s", value: without.rate },
        { name: "with a breaker", unit: "runs/s", value: guarded.rate },
        { name: "with to without", unit: "×", value: guarded.rate / without.rate },
        { name: "node, without a breaker", unit: "µs a run", value: without.nodeUs },
        { name: "node, with a breaker", unit: "µs a run", value: guarded.nodeUs },
        { name: "node, with to without", unit: "×", value: guarded.nodeUs / without.nodeUs },
      ];
    });
    return { ...measured, sizes: { ...load } };
  },
};
