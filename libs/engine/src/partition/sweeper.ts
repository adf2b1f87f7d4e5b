/**
 * Finds what may be pruned and says so to the log, piece by piece; the fold decides what goes.
 *
 * 1. One piece is under way at a time: a sweep never crowds out work.
 * 2. Costs what is due: of each workflow, the first row of each index is looked at. Within a sweep each piece begins where the one before
 *    stood, since LevelDB passes over every row that was deleted before.
 * 3. What does not get on is told: again and again, as long as it lasts.
 * 4. Sleeps until something can be due: no run expires sooner than the shortest retention from now, and it is woken where that gets shorter.
 */
import {
  countsKey,
  type ExpiryClass,
  expiryPrefix,
  prefixEnd,
  readExpiryKey,
  type ResolvedRetention,
  retentionOf,
  shareOfTerminalRuns,
  u64,
} from "@holdfast/core";
import { type Command, CommandSchema, type Prune, PruneKind, PruneSchema } from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import type { ProcessorDeps } from "./deps.js";
import { workflowNames } from "./due-work.js";
import type { LogTime } from "./log-time.js";
import type { PartitionState } from "./state.js";

const MS = 1_000_000n;
const WORKFLOWS_MAX = 100_000;
const GARBAGE_A_SWEEP = 100;
/** Looks at how far behind it is, in the time that it may be behind. */
const WATCHES = 10;

export interface SweeperDeps extends ProcessorDeps {
  readonly state: () => PartitionState;
  readonly logTime: Pick<LogTime, "nowNs">;
  /** Resolves once the command was folded. */
  readonly write: (command: Command) => Promise<void>;
  /** It is behind by more than it may be. */
  readonly stalled: (behindMs: number) => void;
}

interface Due {
  /** The key of the first row. */
  readonly first: string;
  /** When the oldest row fell due. */
  readonly sinceNs: bigint;
  /** Rows up to this time, as the index has it, may go. */
  readonly upToNs: bigint;
}

