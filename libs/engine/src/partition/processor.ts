/**
 * A partition at work on this node: reads its log, folds it, keeps its state, and, as the log's owner, acts.
 *
 * 1. Entries are folded in order, each once; the applied sequence is stored with the state it belongs to.
 * 2. Effects follow the fold, never precede the log's entry, and are acted on only by the owner that the log names.
 * 3. On any doubt about log or state the partition stops and says why; it never folds over a gap.
 */
import {
  appliedKey,
  type FoldEffect,
  foldEntry,
  pausedText,
  prefetch,
  SCHEMA_VERSION,
  SEMANTICS,
  skipEntry,
  type DueTask,
} from "@holdfast/core";
import {
  type AppliedRecord,
  AppliedRecordSchema,
  CommandBatchSchema,
  type CommandBatch,
  type PartitionStatus,
  PausedWorkflowViewSchema,
  PartitionStatusSchema,
  type QueryRequest,
  type QueryResponse,
  type Task,
  type TaskReport,
  CommandSchema,
} from "@holdfast/proto";
import { DecodeError, decode, init } from "@holdfast/proto/codec";
import type { LogEntry } from "../ports/command-log.js";
import { PortError } from "../ports/errors.js";
import type { PartitionStore } from "../ports/state-store.js";
import { actingOn } from "./act.js";
import type { StuckWork } from "./announcer.js";
import { composeTask, pinned } from "./compose.js";
import type { ProcessorDeps } from "./deps.js";
import { FoldWaiters } from "./fold-waiters.js";
import { migrate } from "./migrate.js";
import { digestOf, openStore, verifyLog } from "./open.js";
import { Notices } from "./notices.js";
import { Outbox } from "./outbox.js";
import { Owner } from "./owner.js";
import { answerQuery } from "./queries.js";
import { settleRows, withRows } from "./read-rows.js";
import { PartitionState } from "./state.js";
import { type PendingTimer, pendingTimers } from "./timers.js";

export type ProcessorState = "opening" | "catching-up" | "following" | "acting" | "stopped";

export class Processor {
  readonly partition: number;
  private phase: ProcessorState = "opening";
  private problem = "";
  private db: PartitionStore | undefined;
  private state!: PartitionState;
  private applied!: AppliedRecord;
  private lastEntry: Uint8Array | undefined;
  private lastSeq = 0;
  private commitPlanned = false;
  private readonly abort = new AbortController();
  private readonly outbox: Outbox;
  private owner: Owner;
  /** Workers may have tasks from this node. */
  private hasDispatched = false;
  readonly notices: Notices;
  private readonly acting: (effect: FoldEffect) => void;
  private following: Promise<void> | undefined;
  private readonly waiters: FoldWaiters;

  constructor(private readonly deps: ProcessorDeps) {
    this.partition = deps.partition;
    this.outbox = new Outbox(deps.bus, deps.partition);
    this.waiters = new FoldWaiters(deps.clock, () => Number(this.applied.seq));
    this.notices = new Notices({
      deps,
      outbox: this.outbox,
      state: () => this.state,
      atNs: () => this.applied.atNs,
      write: (command) => this.owner.write(command),
    });
    this.owner = this.newOwner();
    this.acting = actingOn({
      processor: this,
      deps,
      owner: () => this.owner,
      outbox: this.outbox,
      seq: () => this.applied.seq,
    });
  }

  /**
   * Opens the state, checks it against the log, folds what the log has beyond it, and goes on following. Resolves when
   * caught up. Rejects, and stays stopped with the problem, where log and state do not belong together.
   */
  async start(): Promise<void> {
    try {
      const target = await this.open();
      this.phase = "catching-up";
      const caughtUp = this.waiters.until(target);
      this.following = this.follow();
      await Promise.race([caughtUp, this.following]);
      if (this.problem !== "") throw new PortError("log-gap", this.problem);
      this.phase = "following";
    } catch (error) {
      this.stopWith(error);
      throw error;
    }
  }

  /** Announces this node as owner and resolves once it acts. Again after another node was the owner. */
  async own(): Promise<void> {
    if (this.phase !== "following") return;
    if (this.owner.isOver) this.owner = this.newOwner();
    this.hasDispatched = true;
    await this.owner.announce(this.applied.ownerEpoch + 1n);
    this.phase = "acting";
  }

