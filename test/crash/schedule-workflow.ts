/** What the schedules of the crash test begin: a run that is over at once. */
import { workflow } from "@holdfast/sdk";
import { effect } from "../support/effects.js";

export const tick = workflow("tick").action("note", (_args, ctx) => {
  effect(ctx.runId);
  return "noted";
});