export class Sweeper {
  private cancelTimer: (() => void) | undefined;
  private cancelWatch: (() => void) | undefined;
  private sweeping = false;
  private stopped = true;
  private wanted = false;
  /** When the oldest row that is due fell due, as the last sweep found it. */
  private dueSinceNs: bigint | undefined;
  private toldMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly deps: SweeperDeps) {}

  /** How long the oldest row that is due has been due, in milliseconds; 0: none is. It grows while a sweep does not get on. */
  get behindMs(): number {
    if (this.dueSinceNs === undefined) return 0;
    return Math.max(0, Number((this.deps.logTime.nowNs() - this.dueSinceNs) / MS));
  }

  /**
   * It is behind by more than it may be. A node that was cut off, or has only just begun, has so much time to catch up: what could not be
   * done meanwhile is not behind by anybody's fault.
   */
  get isStalled(): boolean {
    const { hearing, limits } = this.deps;
    return Math.min(this.behindMs, hearing.forMs) > limits.sweepBehindMaxMs;
  }

  /** Begins to sweep now and then. */
  begin(): void {
    this.stopped = false;
    this.sleep(this.deps.limits.sweepPauseMs);
    this.watch();
  }

  stop(): void {
    this.stopped = true;
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    this.cancelWatch?.();
    this.cancelWatch = undefined;
    this.dueSinceNs = undefined;
  }

  /** Something may be due sooner than was thought. */
  wake(): void {
    if (this.stopped) return;
    this.wanted = true;
    if (!this.sweeping) this.sleep(0);
  }

  private sleep(ms: number): void {
    this.cancelTimer?.();
    this.cancelTimer = this.deps.clock.after(ms, () => void this.sweepOnce());
  }

  private async sweepOnce(): Promise<void> {
    const { limits, logTime, logger, partition } = this.deps;
    if (this.sweeping || this.stopped) return;
    this.sweeping = true;
    this.wanted = false;
    let pauseMs = limits.sweepPauseMs;
    try {
      pauseMs = await this.sweep(logTime.nowNs());
    } catch (error) {
      if (this.stopped) return;
      logger.error("a retention sweep failed; it is tried again", { partition, err: error });
    } finally {
      this.sweeping = false;
    }
    if (!this.stopped) this.sleep(this.wanted ? 0 : pauseMs);
  }

  /** Until when nothing can be due again, in milliseconds from now. */
  private async sweep(nowNs: bigint): Promise<number> {
    const { limits } = this.deps;
    const state = this.deps.state();
    let nextNs = nowNs + BigInt(limits.sweepPauseMaxMs) * MS;
    let oldestNs = nowNs;
    const workflows = await workflowNames(state, WORKFLOWS_MAX);
    const todo: { readonly kind: PruneKind; readonly expiry: ExpiryClass; readonly workflow: string }[] = [];
    for (const workflow of workflows) {
      const policy = retentionOf(state, workflow);
      for (const span of [policy.completedNs, policy.failedNs, policy.deadLetterNs])
        if (nowNs + span < nextNs) nextNs = nowNs + span;
      if (policy.maxTerminalRuns > 0) nextNs = nowNs;
      for (const [expiry, kind] of CLASSES) {
        const due = await this.due(workflow, expiry, policy, nowNs);
        if (due === undefined) continue;
        if (due.sinceNs > nowNs) {
          if (due.sinceNs < nextNs) nextNs = due.sinceNs;
          continue;
        }
        if (due.sinceNs < oldestNs) oldestNs = due.sinceNs;
        todo.push({ kind, expiry, workflow });
      }
    }
    this.dueSinceNs = todo.length === 0 ? undefined : oldestNs;
    for (const { kind, expiry, workflow } of todo) {
      for (let last = "", fromNs = 0n; !this.stopped; ) {
        const policy = retentionOf(state, workflow);
        const due = await this.due(workflow, expiry, policy, nowNs, fromNs);
        // The log's clock is behind this node's: what is due here is not due there yet.
        if (due === undefined || due.sinceNs > nowNs || due.first === last) break;
        last = due.first;
        fromNs = readExpiryKey(last).atNs;
        await this.prune({ kind, workflow, sweepNs: nowNs, fromNs, upToNs: due.upToNs });
      }
    }
    await this.forget(nowNs);
    await this.removeGarbage();
    this.dueSinceNs = undefined;
    const pauseMs = Number((nextNs - nowNs) / MS) + 1;
    return Math.min(Math.max(pauseMs, limits.sweepPauseMs), limits.sweepPauseMaxMs);
  }

  /** Looks now and then whether sweeps get on: one that waits for the log can't say so itself. */
  private watch(): void {
    const { clock, limits, logger, partition } = this.deps;
    this.cancelWatch = clock.after(Math.ceil(limits.sweepBehindMaxMs / WATCHES), () => {
      const { behindMs } = this;
      const nowMs = clock.monotonicMs();
      if (this.isStalled && nowMs - this.toldMs >= limits.sweepBehindMaxMs) {
        this.toldMs = nowMs;
        this.deps.stalled(behindMs);
        logger.error("retention is behind: ended runs that should be gone are still kept", {
          partition,
          behindMs,
        });
      }
      this.watch();
    });
  }

  /** When the first row of an index, from a time on, falls due, or fell; undefined: there is none. */
  private async due(
    workflow: string,
    expiry: ExpiryClass,
    policy: ResolvedRetention,
    nowNs: bigint,
    fromNs = 0n,
  ): Promise<Due | undefined> {
    const prefix = expiryPrefix(expiry, workflow);
    const rows = await this.deps.state().range(prefix + u64(fromNs), prefixEnd(prefix), 1);
    const first = rows[0]?.[0];
    if (first === undefined) return undefined;
    const { atNs } = readExpiryKey(first);
    if (expiry !== "completed") return { first, sinceNs: atNs, upToNs: nowNs };
    const share = shareOfTerminalRuns(policy, this.deps.log.partitions);
    const counts = this.deps.state().get(countsKey(workflow));
    const kept =
      (counts?.completed ?? 0) +
      (counts?.completedWithFailures ?? 0) +
      (counts?.failed ?? 0) +
      (counts?.cancelled ?? 0);
    if (share !== undefined && kept > share) return { first, sinceNs: nowNs, upToNs: nowNs };
    const sinceNs = atNs + policy.completedNs;
    return { first, sinceNs, upToNs: nowNs > policy.completedNs ? nowNs - policy.completedNs : 0n };
  }

  private async forget(nowNs: bigint): Promise<void> {
    const state = this.deps.state();
    const due = (): Promise<unknown[]> => state.range("j", `j${u64(nowNs)}`, 1);
    for (let last = ""; !this.stopped; ) {
      const first = (await due())[0] as [string, unknown] | undefined;
      if (first === undefined || first[0] === last) return;
      last = first[0];
      await this.prune({ kind: PruneKind.TOMBSTONES, sweepNs: nowNs, upToNs: nowNs });
    }
  }

  private async removeGarbage(): Promise<void> {
    const rows = await this.deps.state().range("g", "h", GARBAGE_A_SWEEP);
    for (const [key] of rows) {
      while (!this.stopped && this.deps.state().get(key) !== undefined)
        await this.prune({ kind: PruneKind.GARBAGE, runId: key.slice(1) });
    }
    if (rows.length === GARBAGE_A_SWEEP) this.wanted = true;
  }

  private prune(fields: Init<Prune>): Promise<void> {
    return this.deps.write(
      init(CommandSchema, { kind: { case: "prune", value: init(PruneSchema, fields) } }),
    );
  }
}

const CLASSES: readonly (readonly [ExpiryClass, PruneKind])[] = [
  ["completed", PruneKind.COMPLETED],
  ["failed", PruneKind.FAILED],
  ["dead", PruneKind.DEAD_LETTERS],
];
