/** Puts together what each partition says of retention. */
import { isRunRetryable } from "@holdfast/core";
import {
  type PrunedCount,
  PrunedCountSchema,
  type RetentionAnswer,
  RetentionAnswerSchema,
  type RetentionView,
  type RollupView,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";

/** One entry for each workflow, and of it one for each queue; the newest sweeps first. */
export function addRetention(answers: readonly RetentionAnswer[], sweeps: number): RetentionAnswer {
  const sum = init(RetentionAnswerSchema, { workflows: [] });
  const byWorkflow = new Map<string, RetentionView>();
  for (const answer of answers) {
    if (answer.generalBy !== "") {
      sum.generalBy = answer.generalBy;
      if (answer.general !== undefined) sum.general = answer.general;
    }
    for (const view of answer.workflows) {
      const known = byWorkflow.get(view.workflow);
      if (known === undefined) byWorkflow.set(view.workflow, view);
      else for (const rollup of view.pruned) addRollup(known.pruned, rollup);
    }
  }
  sum.workflows = [...byWorkflow.values()].toSorted((a, b) => (a.workflow < b.workflow ? -1 : 1));
  sum.sweeps = answers
    .flatMap((answer) => answer.sweeps)
    .toSorted((a, b) => Number((b.endedAt?.seconds ?? 0n) - (a.endedAt?.seconds ?? 0n)))
    .slice(0, sweeps);
  return sum;
}

function addRollup(list: RollupView[], more: RollupView): void {
  const known = list.find(({ queue }) => queue === more.queue);
  if (known === undefined) {
    list.push(more);
    return;
  }
  for (const count of more.counts) addCount(known.counts, count);
  known.itemsSucceeded += more.itemsSucceeded;
  known.itemsFailed += more.itemsFailed;
  if (isBefore(more.firstEndedAt, known.firstEndedAt)) known.firstEndedAt = more.firstEndedAt;
  if (isBefore(known.lastEndedAt, more.lastEndedAt)) known.lastEndedAt = more.lastEndedAt;
  if (isBefore(known.lastPrunedAt, more.lastPrunedAt)) known.lastPrunedAt = more.lastPrunedAt;
}

function addCount(list: PrunedCount[], more: PrunedCount): void {
  const known = list.find(({ cause, status }) => cause === more.cause && status === more.status);
  if (known === undefined) list.push(init(PrunedCountSchema, { ...more }));
  else known.runs += more.runs;
}

const isBefore = (a: RollupView["firstEndedAt"], b: RollupView["firstEndedAt"]): boolean =>
  a !== undefined &&
  (b === undefined || a.seconds < b.seconds || (a.seconds === b.seconds && a.nanos < b.nanos));

/** How many failed runs were pruned past their retention (of the queue, where one is named), and between when they had ended. */
export function prunedFailed(
  { workflows }: RetentionAnswer,
  queue: string,
): {
  readonly runs: bigint;
  readonly from?: NonNullable<RollupView["firstEndedAt"]>;
  readonly until?: NonNullable<RollupView["lastEndedAt"]>;
} {
  let runs = 0n;
  let from: RollupView["firstEndedAt"];
  let until: RollupView["lastEndedAt"];
  for (const { queue: of, counts, firstEndedAt, lastEndedAt } of workflows.flatMap(({ pruned }) => pruned)) {
    if (queue !== "" && of !== queue) continue;
    const failed = counts.filter(({ status }) => isRunRetryable(status));
    if (failed.length === 0) continue;
    for (const count of failed) runs += count.runs;
    if (isBefore(firstEndedAt, from)) from = firstEndedAt;
    if (until === undefined || isBefore(until, lastEndedAt)) until = lastEndedAt;
  }
  return { runs, ...(from === undefined ? {} : { from }), ...(until === undefined ? {} : { until }) };
}
