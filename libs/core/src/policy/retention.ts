/**
 * How long ended runs are kept. The policy in force is asked for at each use, so that a change counts at once.
 *
 * Each part is taken from the first that says something of it: an operator's word for the workflow, the workflow's latest
 * definition, an operator's word for all workflows, the default.
 */
import type { RetentionPolicy } from "@holdfast/proto";
import {
  COMPLETED_RETENTION_DEFAULT_S,
  DEAD_LETTER_RETENTION_DEFAULT_S,
  FAILED_RETENTION_DEFAULT_S,
  RETENTION_S_MAX,
} from "../limits.js";
import { definitionKey, latestKey, retentionKey } from "../state/tables.js";
import type { View } from "../state/view.js";
import { spanText } from "../text.js";

const SECOND = 1_000_000_000n;

export interface ResolvedRetention {
  readonly completedNs: bigint;
  /** The floor. */
  readonly failedNs: bigint;
  readonly deadLetterNs: bigint;
  /** Of the whole cluster; 0: no limit. */
  readonly maxTerminalRuns: number;
}

export function retentionOf(view: View, workflow: string): ResolvedRetention {
  const said = view.get(retentionKey(workflow))?.policy;
  const hash = view.get(latestKey(workflow))?.hash ?? "";
  const defined = hash === "" ? undefined : view.get(definitionKey(hash))?.definition?.retention;
  const general = view.get(retentionKey(""))?.policy;
  const first = (part: (policy: RetentionPolicy) => number, otherwise: number): number => {
    for (const policy of [said, defined, general]) {
      const value = policy === undefined ? 0 : part(policy);
      if (value > 0) return value;
    }
    return otherwise;
  };
  const ns = (part: (policy: RetentionPolicy) => number, otherwise: number): bigint =>
    BigInt(first(part, otherwise)) * SECOND;
  return {
    completedNs: ns((policy) => policy.completedRetentionS, COMPLETED_RETENTION_DEFAULT_S),
    failedNs: ns((policy) => policy.failedRetentionS, FAILED_RETENTION_DEFAULT_S),
    deadLetterNs: ns((policy) => policy.deadLetterRetentionS, DEAD_LETTER_RETENTION_DEFAULT_S),
    maxTerminalRuns: first((policy) => policy.maxTerminalRuns, 0),
  };
}

/** Ended runs of a workflow that one of so many partitions keeps; undefined: no limit. */
export function shareOfTerminalRuns(
  { maxTerminalRuns }: ResolvedRetention,
  partitions: number,
): number | undefined {
  return maxTerminalRuns === 0 ? undefined : Math.ceil(maxTerminalRuns / Math.max(partitions, 1));
}

/** What is wrong with a policy; undefined: nothing. */
export function retentionProblem(policy: RetentionPolicy): string | undefined {
  const spans: [string, number][] = [
    ["completed_retention_s", policy.completedRetentionS],
    ["failed_retention_s", policy.failedRetentionS],
    ["dead_letter_retention_s", policy.deadLetterRetentionS],
  ];
  for (const [what, seconds] of spans) {
    if (!Number.isInteger(seconds) || seconds < 0 || seconds > RETENTION_S_MAX)
      return `${what} is ${seconds}: it must be a whole number of seconds, at most ${RETENTION_S_MAX}`;
  }
  if (!Number.isInteger(policy.maxTerminalRuns) || policy.maxTerminalRuns < 0)
    return `max_terminal_runs is ${policy.maxTerminalRuns}: it must be a whole number, 0 for no limit`;
  return undefined;
}

/** Policies in words, for tombstones and people. */
export const completedText = ({ completedNs }: ResolvedRetention): string =>
  `completed runs are kept ${spanText(completedNs / 1_000_000n)}`;
export const failedText = ({ failedNs }: ResolvedRetention): string =>
  `failed runs are kept ${spanText(failedNs / 1_000_000n)}`;
export const deadLetterText = ({ deadLetterNs }: ResolvedRetention): string =>
  `dead letters are kept ${spanText(deadLetterNs / 1_000_000n)}`;
export const maxTerminalText = ({ maxTerminalRuns }: ResolvedRetention): string =>
  `at most ${maxTerminalRuns} ended runs are kept`;
