/** What rules are said with, and the runs that they are said of. */
import type { RunRecord } from "@holdfast/proto";
import { type DefinitionPlan, planOf } from "../definition/plan.js";
import { definitionKey, runKey } from "../state/tables.js";
import type { MemoryView } from "./memory-view.js";

export function must(holds: boolean, rule: string): asserts holds {
  if (!holds) throw new Error(`violated: ${rule}`);
}

export interface RunUnderTest {
  readonly view: MemoryView;
  readonly runId: string;
  readonly run: RunRecord;
  readonly plan: DefinitionPlan;
}

export const runIdsOf = (view: MemoryView): string[] => view.keysOf("r").map((key) => key.slice(1));

export function runUnderTest(view: MemoryView, runId: string): RunUnderTest {
  const run = view.get(runKey(runId)) as RunRecord;
  const definition = view.get(definitionKey(run.definitionHash))?.definition;
  must(definition !== undefined, `run ${runId} pins a definition that is there`);
  return { view, runId, run, plan: planOf(definition) };
}
