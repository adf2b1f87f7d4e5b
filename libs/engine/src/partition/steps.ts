/** The steps that are done of an action or item, read from state. */
import { stepKey, type View } from "@holdfast/core";
import type { StepRecord } from "@holdfast/proto";

export interface StepsWanted {
  readonly runId: string;
  readonly action: number;
  /** -1: of the action itself. */
  readonly item: number;
  /** One past the highest index. */
  readonly bound: number;
  /** Steps of earlier generations don't count: all was begun anew since. */
  readonly since: number;
}

/** In the order of their indices, each with its index. */
export function readSteps(
  view: View,
  { runId, action, item, bound, since }: StepsWanted,
): [index: number, step: StepRecord][] {
  const steps: [number, StepRecord][] = [];
  for (let index = 0; index < bound; index++) {
    const record = view.get(stepKey(runId, action, item, index));
    if (record !== undefined && record.generation >= since) steps.push([index, record]);
  }
  return steps;
}
