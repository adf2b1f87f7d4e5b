/** What can be wrong with an external batch action. */
import type { ActionDefinition, Batch } from "@holdfast/proto";
import { BATCH_ITEMS_MAX, WAIT_MS_MAX } from "../limits.js";
import { quoted } from "../names.js";

/** Sentences that say what is wrong; its poll policy is looked at as a retry policy is. */
export function batchProblems(action: ActionDefinition, batch: Batch): string[] {
  const subject = `action ${quoted(action.name)}`;
  const problems: string[] = [];
  if (action.wait !== undefined)
    problems.push(`${subject} waits and is an external batch: it can be one of them only`);
  if (batch.timeoutMs > WAIT_MS_MAX)
    problems.push(
      `${subject} gives its jobs ${batch.timeoutMs} ms in all: at most ${WAIT_MS_MAX} are allowed`,
    );
  if (!Number.isInteger(batch.itemsAJob) || batch.itemsAJob < 0 || batch.itemsAJob > BATCH_ITEMS_MAX)
    problems.push(`${subject}: ${batch.itemsAJob} items a job are not possible: at most ${BATCH_ITEMS_MAX}`);
  if (batch.itemsAJob > 0 && action.forEach === undefined)
    problems.push(`${subject} says how many items a job has, but is not over items`);
  if ((action.forEach?.window ?? 0) > 0)
    problems.push(`${subject} is an external batch: it has no window; say how many items a job has`);
  return problems;
}
