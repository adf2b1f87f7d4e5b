/** Items that ask hosts, each of which is down as long as a file says so. Each time that one is asked leaves a line (effects.ts). */
import { existsSync } from "node:fs";
import { ActionError, typed, workflow } from "@holdfast/sdk";
import { effect } from "../support/effects.js";
import { pause } from "../support/wait.js";

/** Names a folder; while it has a file of a host's name, that host is down. */
export const DOWN_DIR = "HOLDFAST_TEST_DOWN_DIR";
export const ANSWER_MS = 40;

export const pages = workflow("pages", {
  input: typed<{ pages: { host: string; page: number }[] }>(),
}).forEach(
  "fetch",
  {
    items: "pages",
    window: 8,
    // The first attempt may be under way when the breaker opens, another one when the worker is killed.
    retry: { maxAttempts: 3, initialBackoff: "100ms", jitter: 0 },
    breaker: {
      itemKey: "host",
      failureRate: 0.5,
      minSamples: 4,
      window: "10s",
      openFor: "300ms",
      maxOpenFor: "500ms",
      probes: 1,
    },
  },
  async ({ item, index }, ctx) => {
    await pause(ANSWER_MS);
    const isDown = existsSync(`${process.env[DOWN_DIR]}/${item.host}`);
    effect(`${item.host} ${index} ${ctx.attempt} ${isDown ? "down" : "answered"}`);
    if (isDown) throw new ActionError("NETWORK", `${item.host} does not answer`);
    return item.page;
  },
);
