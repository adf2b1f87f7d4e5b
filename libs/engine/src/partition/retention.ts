/** Answers how long ended runs are kept, what was pruned, and what sweeps did. Reads only. */
import {
  prefixEnd,
  type ResolvedRetention,
  retentionKey,
  retentionOf,
  rollupKey,
  sweepKey,
  timestamp,
  timeText,
} from "@holdfast/core";
import {
  type AppliedRecord,
  PrunedCountSchema,
  type RetentionAnswer,
  RetentionAnswerSchema,
  RetentionPolicySchema,
  type RetentionPolicy,
  type RetentionQuery,
  type RetentionRecord,
  type RollupRecord,
  type RollupView,
  RollupViewSchema,
  RetentionViewSchema,
  type SweepView,
  SweepViewSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { workflowNames } from "./due-work.js";
import type { PartitionState } from "./state.js";

const WORKFLOWS_MAX = 10_000;
const QUEUES_MAX = 10_000;
const SECOND = 1_000_000_000n;

export async function retentionAnswer(
  state: PartitionState,
  applied: AppliedRecord,
  partition: number,
  { workflow, sweeps }: RetentionQuery,
): Promise<RetentionAnswer> {
  const names = workflow === "" ? await workflowNames(state, WORKFLOWS_MAX) : [workflow];
  const answer = init(RetentionAnswerSchema, {
    workflows: [],
    sweeps: sweepsOf(state, applied, partition, sweeps),
  });
  const general = state.get(retentionKey(""));
  answer.generalBy = changedText(general);
  if (general?.policy !== undefined) answer.general = init(RetentionPolicySchema, { ...general.policy });
  for (const name of names) {
    const view = init(RetentionViewSchema, {
      workflow: name,
      policy: policyView(retentionOf(state, name)),
      changed: changedText(state.get(retentionKey(name))),
      pruned: await rollupsOf(state, name),
    });
    answer.workflows.push(view);
  }
  return answer;
}

const policyView = (policy: ResolvedRetention): RetentionPolicy =>
  init(RetentionPolicySchema, {
    completedRetentionS: Number(policy.completedNs / SECOND),
    failedRetentionS: Number(policy.failedNs / SECOND),
    deadLetterRetentionS: Number(policy.deadLetterNs / SECOND),
    maxTerminalRuns: policy.maxTerminalRuns,
  });

function changedText(record: RetentionRecord | undefined): string {
  if (record === undefined) return "";
  const by = record.who === "" ? "" : ` by ${record.who}`;
  const why = record.reason === "" ? "" : `: ${record.reason}`;
  return `changed${by} at ${timeText(record.changedAtNs)}${why}`;
}

async function rollupsOf(state: PartitionState, workflow: string): Promise<RollupView[]> {
  const prefix = rollupKey(workflow, "");
  const rows = await state.range(prefix, prefixEnd(prefix), QUEUES_MAX);
  return rows.flatMap(([key]) => {
    const record = state.get<RollupRecord>(key);
    return record === undefined ? [] : [rollupView(key.slice(prefix.length), record)];
  });
}

const rollupView = (queue: string, record: RollupRecord): RollupView =>
  init(RollupViewSchema, {
    queue,
    counts: record.pruned.map((count) => init(PrunedCountSchema, { ...count })),
    itemsSucceeded: record.itemsSucceeded,
    itemsFailed: record.itemsFailed,
    firstEndedAt: timestamp(record.firstEndedNs),
    lastEndedAt: timestamp(record.lastEndedNs),
    lastPrunedAt: timestamp(record.lastPrunedNs),
  });

function sweepsOf(
  state: PartitionState,
  applied: AppliedRecord,
  partition: number,
  limit: number,
): SweepView[] {
  if (limit === 0) return [];
  return applied.sweeps.slice(-limit).flatMap((sweepNs) => {
    const record = state.get(sweepKey(sweepNs));
    if (record === undefined) return [];
    const { beganAtNs, lastAtNs, scanned, pruned, carriedForward, tombstonesForgotten } = record;
    return [
      init(SweepViewSchema, {
        partition,
        beganAt: timestamp(beganAtNs),
        endedAt: timestamp(lastAtNs),
        scanned,
        pruned: pruned.map((count) => init(PrunedCountSchema, { ...count })),
        carriedForward,
        tombstonesForgotten,
      }),
    ];
  });
}
