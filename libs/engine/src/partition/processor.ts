/**
 * A partition at work on this node: reads its log, folds it, keeps its state, and, as the log's owner, acts.
 *
 * 1. Entries are folded in order, each once; the applied sequence is stored with the state it belongs to.
 * 2. Effects follow the fold, never precede the log's entry, and are acted on only by the owner that the log names.
 * 3. On any doubt about log or state the partition stops and says why; it never folds over a gap.
 */
import { appliedKey, type FoldEffect, foldEntry, skipEntry, type DueTask } from "@holdfast/core";
import {
  type AppliedRecord,
  type PartitionStatus,
  type QueryRequest,
  type QueryResponse,
  type Task,
  type TaskRef,
  type TaskReport,
  CommandSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { LogEntry } from "../ports/command-log.js";
import { PortError } from "../ports/errors.js";
import type { PartitionStore } from "../ports/state-store.js";
import { actingOn } from "./act.js";
import type { StuckWork } from "./announcer.js";
import { composeTask, pinned, type TaskInfo } from "./compose.js";
import type { ProcessorDeps } from "./deps.js";
import type { DueFinder } from "./due-finder.js";
import { currentTaskOf } from "./due-work.js";
import { ForeignEntries } from "./foreign-entries.js";
import { FoldFaults } from "./fold-faults.js";
import { FoldWaiters } from "./fold-waiters.js";
import { LogTime } from "./log-time.js";
import { migrate } from "./migrate.js";
import { type Functions, lackingOf, type Needed } from "./needed.js";
import { digestOf, nothingApplied, openStore, verifyLog } from "./open.js";
import { Notices } from "./notices.js";
import { Outbox } from "./outbox.js";
import { Owner } from "./owner.js";
import { answerQuery } from "./queries.js";
import { settleRows, withRows } from "./read-rows.js";
import { PartitionState } from "./state.js";
import { type Beside, NOTHING_BESIDE, partitionStatus, stoppedText, troubleText } from "./status.js";
import { type PendingTimer, pendingTimers } from "./timers.js";

export type ProcessorState = "opening" | "catching-up" | "following" | "acting" | "stopped";

export class Processor {
  readonly partition: number;
  phase: ProcessorState = "opening";
  private problem = "";
  /** What stopped it; undefined while it is not stopped. */
  stoppedBy: unknown;
  /** It has announced itself, or is about to, and does not act yet. */
  claiming: Promise<void> | undefined;
  /** Of its last announcement that was folded; 0: of none since the node was started. */
  announcedEpoch = 0n;
  /** Which start of a node made the last announcement that was folded; empty: none since this node was started. */
  ownerProcess = "";
  private db: PartitionStore | undefined;
  private state!: PartitionState;
  private applied!: AppliedRecord;
  private lastEntry: Uint8Array | undefined;
  lastSeq = 0;
  private commitPlanned = false;
  private abort = new AbortController();
  private readonly outbox: Outbox;
  private owner: Owner;
  readonly notices: Notices;
  readonly foreign: ForeignEntries;
  readonly logTime: LogTime;
  private readonly acting: (effect: FoldEffect) => void;
  private following: Promise<void> | undefined;
  private readonly waiters: FoldWaiters;
  private readonly faults: FoldFaults;

  constructor(private readonly deps: ProcessorDeps) {
    this.partition = deps.partition;
    this.faults = new FoldFaults(deps, (inbox, outcome) => {
      if (!this.owner.isActing) return;
      this.outbox.addOutcome(inbox, outcome);
      this.outbox.flush();
    });
    this.foreign = new ForeignEntries(deps);
    this.outbox = new Outbox(deps.bus, deps.partition, deps.guard);
    this.logTime = new LogTime(deps.clock, () => this.applied.atNs);
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

  /** Opens it again after it stopped; rejects, and stays stopped, where that fails again. */
  async restart(): Promise<void> {
    await this.following?.catch(() => undefined);
    await this.db?.close().catch(() => undefined);
    this.db = undefined;
    this.lastEntry = undefined;
    this.abort = new AbortController();
    this.owner = this.newOwner();
    this.stoppedBy = undefined;
    this.problem = "";
    this.phase = "opening";
    await this.start();
  }

  /** Announces this node as owner and resolves once it acts. Again after another node was the owner. */
  own(): Promise<void> {
    this.claiming ??= this.announce().finally(() => {
      this.claiming = undefined;
    });
    return this.claiming;
  }

  private async announce(): Promise<void> {
    if (this.phase !== "following") return;
    if (this.owner.isOver) this.owner = this.newOwner();
    const { owner } = this;
    await owner.announce(this.applied.ownerEpoch + 1n);
    if (!owner.isOver) this.phase = "acting";
  }

  /** Another node is the owner: this one goes on following the log, and may own the partition again. */
  lost(): void {
    this.deps.sink.lost(this);
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
    return this.applied?.ownerEpoch ?? 0n;
  }

  /** Who owns the partition by the log; empty: nobody ever did. */
  get ownerNode(): string {
    return this.applied?.owner ?? "";
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

  /** `beside`: what its node knows of it. */
  status(readyTasks: number, inFlightTasks: number, beside: Beside = NOTHING_BESIDE): PartitionStatus {
    const problem =
      stoppedText(this.problem, this.stoppedBy) || troubleText(this.partition, this.owner.trouble);
    return partitionStatus(this, this.applied, { readyTasks, inFlightTasks, problem, ...beside });
  }

  /** Resolves once the entry `seq` has been folded. */
  folded(seq: number): Promise<void> {
    return this.waiters.until(seq);
  }

  /** Resolves once all that the log holds now has been folded; false where that takes longer, or can't be known. */
  async foldedToEnd(withinMs: number): Promise<boolean> {
    if (this.phase !== "acting") return false;
    const { lastSeq } = await this.deps.log.info(this.partition);
    return await this.waiters.inTime(lastSeq, withinMs);
  }

  /** What a worker is sent for a due task; undefined where it is due no more. Given what a worker has: what it lacks for it, if anything. */
  compose(due: DueTask, functions?: Functions): Task | Needed | undefined | Promise<Task> {
    if (!this.owner.isActing) return undefined;
    const found = pinned(this.state, due.runId);
    if (found === undefined || this.owner.heldBack.holds(due, found)) return undefined;
    const lacking = functions === undefined ? undefined : lackingOf(this.state, due, found, functions);
    if (lacking !== undefined) return lacking;
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
  taskInfo(runId: string, action: number): TaskInfo | undefined {
    const found = pinned(this.state, runId);
    const plan = found?.plan.actions[action];
    if (found === undefined || plan === undefined) return undefined;
    return { queue: plan.queue, startToCloseMs: plan.startToCloseMs, workflow: found.run.workflow };
  }

  /** A worker's attempt, where this node acts and it is the current one; undefined: it is over, or others see to it. */
  taskOf(ref: TaskRef): DueTask | undefined {
    return this.owner.isActing ? currentTaskOf(this.state, ref) : undefined;
  }

  /** Appends how an attempt ended whose worker can't say so itself. */
  reportFor(report: TaskReport): void {
    this.owner.write(init(CommandSchema, { kind: { case: "taskReport", value: report } }));
  }

  /** A task that was offered is not kept: it is looked up in state later. */
  overflowed(task: DueTask): void {
    this.owner.overflowed(task);
  }

  get due(): DueFinder {
    return this.owner.dueFinder;
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
        serving: (queue, workflow, needed) => this.deps.sink.serving(queue, workflow, needed),
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
    this.applied = this.state.get(appliedKey) ?? nothingApplied(partition, log.partitions);
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
    const { metrics, limits, partition } = this.deps;
    if (entry.seq !== Number(this.applied.seq) + 1) {
      const found = `entry ${entry.seq} came after ${this.applied.seq}`;
      throw new PortError("log-gap", `partition ${partition}: ${found}`);
    }
    const batch = this.faults.read(entry);
    if (batch === undefined) {
      skipEntry(this.state, this.applied, entry.seq, entry.atNs);
      this.afterEntry(entry);
      return;
    }
    const missing = this.state.missing(this.faults.keysOf(batch, this.applied));
    if (missing.length > limits.syncReadsMax) await this.state.load(missing);
    const whole = await withRows(this.state, entry, batch);
    settleRows(this.state, whole);
    const effects = this.faults.watch(entry, batch, () => foldEntry(this.state, this.applied, whole));
    metrics.commands.inc(batch.commands.length);
    metrics.entries.inc();
    for (const effect of effects) {
      // Until this node's own announcement is folded, nothing else is its business; what is due is then found in state.
      if (this.owner.isActing || effect.kind === "owner") this.acting(effect);
    }
    if (batch.owner !== undefined) this.owner.saw(batch.owner, entry.data);
    this.afterEntry(entry);
  }

  private afterEntry(entry: LogEntry): void {
    this.lastEntry = entry.data;
    this.logTime.saw(entry.atNs);
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
    this.stoppedBy = error;
    this.phase = "stopped";
    this.owner.stop();
    this.deps.sink.lost(this);
    this.abort.abort();
    this.deps.onStopped(error);
  }
}
