/**
 * What only the owner of a partition does: announces itself, fires timers, loads items, has messages brought, finds due work again.
 *
 * 1. Acts only after its own announcement was folded, and ends when another's is. Each time that a node becomes owner has an `Owner`
 *    of its own, so that nothing of the time before is left over in it.
 * 2. Decides nothing: whatever it wants to happen it appends, and the fold checks it.
 */
import type { DueTask } from "@holdfast/core";
import type { AppliedRecord, Command, DeadLetter, OwnerStamp } from "@holdfast/proto";
import { PortError } from "../ports/errors.js";
import { Announcer } from "./announcer.js";
import { BulkRunner } from "./bulk.js";
import { Courier } from "./courier.js";
import { DueFinder } from "./due-finder.js";
import { HeldBack } from "./held-back.js";
import { Loader } from "./loader.js";
import { OwnerWriter } from "./owner-writer.js";
import { Planner } from "./planner.js";
import type { ProcessorDeps } from "./deps.js";
import type { Outbox } from "./outbox.js";
import type { Processor } from "./processor.js";
import type { PartitionState } from "./state.js";
import { Sweeper } from "./sweeper.js";
import { TimerClerk } from "./timer-clerk.js";
import { tellDeadLetters } from "./tell-dead-letters.js";

export class Owner {
  private readonly writer: OwnerWriter;
  readonly courier: Courier;
  readonly sweeper: Sweeper;
  readonly loader: Loader;
  readonly planner: Planner;
  readonly bulk: BulkRunner;
  readonly heldBack: HeldBack;
  readonly announcer: Announcer;
  readonly dueFinder: DueFinder;
  readonly timers: TimerClerk;
  private acting = false;
  private ended = false;
  private announcing:
    | { readonly epoch: bigint; readonly resolve: () => void; readonly reject: (error: unknown) => void }
    | undefined;
  /** When the predecessor last wrote to the log. */
  private lastSignNs = 0n;

  constructor(
    private readonly deps: ProcessorDeps,
    private readonly processor: Processor,
    private readonly state: () => PartitionState,
    private readonly applied: () => AppliedRecord,
    outbox: Outbox,
  ) {
    this.writer = new OwnerWriter(deps.log, deps.partition, deps.node, deps.process, deps.clock);
    this.courier = new Courier(deps, this.writer, state, () => processor.incarnation);
    this.sweeper = new Sweeper({
      ...deps,
      state,
      logTime: processor.logTime,
      write: async (command) => await processor.folded(await this.writer.write(command)),
      stalled: (behindMs) => processor.notices.sweepStalled(behindMs),
    });
    this.heldBack = new HeldBack(state, (command) => this.write(command));
    this.announcer = new Announcer({
      ...deps,
      outbox,
      heldBack: this.heldBack,
      state,
      applied,
      write: (command) => this.write(command),
      stalled: () => {
        const { behindMs, isStalled } = this.sweeper;
        return isStalled ? processor.notices.stalled(behindMs) : undefined;
      },
    });
    const writing = {
      ...deps,
      state,
      logTime: processor.logTime,
      write: (command: Command) => this.writer.write(command),
      folded: (seq: number) => processor.folded(seq),
    };
    this.loader = new Loader(writing);
    this.planner = new Planner({ ...writing, applied });
    this.bulk = new BulkRunner(writing);
    this.timers = new TimerClerk(writing);
    const { sink } = deps;
    this.dueFinder = new DueFinder({
      ...deps,
      state,
      applied,
      offer: (task) => sink.offer(processor, task),
      room: (workflow, queue) => sink.room(processor, workflow, queue),
      wantsRoom: (workflow, queue) => sink.wantsRoom(processor, workflow, queue),
      offered: () => sink.turnEnded(),
      wantLoad: (load) => this.loader.want(load),
      foundLost: (task) => processor.notices.stoodStill(task),
    });
  }

  /** When the next timer of the state is due, Unix milliseconds; undefined: none is set, or this node is not the owner. */
  get nextTimerMs(): number | undefined {
    return this.acting ? this.timers.nextMs : undefined;
  }

  /** Its own announcement was folded, and no other's since. */
  get isActing(): boolean {
    return this.acting;
  }

  /** Why the log does not take what the owner has to write; undefined: it does. */
  get trouble(): PortError | undefined {
    return this.writer.trouble;
  }

  /** It was stopped, or another node became owner. */
  get isOver(): boolean {
    return this.ended;
  }

