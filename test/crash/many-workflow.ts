/** The workflows of the test of bulk operations: whose runs fail until they are retried, or always, or which nobody works on. */
import { ActionError, workflow } from "@holdfast/sdk";
import { effect } from "../support/effects.js";
import { pause } from "../support/wait.js";

const RETRIED_MS_MAX = 30;
/** No worker takes from it. */
const NOBODYS = "nobodys";

export const mendable = workflow("mendable").action(
  "only",
  { retry: { maxAttempts: 1 } },
  async (_args, ctx) => {
    effect(`${ctx.runId} attempt ${ctx.attempt}`);
    if (ctx.attempt === 1) throw new ActionError("VALIDATION", "its cause is not mended yet");
    await pause(Math.random() * RETRIED_MS_MAX);
    return "done";
  },
);

export const stubborn = workflow("stubborn").action("only", { retry: { maxAttempts: 1 } }, (_args, ctx) => {
  effect(`${ctx.runId} attempt ${ctx.attempt}`);
  throw new ActionError("VALIDATION", "nobody has mended its cause");
});

export const waiting = workflow("waiting", { queue: NOBODYS }).action("only", {}, () => "never");
