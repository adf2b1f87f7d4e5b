/** What operators act on: a run that waits for them, one that takes a while, one that obeys a cancel and one that does not. */
import { ActionError, typed, workflow } from "@holdfast/sdk";
import { effect } from "../support/effects.js";
import { pause } from "../support/wait.js";

export const order = workflow("order")
  .waitForSignal("payment", { signal: "paid", payload: typed<{ cents: number }>() })
  .approval("release", { after: ["payment"], prompt: "send it?" })
  .action("send", { after: ["payment", "release"] }, ({ payment, release }) => ({
    cents: payment.cents,
    by: release.comment,
  }));

export const broken = workflow("broken").action("work", () => {
  throw new ActionError("VALIDATION", "the file has no rows");
});

export const parcel = workflow("parcel", { input: typed<{ to: string }>() }).action("send", ({ input }) => {
  if (input.to === "nowhere") throw new ActionError("VALIDATION", "there is no such place");
  return input.to;
});

export const chain = workflow("chain")
  .action("first", { retry: { maxAttempts: 5, initialBackoff: "50ms" } }, async (_args, ctx) => {
    effect(ctx.idempotencyKey);
    await pause(ctx.attempt === 1 ? 60_000 : 10);
    return ctx.attempt;
  })
  .action("second", { after: ["first"] }, ({ first }, ctx) => {
    effect(ctx.idempotencyKey);
    return first;
  });

export const stopping = workflow("stopping")
  .action("obeys", async (_args, ctx) => {
    effect(ctx.idempotencyKey);
    await new Promise<void>((resolve) => {
      ctx.signal.addEventListener("abort", () => resolve());
    });
    return "put down what it held";
  })
  .action("deaf", async (_args, ctx) => {
    effect(ctx.idempotencyKey);
    return await new Promise<never>(() => undefined);
  })
  .action("after", { after: ["obeys", "deaf"] }, () => 1);
