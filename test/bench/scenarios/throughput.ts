/** Many runs at once, each awaited and checked by the client: of one action, and of ten in a chain. */
import type { Elapsed, Load } from "../client-process.js";
import { repeat, type Scale, type Scenario } from "../scenario.js";
import { CHAIN_ACTIONS, STEPS } from "../workflows.js";

const MS_A_SECOND = 1_000;
const REPETITION_MS_MAX = 120_000;

function throughput(options: {
  readonly name: string;
  readonly about: string;
  readonly call: string;
  readonly figure: string;
  readonly unit: string;
  /** What one run counts for. */
  readonly each: number;
  readonly load: (scale: Scale) => Load;
}): Scenario {
  const { name, about, call, figure, unit, each } = options;
  return {
    name,
    about,
    async run(system, scale, progress) {
      const load = options.load(scale);
      const measured = await repeat(system, scale, progress, async () => {
        const { ms } = await system.client.call<Elapsed>(call, load, REPETITION_MS_MAX);
        return [{ name: figure, unit, value: (load.runs * each * MS_A_SECOND) / ms }];
      });
      return { ...measured, sizes: { ...load } };
    },
  };
}

export const oneAction = throughput({
  name: "one-action",
  about: "runs of one action, every result awaited and checked",
  call: "single",
  figure: "one-action runs",
  unit: "runs/s",
  each: 1,
  load: ({ quick }) => ({ runs: quick ? 6_000 : 60_000, callers: 2_000 }),
});

export const tenActions = throughput({
  name: "chain",
  about: `runs of ${CHAIN_ACTIONS} actions, each after the one before, every result awaited and checked`,
  call: "chain",
  figure: "chained actions",
  unit: "actions/s",
  each: CHAIN_ACTIONS,
  load: ({ quick }) => ({ runs: quick ? 600 : 6_000, callers: 2_000 }),
});

export const tenSteps = throughput({
  name: "steps",
  about: `runs of one handler of ${STEPS} steps, each checkpointed through the log before the next`,
  call: "stepped",
  figure: "checkpointed steps",
  unit: "steps/s",
  each: STEPS,
  load: ({ quick }) => ({ runs: quick ? 600 : 6_000, callers: 2_000 }),
});
