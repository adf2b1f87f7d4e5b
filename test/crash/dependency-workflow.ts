/** Work that asks one dependency, which is down as long as a file is there. Each time that it is asked leaves a line (effects.ts). */
import { existsSync } from "node:fs";
import { ActionError, type BreakerOptions, typed, workflow } from "@holdfast/sdk";
import { effect } from "../support/effects.js";
import { pause } from "../support/wait.js";

/** Names a file; while it is there, the dependency is down. */
export const DOWN_FILE = "HOLDFAST_TEST_DOWN";
export const PROBES = 2;
/** How long the dependency takes to answer. */
export const ANSWER_MS = 60;

/** Two attempts: the first may be under way when the breaker opens; a second that failed and counted would fail its run. */
const retry = { maxAttempts: 2, initialBackoff: "250ms", jitter: 0 } as const;
const breaker: BreakerOptions = {
  failureRate: 0.5,
  minSamples: 4,
  window: "1s",
  openFor: "250ms",
  maxOpenFor: "500ms",
  probes: PROBES,
};

interface Asked {
  readonly atMs: number;
  /** Of a run, and of its item. */
  readonly key: string;
  readonly attempt: number;
  readonly answered: boolean;
}

async function ask(key: string, attempt: number): Promise<string> {
  const atMs = Date.now();
  await pause(ANSWER_MS);
  const answered = !existsSync(process.env[DOWN_FILE] ?? "");
  effect(JSON.stringify({ atMs, key, attempt, answered } satisfies Asked));
  if (!answered) throw new ActionError("UNAVAILABLE", "the dependency is down");
  return "done";
}

/** Of a line that an invocation has left. */
export const askedOf = (line: string): Asked => JSON.parse(line) as Asked;

export const asking = workflow("asking").action("ask", { retry, breaker }, (_args, ctx) =>
  ask(ctx.idempotencyKey, ctx.attempt),
);

export const askingItems = workflow("asking-items", { input: typed<{ rows: number[] }>() }).forEach(
  "ask",
  { items: "rows", window: 12, retry, breaker },
  (_args, ctx) => ask(ctx.idempotencyKey, ctx.attempt),
);
