/**
 * Holds the books of one workflow against each other and against what is there. Reads only; mends nothing.
 *
 * I7: every run that ever began is active, has ended and is kept, or is counted in a rollup of what was pruned.
 */
import type { CountsRecord, RollupRecord } from "@holdfast/proto";

/** How many runs the indexes have of each sort. */
export interface RowsFound {
  readonly active: number;
  readonly completed: number;
  readonly completedWithFailures: number;
  readonly failed: number;
  readonly cancelled: number;
  /** In the expiry index. */
  readonly expiring: number;
  /** Rows of the dead-letter set. */
  readonly deadLetters: number;
}

/** Sentences that say what does not add up; empty: all does. */
export function checkBooks(
  counts: CountsRecord,
  rollups: readonly RollupRecord[],
  found: RowsFound,
): string[] {
  const problems: string[] = [];
  const same = (what: string, counted: number | bigint, there: number | bigint): void => {
    if (BigInt(counted) !== BigInt(there))
      problems.push(`${counted} runs are counted as ${what}, ${there} are there`);
  };
  same("active", counts.active, found.active);
  same("completed", counts.completed, found.completed);
  same("completed with failures", counts.completedWithFailures, found.completedWithFailures);
  same("failed", counts.failed, found.failed);
  same("cancelled", counts.cancelled, found.cancelled);
  const kept = counts.completed + counts.completedWithFailures + counts.failed + counts.cancelled;
  if (kept !== found.expiring)
    problems.push(
      `${kept} runs have ended and are kept, but ${found.expiring} of them wait for their pruning`,
    );
  if (counts.deadLetters !== BigInt(found.deadLetters))
    problems.push(`${counts.deadLetters} dead letters are counted, ${found.deadLetters} are there`);
  const rolledUp = rollups.reduce(
    (sum, { pruned }) => pruned.reduce((total, { runs }) => total + runs, sum),
    0n,
  );
  if (rolledUp !== counts.pruned)
    problems.push(`${counts.pruned} runs were pruned, but the rollups have ${rolledUp}`);
  const known = BigInt(counts.active) + BigInt(kept) + counts.pruned;
  if (known !== counts.started)
    problems.push(`${counts.started} runs began, but ${known} are active, kept or pruned`);
  return problems;
}