  /** Another node is the owner: this one goes on following the log, and may own the partition again. */
  lost(): void {
    if (this.phase === "acting") this.phase = "following";
  }

  private newOwner(): Owner {
    return new Owner(
      this.deps,
      this,
      () => this.state,
      () => this.applied,
      this.outbox,
    );
  }

  /** When the log was created that this state is of. */
  get incarnation(): bigint {
    return this.applied.streamCreatedNs;
  }

  get epoch(): bigint {
    return this.applied.ownerEpoch;
  }

  get nextTimerMs(): number | undefined {
    return this.owner.nextTimerMs;
  }

  timers = (limit: number): Promise<PendingTimer[]> => pendingTimers(this.state, limit);

  get breakers(): { readonly open: number; readonly held: number } {
    return this.applied?.breakers ?? { open: 0, held: 0 };
  }

  get retentionBehindMs(): number {
    return this.owner.sweeper.behindMs;
  }

  /** Stores what is folded, and stops. */
  async stop(): Promise<void> {
    this.owner.stop();
    this.abort.abort();
    await this.following?.catch(() => undefined);
    if (this.db !== undefined && this.problem === "")
      await this.commit().catch((error: unknown) => this.stopWith(error));
    this.phase = "stopped";
    await this.db?.close();
    this.db = undefined;
  }

  status(readyTasks: number, inFlightTasks: number): PartitionStatus {
    return init(PartitionStatusSchema, {
      partition: this.partition,
      state: this.phase,
      owner: this.applied?.owner ?? "",
      epoch: this.applied?.ownerEpoch ?? 0n,
      appliedSeq: this.applied?.seq ?? 0n,
      lastSeq: BigInt(this.lastSeq),
      problem: this.problem,
      readyTasks,
      inFlightTasks,
      retentionBehindMs: BigInt(this.retentionBehindMs),
      openBreakers: this.breakers.open,
      heldActions: this.breakers.held,
      paused: (this.applied?.paused ?? []).map(({ workflow }) =>
        init(PausedWorkflowViewSchema, { workflow, text: pausedText(this.applied, workflow) ?? "" }),
      ),
    });
  }

  /** Resolves once the entry `seq` has been folded. */
  folded(seq: number): Promise<void> {
    return this.waiters.until(seq);
  }

  /** What a worker is sent for a due task; undefined where it is due no more. */
  compose(due: DueTask): Task | undefined | Promise<Task> {
    if (!this.owner.isActing) return undefined;
    const found = pinned(this.state, due.runId);
    if (found === undefined || this.owner.heldBack.holds(due, found)) return undefined;
    return composeTask(
      {
        view: this.state,
        payloads: this.deps.payloads,
        partition: this.partition,
        epoch: this.epoch,
        applied: this.applied,
      },
      due,
      found,
    );
  }

  /** What is fixed of an action's tasks; undefined where the run is not known. */
  taskInfo(
    runId: string,
    action: number,
  ): { readonly queue: string; readonly startToCloseMs: number; readonly workflow: string } | undefined {
    const found = pinned(this.state, runId);
    const plan = found?.plan.actions[action];
    if (found === undefined || plan === undefined) return undefined;
    return { queue: plan.queue, startToCloseMs: plan.startToCloseMs, workflow: found.run.workflow };
  }

  /** Appends how an attempt ended whose worker can't say so itself. */
  reportFor(report: TaskReport): void {
    this.owner.write(init(CommandSchema, { kind: { case: "taskReport", value: report } }));
  }

  /** A task that was offered is not kept: it is looked up in state later. */
  overflowed(): void {
    this.owner.overflowed();
  }

  /** There is room for due tasks again: those that found none are looked up in state. */
  roomAgain(): void {
    this.owner.findDue();
  }

  async query(request: QueryRequest): Promise<QueryResponse> {
    return await answerQuery(
      {
        partition: this.partition,
        view: () => this.state,
        applied: () => this.applied,
        phase: () => this.phase,
        problem: () => this.problem,
        foldedInTime: (seq) => this.waiters.inTime(seq, this.deps.limits.readYourWritesMs),
        onChecked: (found) => this.notices.checked(found),
        serving: (queue, workflow) => this.deps.sink.serving(queue, workflow),
        attention: (query) => this.owner.announcer.list(query),
      },
      request,
    );
  }

