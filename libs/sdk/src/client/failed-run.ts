/** What waits for a run's output gets where it ended FAILED or CANCELLED. */
import type { QueryClient } from "@holdfast/engine";
import type { PartialResult, RunEnded } from "@holdfast/proto";
import { RunFailedError } from "../errors.js";

/** Rejects with how far it came. The end is known without that: where nobody can be asked, it is left out. */
export async function failedRun(queries: QueryClient, ended: RunEnded): Promise<never> {
  let partial: PartialResult | undefined;
  try {
    const view = await queries.getRun(ended.runId);
    // One that was retried since is another matter.
    if (view.summary?.status === ended.status) ({ partial } = view);
  } catch {
    // Told without.
  }
  throw new RunFailedError(ended, partial);
}
