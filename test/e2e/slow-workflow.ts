/** Handlers that take their time, for shutting down around them. */
import { typed, workflow } from "@holdfast/sdk";
import { effect } from "../support/effects.js";
import { pause } from "../support/wait.js";

export const slow = workflow("slow", { input: typed<{ ms: number }>() })
  .action("first", async ({ input }, ctx) => {
    effect(ctx.idempotencyKey);
    await pause(input.ms);
    return ctx.attempt;
  })
  .action("second", { after: ["first"] }, async ({ input, first }, ctx) => {
    effect(ctx.idempotencyKey);
    await pause(input.ms);
    return first + ctx.attempt;
  });
