/** Rows that an outside system scores, under a breaker: what it does not take is held. */
import { ActionError, type JobResult, typed, workflow } from "@holdfast/sdk";
import { OUTSIDE } from "./batch-workflow.js";

async function ask<T>(path: string, body: unknown): Promise<T> {
  const response = await fetch(`${process.env[OUTSIDE]}${path}`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new ActionError("UNAVAILABLE", `the outside system answered ${response.status}`);
  return (await response.json()) as T;
}

interface Answer {
  readonly done: boolean;
  readonly scores: readonly { readonly index: number; readonly score?: number }[];
}

/** Three attempts: the one that opens the breaker, one that is lost with its worker, and the one that is taken. */
export const guardedScoring = workflow("guarded-scoring", {
  input: typed<{ rows: { id: number }[] }>(),
}).batch(
  "score",
  {
    items: "rows",
    pollInterval: { initial: "100ms", max: "200ms" },
    retry: { maxAttempts: 3, initialBackoff: "50ms" },
    breaker: {
      failureRate: 0.1,
      minSamples: 1,
      window: "1m",
      openFor: "200ms",
      maxOpenFor: "400ms",
      probes: 1,
    },
  },
  {
    async submit({ items }, ctx) {
      const { job } = await ask<{ job: string }>("/jobs", { key: ctx.idempotencyKey, items });
      return { job };
    },
    async check({ job }) {
      const { done, scores } = await ask<Answer>(`/jobs/${job}/check`, {});
      return {
        done,
        results: scores.map(({ index, score }): JobResult<number> => ({ index, output: score ?? 0 })),
      };
    },
  },
);
