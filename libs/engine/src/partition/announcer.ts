/**
 * Tells people what needs them, and knows what does now.
 *
 * 1. Told at least once, whatever dies meanwhile: how far it was told is in the log, and a new owner tells the rest from state.
 * 2. Work that no worker takes is told once for as long as that lasts, and once more by a new owner. How long it has been due is in state.
 */
import {
  attentionsAfter,
  breachesKey,
  dueSinceNs,
  isPaused,
  openAttention,
  prefixEnd,
  readBreakerKey,
  type DueTask,
} from "@holdfast/core";
import {
  type AppliedRecord,
  type Attention,
  AttentionKind,
  type AttentionRecord,
  AttentionSchema,
  AttentionToldSchema,
  type BreakerRecord,
  BreakerStatus,
  type Command,
  CommandSchema,
  type ListAttentionAnswer,
  ListAttentionAnswerSchema,
  type ListAttentionQuery,
  RunStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { Needed } from "./needed.js";
import { servingText } from "../dispatch/reaper.js";
import { pinned } from "./compose.js";
import type { ProcessorDeps } from "./deps.js";
import type { HeldBack } from "./held-back.js";
import type { Outbox } from "./outbox.js";
import type { PartitionState } from "./state.js";

/** Between what was told and its mark in the log, so that many share one. */
const MARK_PAUSE_MS = 1_000;
const PAGE = 128;
const LISTED_DEFAULT = 100;
const LISTED_MAX = 1_000;
/** Rows that one question looks at. */
const LOOKED_AT_MAX = 5_000;

/** Due work of one action that no worker has taken for too long. */
export interface StuckWork {
  /** The one that has waited longest. */
  readonly oldest: DueTask;
  /** By the log's time. */
  readonly sinceNs: bigint;
  readonly waitedMs: number;
  /** Tasks of the same action that have waited too long, with the oldest. */
  readonly tasks: number;
  readonly workers: number;
  /** What workers of the queue were found to lack. */
  readonly needed: Needed | undefined;
}

export interface AnnouncerDeps extends Pick<ProcessorDeps, "bus" | "clock" | "logger" | "partition"> {
  readonly outbox: Outbox;
  readonly heldBack: HeldBack;
  readonly state: () => PartitionState;
  readonly applied: () => AppliedRecord;
  readonly write: (command: Command) => void;
  /** Retention as it is now; undefined: it is in time. */
  readonly stalled: () => Attention | undefined;
}

export class Announcer {
  private acting = false;
  private toldSeq = 0n;
  private markPlanned = false;
  private stuckNow = new Map<string, Attention>();

  constructor(private readonly deps: AnnouncerDeps) {}

  /** This node has become the owner: what the last one may not have told is told. */
  async begin(): Promise<void> {
    this.acting = true;
    const { state, applied, outbox } = this.deps;
    const { attentionToldSeq: told, seq, breakers } = applied();
    let found = 0;
    for (let from: string | undefined = attentionsAfter(told); from !== undefined && this.acting; ) {
      const rows: [string, unknown][] = await state().range(from, prefixEnd("K"), PAGE);
      for (const [, row] of rows) {
        const { attention } = row as AttentionRecord;
        if (attention !== undefined) outbox.addAttention(attention);
      }
      found += rows.length;
      const last = rows.at(-1)?.[0];
      from = rows.length < PAGE || last === undefined ? undefined : `${last}\0`;
      outbox.flush();
    }
    for (const { attention, seq: foundSeq } of state().get(breachesKey)?.kept ?? []) {
      if (attention === undefined || foundSeq <= told) continue;
      outbox.addAttention(attention);
      found += 1;
    }
    if ((breakers?.open ?? 0) > 0)
      for (const { attention, record } of await this.openBreakers("")) {
        if (record.openedSeq <= told) continue;
        outbox.addAttention(attention);
        found += 1;
      }
    if (found > 0) this.mark(seq);
    outbox.flush();
  }

  stop(): void {
    this.acting = false;
    this.stuckNow = new Map();
  }

  /** What a fold asked for. Leaves with the turn. */
  tell(attention: Attention): void {
    this.deps.outbox.addAttention(attention);
    this.mark(this.deps.applied().seq);
  }

  /** All work of the partition that no worker takes, as it is now. */
  stuck(found: readonly StuckWork[]): void {
    if (!this.acting) return;
    const before = this.stuckNow;
    this.stuckNow = new Map();
    for (const work of found) {
      const { workflow, action, queue, runId } = work.oldest;
      const key = work.needed?.key ?? `${workflow}/${action}/${queue}`;
      const attention = this.stuckAttention(work);
      if (attention === undefined) continue;
      this.stuckNow.set(key, attention);
      if (before.has(key)) continue;
      this.deps.outbox.addAttention(attention);
      this.deps.logger.warn("work has been due for long, and no worker takes it", {
        run: runId,
        workflow,
        queue,
      });
    }
    this.deps.outbox.flush();
  }

  /** Since when, by the log's time, a task waits for a worker and for nothing else; undefined: it does not. */
  dueSince(due: DueTask): bigint | undefined {
    const { state, applied, heldBack } = this.deps;
    const found = pinned(state(), due.runId);
    if (found?.run.status !== RunStatus.RUNNING || isPaused(applied(), due.workflow)) return undefined;
    return heldBack.holds(due, found) ? undefined : dueSinceNs(state(), found.run, due.action);
  }

  /** What needs a person now, the newest first. */
  async list(query: ListAttentionQuery): Promise<ListAttentionAnswer> {
    const { workflow } = query;
    const limit = Math.min(query.limit || LISTED_DEFAULT, LISTED_MAX);
    const found = [...this.stuckNow.values()];
    if ((this.deps.applied().breakers?.open ?? 0) > 0)
      found.push(...(await this.openBreakers(workflow)).map(({ attention }) => attention));
    for (const { attention } of this.deps.state().get(breachesKey)?.kept ?? [])
      if (attention !== undefined) found.push(attention);
    const stalled = this.deps.stalled();
    if (stalled !== undefined) found.push(stalled);
    const runs = await this.runs(workflow, limit);
    const all = [...found.filter((one) => workflow === "" || one.workflow === workflow), ...runs.attentions]
      .map((attention) => init(AttentionSchema, { ...attention, partition: this.deps.partition }))
      .sort((a, b) => (a.atNs < b.atNs ? 1 : a.atNs > b.atNs ? -1 : 0));
    return init(ListAttentionAnswerSchema, {
      attentions: all.slice(0, limit),
      more: runs.more || all.length > limit,
    });
  }

  private async runs(workflow: string, limit: number) {
    const attentions: Attention[] = [];
    let to = prefixEnd("K");
    for (let looks = 0; looks < LOOKED_AT_MAX; looks += PAGE) {
      const rows = await this.deps.state().range("K", to, PAGE, true);
      for (const [, row] of rows) {
        const { attention } = row as AttentionRecord;
        if (attention === undefined || (workflow !== "" && attention.workflow !== workflow)) continue;
        if (attentions.length === limit) return { attentions, more: true };
        attentions.push(attention);
      }
      const last = rows.at(-1)?.[0];
      if (rows.length < PAGE || last === undefined) return { attentions, more: false };
      to = last;
    }
    return { attentions, more: true };
  }

  private async openBreakers(workflow: string) {
    const found: { readonly attention: Attention; readonly record: BreakerRecord }[] = [];
    const prefix = workflow === "" ? "B" : `B${workflow}\0`;
    for (let from: string | undefined = prefix; from !== undefined && found.length < LISTED_MAX; ) {
      const rows: [string, unknown][] = await this.deps.state().range(from, prefixEnd(prefix), PAGE);
      for (const [key, row] of rows) {
        const record = row as BreakerRecord;
        if (record.status === BreakerStatus.CLOSED) continue;
        const opened = record.transitions.findLast(({ from: was }) => was === BreakerStatus.CLOSED);
        const attention = openAttention(readBreakerKey(key), record, opened?.atNs ?? record.lastAtNs);
        found.push({ attention, record });
      }
      const last = rows.at(-1)?.[0];
      from = rows.length < PAGE || last === undefined ? undefined : `${last}\0`;
    }
    return found;
  }

  private stuckAttention({
    oldest,
    sinceNs,
    waitedMs,
    tasks,
    workers,
    needed,
  }: StuckWork): Attention | undefined {
    const { runId, action: index, item, workflow, queue } = oldest;
    const action = pinned(this.deps.state(), runId)?.plan.actions[index]?.name;
    if (action === undefined) return undefined;
    const of = item < 0 ? `action "${action}"` : `item ${item} of action "${action}"`;
    const others = tasks > 1 ? `, nor any of ${tasks - 1} more like it` : "";
    const advice =
      workers === 0
        ? needed === undefined
          ? "start one"
          : "start one of the version that has it"
        : "start more, let them take more at once, or look at what they do";
    const waitedS = Math.floor(waitedMs / 1_000);
    const forText = waitedS < 120 ? `${waitedS} s` : `${Math.floor(waitedS / 60)} min`;
    return init(AttentionSchema, {
      kind: AttentionKind.STUCK,
      workflow,
      runId,
      action,
      queue,
      message: `run ${runId} does not move: no worker has taken ${of} for ${forText}${others}. ${servingText(queue, workers, needed)}: ${advice}`,
      atNs: sinceNs,
    });
  }

  /** Says to the log, after a moment, that all up to `seq` was told. */
  private mark(seq: bigint): void {
    if (seq > this.toldSeq) this.toldSeq = seq;
    if (this.markPlanned) return;
    this.markPlanned = true;
    this.deps.clock.after(MARK_PAUSE_MS, () => void this.writeMark());
  }

  private async writeMark(): Promise<void> {
    const upToSeq = this.toldSeq;
    this.markPlanned = false;
    try {
      // Only what has left is told.
      await this.deps.bus.flush();
    } catch (error) {
      this.deps.logger.warn("it is not known whether what needs a person was told; it is told again", {
        err: error,
      });
      if (this.acting) this.mark(upToSeq);
      return;
    }
    if (!this.acting) return;
    const value = init(AttentionToldSchema, { upToSeq });
    this.deps.write(init(CommandSchema, { kind: { case: "attentionTold", value } }));
  }
}
