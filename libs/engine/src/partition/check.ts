/** Checks a partition's runs against the rules that must always hold, page by page. Changes nothing. */
import { checkRun, runKey } from "@holdfast/core";
import {
  type Breach,
  BreachSchema,
  type CheckAnswer,
  CheckAnswerSchema,
  type CheckQuery,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { pinned } from "./compose.js";
import type { PartitionState } from "./state.js";

const RUNS_MAX = 1_000;
/** Items looked at in one answer, about: a page ends after the run that passes this. */
const ITEMS_MAX = 200_000;
const BREACHES_MAX = 1_000;

export async function checkRuns(
  state: PartitionState,
  partition: number,
  query: CheckQuery,
): Promise<CheckAnswer> {
  const limit = Math.min(query.limit || RUNS_MAX, RUNS_MAX);
  const from = query.afterRunId === "" ? "r" : `${runKey(query.afterRunId)}\0`;
  const rows = await state.range(from, "s", limit);
  const answer = init(CheckAnswerSchema, { breaches: [] });
  for (const [key] of rows) {
    const runId = key.slice(1);
    const found = pinned(state, runId);
    answer.checkedRuns += 1;
    if (found === undefined)
      answer.breaches.push(breach(partition, runId, "", "I1", "the definition that it pins is not there"));
    else {
      const checked = checkRun(state, runId, found.run, found.plan);
      answer.checkedItems += BigInt(checked.items);
      for (const { action, rule, message } of checked.breaches)
        answer.breaches.push(breach(partition, runId, action, rule, message));
    }
    if (answer.checkedItems > ITEMS_MAX || answer.breaches.length > BREACHES_MAX) {
      answer.nextAfter = runId;
      return answer;
    }
  }
  if (rows.length === limit) answer.nextAfter = rows.at(-1)?.[0].slice(1) ?? "";
  return answer;
}

const breach = (partition: number, runId: string, action: string, rule: string, message: string): Breach =>
  init(BreachSchema, { partition, runId, action, rule, message });
