/** Where calls come in and answers go out: what is given is checked, and whatever is thrown below becomes a `HoldfastError`. */
import { runIdProblem } from "@holdfast/core";
import { startTimeProblem } from "@holdfast/engine";
import type { Outcome } from "@holdfast/proto";
import { from, fromRejected, HoldfastError } from "../errors.js";
import { handedOut } from "../handed-out.js";

export const guard = <T>(run: () => T | Promise<T>): Promise<T> => handedOut(guarded(run, from));

/** The same, where what is thrown is made a `HoldfastError` by `made`. */
export const guardBy = <T>(run: () => T | Promise<T>, made: (error: unknown) => HoldfastError): Promise<T> =>
  handedOut(guarded(run, made));

async function guarded<T>(run: () => T | Promise<T>, made: (error: unknown) => HoldfastError): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw made(error);
  }
}

export function checkedRunId(runId: string): string {
  const problem = runIdProblem(runId);
  if (problem !== undefined) throw new HoldfastError("INVALID_ARGUMENT", problem);
  return runId;
}

export function checkedTime(startAt: Date): number {
  const ms = startAt.getTime();
  const problem = startTimeProblem(ms);
  if (problem === undefined) return ms;
  throw new HoldfastError(
    "INVALID_ARGUMENT",
    `startAt can't be meant: ${problem}; give a Date up to the year 2200, such as new Date("2030-01-31T12:00:00Z")`,
  );
}

export function isUnknownWorkflow({ result }: Outcome): boolean {
  return result.case === "rejected" && fromRejected(result.value).code === "UNKNOWN_WORKFLOW";
}
