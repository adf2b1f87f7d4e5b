/** A handler of several steps, slow enough to be killed between any two of them. */
import { workflow } from "@holdfast/sdk";
import { effect } from "../support/effects.js";
import { pause } from "../support/wait.js";

export const STEPS = ["one", "two", "three", "four", "five", "six"] as const;
const STEP_MS = 140;

export const stepping = workflow("stepping").action(
  "climb",
  { retry: { maxAttempts: 20, initialBackoff: "50ms", jitter: 0 }, steps: STEPS },
  async (_args, ctx) => {
    const done: string[] = [];
    for (const name of STEPS) {
      const result = await ctx.step(name, async () => {
        effect(`${ctx.runId}/${name}`);
        await pause(STEP_MS);
        return `${name} at attempt ${ctx.attempt}`;
      });
      done.push(result);
      await pause(STEP_MS);
    }
    return done;
  },
);
