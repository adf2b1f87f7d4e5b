/** A workflow whose rows an outside system scores, over HTTP, as a user would write it. */
import { ActionError, type JobResult, typed, workflow } from "@holdfast/sdk";
import { effect } from "../support/effects.js";

/** Names the outside system's address. */
export const OUTSIDE = "HOLDFAST_TEST_OUTSIDE";

interface Answer {
  readonly done: boolean;
  readonly scores: readonly { readonly index: number; readonly score?: number; readonly problem?: string }[];
}

async function ask<T>(path: string, body: unknown): Promise<T> {
  const response = await fetch(`${process.env[OUTSIDE]}${path}`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new ActionError("UNAVAILABLE", `the outside system answered ${response.status}`);
  return (await response.json()) as T;
}

export const scoring = workflow("scoring", { input: typed<{ rows: { id: number }[] }>() })
  .batch(
    "score",
    {
      items: "rows",
      pollInterval: { initial: "100ms", max: "300ms" },
      timeout: "1m",
      retry: { maxAttempts: 3, initialBackoff: "50ms" },
    },
    {
      async submit({ items }, ctx) {
        effect(`${ctx.idempotencyKey} submitted`);
        const { job } = await ask<{ job: string }>("/jobs", { key: ctx.idempotencyKey, items });
        return { job };
      },
      async check({ job }) {
        const { done, scores } = await ask<Answer>(`/jobs/${job}/check`, {});
        const results = scores.map(
          ({ index, score, problem }): JobResult<{ score: number }> =>
            problem === undefined
              ? { index, output: { score: score ?? 0 } }
              : { index, error: new ActionError("VALIDATION", problem) },
        );
        return { done, results, progress: `${scores.length} scored` };
      },
      async cancel({ job }) {
        await ask(`/jobs/${job}/cancel`, {});
      },
    },
  )
  .forEach("save", { itemsOf: "score" }, ({ item, index }) => ({ saved: index, score: item.score }));
