/** Where calls come in and answers go out: what is given is checked, and whatever is thrown below becomes a `HoldfastError`. */
import { runIdProblem } from "@holdfast/core";
import type { Outcome } from "@holdfast/proto";
import { from, fromRejected, HoldfastError } from "../errors.js";

export async function guard<T>(run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw from(error);
  }
}

export function checkedRunId(runId: string): string {
  const problem = runIdProblem(runId);
  if (problem !== undefined) throw new HoldfastError("INVALID_ARGUMENT", problem);
  return runId;
}

export function checkedTime(startAt: Date): number {
  const ms = startAt.getTime();
  if (ms >= 0) return ms;
  throw new HoldfastError("INVALID_ARGUMENT", `startAt is ${String(startAt)}: give a date after 1970`);
}

export function isUnknownWorkflow({ result }: Outcome): boolean {
  return result.case === "rejected" && fromRejected(result.value).code === "UNKNOWN_WORKFLOW";
}