  /** Resolves once this node is the owner and has found all that is due; rejects with `unavailable` where another became owner meanwhile. */
  async announce(epoch: bigint): Promise<void> {
    const folded = new Promise<void>((resolve, reject) => {
      this.announcing = { epoch, resolve, reject };
    });
    folded.catch(() => undefined);
    try {
      await this.writer.announce(epoch);
      await folded;
      await this.begin();
    } catch (error) {
      // Half begun it would neither act nor let another time of being owner begin.
      this.stop();
      throw error;
    }
  }

  private async begin(): Promise<void> {
    const called = this.deps.sink.rollCall(this.processor);
    const begins = [
      () => this.courier.begin(),
      () => this.announcer.begin(),
      // What workers have from before must be known before it is given to others, or judged.
      () => called,
      () => this.timers.begin(),
      () => this.planner.begin(),
      () => this.bulk.begin(),
      () => this.dueFinder.begin(),
    ];
    for (const begin of begins) {
      await begin();
      // What has begun was stopped; what has not must not begin after that.
      if (this.ended) throw this.lostTo(this.applied().owner, this.applied().ownerEpoch);
    }
    this.sweeper.begin();
    this.tellAgain();
  }

  /** An announcement was folded: this node's own begins its work, another's ends it. */
  folded(node: string, epoch: bigint, process: string): void {
    this.processor.ownerProcess = process;
    const announcing = this.announcing;
    const itsOwn = node === this.deps.node && process === this.deps.process;
    if (announcing !== undefined && itsOwn && epoch === announcing.epoch) {
      this.announcing = undefined;
      this.acting = true;
      this.lastSignNs = this.applied().ownerAtNs;
      this.processor.announcedEpoch = epoch;
      this.writer.begin(epoch);
      announcing.resolve();
      return;
    }
    // Who owned it before this node wanted to is history, met while catching up.
    if (!this.acting && announcing === undefined) return;
    if (this.acting && itsOwn) {
      // Somebody announced this very node, which acts: it goes on, with the new epoch.
      this.processor.announcedEpoch = epoch;
      this.writer.begin(epoch);
      this.processor.foreign.saw("announcement", epoch);
      return;
    }
    this.announcing = undefined;
    this.stop();
    announcing?.reject(this.lostTo(node, epoch));
    this.processor.lost();
    this.deps.guard.logger.warn("another node became owner of the partition", {
      partition: this.deps.partition,
      owner: node,
    });
  }

  /** An entry with an owner's stamp was folded. Where somebody else wrote it in this one's name, what it displaced is written again. */
  saw(stamp: OwnerStamp, data: Uint8Array): void {
    if (!this.acting || this.writer.saw(stamp, data)) return;
    this.processor.foreign.saw("entry", stamp.epoch, stamp.n);
  }

  private lostTo(node: string, epoch: bigint): PortError {
    return new PortError(
      "unavailable",
      `partition ${this.deps.partition} is owned by ${node} since epoch ${epoch}`,
    );
  }

  /** What went to the dead-letter set while nobody may have told of it. Work goes on meanwhile. */
  private tellAgain(): void {
    const tell = (letters: readonly DeadLetter[]): void => {
      if (this.acting) this.processor.notices.deadLetters(letters);
    };
    tellDeadLetters(this.state(), this.lastSignNs, tell).catch((error: unknown) => {
      this.deps.logger.error("dead letters could not be announced again", {
        partition: this.deps.partition,
        err: error,
      });
    });
  }

  stop(): void {
    this.ended = true;
    this.acting = false;
    this.announcing?.reject(new PortError("closed", "the partition was stopped"));
    this.announcing = undefined;
    this.timers.stop();
    this.dueFinder.stop();
    this.loader.stop();
    this.courier.stop();
    this.sweeper.stop();
    this.planner.stop();
    this.announcer.stop();
    this.bulk.stop();
    this.writer.stop();
  }

  write(command: Command): void {
    this.writer.write(command).catch((error: unknown) => {
      if (error instanceof PortError && error.code === "closed") return;
      this.deps.logger.error("the owner's command could not be written", {
        partition: this.deps.partition,
        err: error,
      });
    });
  }

  /** A due task found no room: it is looked up again when there is some. */
  overflowed(task: DueTask): void {
    this.dueFinder.missed(task);
    this.deps.sink.wantsRoom(this.processor, task.workflow, task.queue);
  }

  /** What was held back may go: of one run, or of all that is due. */
  dueAgain(runId: string): void {
    if (runId === "") this.dueFinder.all();
    else this.dueFinder.ofRun(runId);
  }
}