  /** Since when, by the log's time, a task waits for a worker and for nothing else; undefined: it does not. */
  dueSince(task: DueTask): bigint | undefined {
    return this.owner.isActing ? this.owner.announcer.dueSince(task) : undefined;
  }

  /** All its due work that no worker takes, as it is now. */
  stuck(work: readonly StuckWork[]): void {
    this.owner.announcer.stuck(work);
  }

  private async open(): Promise<number> {
    const { partition, log, limits, logger } = this.deps;
    this.db = await openStore(this.deps);
    this.state = new PartitionState(this.db, limits.cacheRecords);
    this.applied =
      this.state.get(appliedKey) ??
      init(AppliedRecordSchema, {
        partition,
        partitions: log.partitions,
        schema: SCHEMA_VERSION,
        semantics: SEMANTICS,
      });
    const info = await verifyLog(log, partition, this.applied);
    await migrate(this.state, this.applied, logger);
    this.applied.streamCreatedNs = info.createdNs;
    this.lastSeq = info.lastSeq;
    return info.lastSeq;
  }

  private async follow(): Promise<void> {
    const { log, partition, limits } = this.deps;
    try {
      for await (const entries of log.read(partition, Number(this.applied.seq) + 1, this.abort.signal)) {
        for (const entry of entries) await this.foldOne(entry);
        this.endTurn();
        if (this.state.dirtyCount > limits.dirtyRecordsMax) await this.commit();
      }
    } catch (error) {
      this.stopWith(error);
      throw error;
    }
  }

  private async foldOne(entry: LogEntry): Promise<void> {
    const { metrics, limits, logger, partition } = this.deps;
    if (entry.seq !== Number(this.applied.seq) + 1) {
      throw new PortError(
        "log-gap",
        `partition ${partition}: entry ${entry.seq} came after ${this.applied.seq}`,
      );
    }
    let batch: CommandBatch;
    try {
      batch = decode(CommandBatchSchema, entry.data);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      metrics.unreadable.inc();
      logger.error("an entry of the log can't be read and is passed over", {
        partition,
        seq: entry.seq,
        err: error,
      });
      skipEntry(this.state, this.applied, entry.seq, entry.atNs);
      this.afterEntry(entry);
      return;
    }
    const keys = new Set<string>();
    prefetch(batch, this.applied, keys);
    const missing = this.state.missing(keys);
    if (missing.length > limits.syncReadsMax) await this.state.load(missing);
    const whole = await withRows(this.state, entry, batch);
    settleRows(this.state, whole);
    const effects = foldEntry(this.state, this.applied, whole);
    metrics.commands.inc(batch.commands.length);
    metrics.entries.inc();
    for (const effect of effects) {
      // Until this node's own announcement is folded, nothing else is its business; what is due is then found in state.
      // But an attempt that ended frees its place at the worker, whoever is the owner by then.
      if (this.owner.isActing || effect.kind === "owner" || (effect.kind === "closed" && this.hasDispatched))
        this.acting(effect);
    }
    this.afterEntry(entry);
  }

  private afterEntry(entry: LogEntry): void {
    this.lastEntry = entry.data;
    if (entry.seq > this.lastSeq) this.lastSeq = entry.seq;
    this.waiters.folded(entry.seq);
  }

  private endTurn(): void {
    // In this order tasks and outcomes leave in one write: the sink sends in a microtask, and the connection in a later one.
    this.deps.sink.turnEnded();
    this.outbox.flush();
    this.owner.courier.flush();
    if (this.commitPlanned || this.abort.signal.aborted) return;
    this.commitPlanned = true;
    this.deps.clock.after(this.deps.limits.commitIntervalMs, () => {
      this.commitPlanned = false;
      if (this.abort.signal.aborted || this.problem !== "") return;
      this.commit().catch((error: unknown) => this.stopWith(error));
    });
  }

  private async commit(): Promise<void> {
    await this.state.commit(() => {
      if (this.lastEntry !== undefined) this.applied.digest = digestOf(this.lastEntry);
      this.state.put(appliedKey, this.applied);
    });
    this.deps.metrics.commits.inc();
  }

  private stopWith(error: unknown): void {
    if (this.problem !== "" || this.abort.signal.aborted) return;
    this.problem = error instanceof Error ? error.message : String(error);
    this.phase = "stopped";
    this.owner.stop();
    this.abort.abort();
    this.deps.logger.fatal("the partition stopped", { partition: this.partition, err: error });
  }
}
