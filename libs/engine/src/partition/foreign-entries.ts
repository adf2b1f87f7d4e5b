/**
 * Entries of a partition's log that somebody else wrote in its owner's name: told, and counted. What is done about them is the owner's business.
 *
 * 1. Who may publish to the log can write whatever the owner can (ADR 51): what such an entry says has been folded. People have to know.
 * 2. The log has a line of it at a bounded rate; the node's health warns while the last one is recent.
 */
import type { ProcessorDeps } from "./deps.js";

/** For so long after the last one health warns. */
const RECENT_MS = 300_000;

export class ForeignEntries {
  private count = 0;
  private lastMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly deps: Pick<ProcessorDeps, "partition" | "clock" | "guard" | "metrics">) {}

  /** `entry`: one with the owner's stamp. `announcement`: of another owner, which no living node made, or in this node's own name. */
  saw(what: "entry" | "announcement", epoch: bigint, n = 0n): void {
    const { partition, clock, guard, metrics } = this.deps;
    this.count += 1;
    this.lastMs = clock.monotonicMs();
    metrics.foreign.inc();
    guard.logger.error("the log holds what its owner should have written and did not: it goes on behind it", {
      partition,
      what,
      epoch: String(epoch),
      n: String(n),
    });
  }

  /** For people; undefined: there was none for a while. */
  get warning(): string | undefined {
    const { partition, clock } = this.deps;
    const agoMs = clock.monotonicMs() - this.lastMs;
    if (agoMs > RECENT_MS) return undefined;
    const times = this.count === 1 ? "once" : `${this.count} times`;
    return `somebody wrote to the log of partition ${partition} in its owner's name, ${times} since this node started, last ${Math.round(agoMs / 1_000)} s ago: the owner goes on, but what was written counts. Find who else may publish to holdfast.log.${partition}, and take that right away`;
  }
}
