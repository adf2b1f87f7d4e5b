/** A workflow whose attempts must be begun soon and must go on saying that they live; its handler says how far it is and never ends. */
import { typed, workflow } from "@holdfast/sdk";
import { effect } from "../support/effects.js";
import { pause } from "../support/wait.js";

const BEAT_MS = 100;

export const hurried = workflow("hurried", { input: typed<{ beats: number }>() }).action(
  "work",
  {
    scheduleToStart: "2s",
    heartbeat: "1s",
    startToClose: "5m",
    retry: { maxAttempts: 3, initialBackoff: "100ms", jitter: 0 },
  },
  async ({ input }, ctx) => {
    effect(ctx.idempotencyKey);
    for (let beat = 1; beat <= input.beats; beat++) {
      ctx.heartbeat({ beat });
      await pause(BEAT_MS);
    }
    return await new Promise<never>(() => undefined);
  },
);
