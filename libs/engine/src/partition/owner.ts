/**
 * What only the owner of a partition does: announces itself, fires timers, loads items, has messages brought, finds due work again.
 *
 * 1. Acts only after its own announcement was folded, and ends when another's is. Each time that a node becomes owner has an `Owner`
 *    of its own, so that nothing of the time before is left over in it.
 * 2. Decides nothing: whatever it wants to happen it appends, and the fold checks it.
 */
import { isPaused, TIMERS_FROM, TIMERS_TO, timerDue } from "@holdfast/core";
import {
  type AppliedRecord,
  type Command,
  CommandSchema,
  type DeadLetter,
  TimersFiredSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { PortError } from "../ports/errors.js";
import { Announcer } from "./announcer.js";
import { BulkRunner } from "./bulk.js";
import { Courier } from "./courier.js";
import { dueWorkOf, dueWorkOfRun, workflowNames } from "./due-work.js";
import { HeldBack } from "./held-back.js";
import { Loader } from "./loader.js";
import { OwnerWriter } from "./owner-writer.js";
import { Planner } from "./planner.js";
import type { ProcessorDeps } from "./deps.js";
import type { Outbox } from "./outbox.js";
import type { Processor } from "./processor.js";
import type { PartitionState } from "./state.js";
import { Sweeper } from "./sweeper.js";
import { tellDeadLetters } from "./tell-dead-letters.js";

const MS = 1_000_000n;
/** The log's clock may be behind this node's: a timer that did not fire yet is tried again after this. */
const REFIRE_MS = 5;
const TIMER_SLEEP_MAX_MS = 3_600_000;
const WORKFLOWS_MAX = 100_000;

export class Owner {
  private readonly writer: OwnerWriter;
  readonly courier: Courier;
  readonly sweeper: Sweeper;
  readonly loader: Loader;
  readonly planner: Planner;
  readonly bulk: BulkRunner;
  readonly heldBack: HeldBack;
  readonly announcer: Announcer;
  private acting = false;
  private ended = false;
  private announcing:
    | { readonly epoch: bigint; readonly resolve: () => void; readonly reject: (error: unknown) => void }
    | undefined;
  private nextDueNs: bigint | undefined;
  private cancelTimer: (() => void) | undefined;
  private firing = false;
  private missed = false;
  private finding = false;
  /** When the predecessor last wrote to the log. */
  private lastSignNs = 0n;

  constructor(
    private readonly deps: ProcessorDeps,
    private readonly processor: Processor,
    private readonly state: () => PartitionState,
    private readonly applied: () => AppliedRecord,
    outbox: Outbox,
  ) {
    this.writer = new OwnerWriter(deps.log, deps.partition, deps.node, deps.clock);
    this.courier = new Courier(deps, this.writer, state, () => processor.incarnation);
    this.sweeper = new Sweeper({
      ...deps,
      state,
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
        const { behindMs } = this.sweeper;
        return behindMs > deps.limits.sweepBehindMaxMs ? processor.notices.stalled(behindMs) : undefined;
      },
    });
    const writing = {
      ...deps,
      state,
      write: (command: Command) => this.writer.write(command),
      folded: (seq: number) => processor.folded(seq),
    };
    this.loader = new Loader(writing);
    this.planner = new Planner({ ...writing, applied });
    this.bulk = new BulkRunner(writing);
  }

  /** When the next timer of the state is due, Unix milliseconds; undefined: none is set, or this node is not the owner. */
  get nextTimerMs(): number | undefined {
    return this.acting && this.nextDueNs !== undefined ? Number(this.nextDueNs / MS) : undefined;
  }

  /** Its own announcement was folded, and no other's since. */
  get isActing(): boolean {
    return this.acting;
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
    await this.writer.announce(epoch);
    await folded;
    const begins = [
      () => this.courier.begin(),
      () => this.announcer.begin(),
      () => this.planNextTimer(),
      () => this.planner.begin(),
      () => this.bulk.begin(),
      () => this.findDuePages(),
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
  folded(node: string, epoch: bigint): void {
    const announcing = this.announcing;
    if (announcing !== undefined && node === this.deps.node && epoch === announcing.epoch) {
      this.announcing = undefined;
      this.acting = true;
      this.lastSignNs = this.applied().ownerAtNs;
      this.writer.begin(epoch);
      announcing.resolve();
      return;
    }
    // Who owned it before this node wanted to is history, met while catching up.
    if (!this.acting && announcing === undefined) return;
    this.announcing = undefined;
    this.stop();
    announcing?.reject(this.lostTo(node, epoch));
    this.processor.lost();
    this.deps.logger.warn("another node became owner of the partition", {
      partition: this.deps.partition,
      owner: node,
    });
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
    this.cancelTimer?.();
    this.cancelTimer = undefined;
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
  overflowed(): void {
    this.missed = true;
    this.deps.sink.wantsRoom(this.processor);
  }

  /** What was held back may go: of one run, or of all that is due. */
  dueAgain(runId: string): void {
    if (runId === "") {
      this.missed = true;
      this.findDue();
      return;
    }
    const { sink } = this.deps;
    const { tasks, loads } = dueWorkOfRun(this.state(), runId);
    for (const load of loads) this.loader.want(load);
    for (const task of tasks) if (sink.offer(this.processor, task) === "full") return this.overflowed();
  }

  findDue(): void {
    if (!this.acting || !this.missed || this.finding) return;
    this.findDuePages().catch((error: unknown) => {
      this.deps.logger.error("due work could not be looked up", {
        partition: this.deps.partition,
        err: error,
      });
    });
  }

  /** Offers what is due, oldest runs first within each workflow, each workflow its share of the room. */
  private async findDuePages(): Promise<void> {
    const { sink, limits } = this.deps;
    this.finding = true;
    this.missed = false;
    try {
      const workflows = (await workflowNames(this.state(), WORKFLOWS_MAX)).filter(
        (workflow) => !isPaused(this.applied(), workflow),
      );
      const share = Math.max(1, Math.floor(limits.readyTasksMax / Math.max(workflows.length, 1)));
      for (const workflow of workflows) if (!(await this.offerDue(workflow, share))) this.overflowed();
    } finally {
      this.finding = false;
    }
    sink.turnEnded();
  }

  /** Offers up to `share` tasks of a workflow that were not known; false where there may be more. */
  private async offerDue(workflow: string, share: number): Promise<boolean> {
    const { sink, limits } = this.deps;
    let after: string | undefined = "";
    for (let taken = 0; after !== undefined && this.acting; ) {
      const page: Awaited<ReturnType<typeof dueWorkOf>> = await dueWorkOf(
        this.state(),
        workflow,
        after,
        limits.derivePage,
      );
      for (const load of page.loads) this.loader.want(load);
      for (const task of page.tasks) {
        if (taken >= share) return false;
        const answer = sink.offer(this.processor, task);
        if (answer === "full") return false;
        if (answer === "taken") taken += 1;
      }
      after = page.nextKey;
    }
    return true;
  }

  timerSet(dueNs: bigint): void {
    if (this.nextDueNs !== undefined && this.nextDueNs <= dueNs) return;
    this.nextDueNs = dueNs;
    this.sleepUntilDue();
  }

  private async planNextTimer(): Promise<void> {
    // Forgotten before the look, not after it: a timer that is set meanwhile must not be forgotten with it.
    this.nextDueNs = undefined;
    const first = (await this.state().range(TIMERS_FROM, TIMERS_TO, 1))[0];
    if (first !== undefined) this.timerSet(timerDue(first[0]));
  }

  private sleepUntilDue(delayMs?: number): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    if (this.nextDueNs === undefined || !this.acting || this.firing) return;
    const until = Number(this.nextDueNs / MS) + 1 - this.deps.clock.nowMs();
    this.cancelTimer = this.deps.clock.after(
      Math.max(delayMs ?? 0, Math.min(until, TIMER_SLEEP_MAX_MS), 0),
      () => {
        this.fire().catch((error: unknown) => {
          if (error instanceof PortError && error.code === "closed") return;
          this.deps.logger.error("timers could not be fired", { partition: this.deps.partition, err: error });
        });
      },
    );
  }

  /** Says to the log that it is late enough; the fold looks what is due by its own time. */
  private async fire(): Promise<void> {
    const nowNs = BigInt(this.deps.clock.nowMs()) * MS;
    if (this.nextDueNs === undefined || this.nextDueNs > nowNs) {
      this.sleepUntilDue();
      return;
    }
    this.firing = true;
    const wanted = this.nextDueNs;
    try {
      const fired = init(CommandSchema, {
        kind: { case: "timersFired", value: init(TimersFiredSchema, { upToNs: nowNs }) },
      });
      await this.processor.folded(await this.writer.write(fired));
    } finally {
      this.firing = false;
    }
    await this.planNextTimer();
    if (this.nextDueNs !== undefined && this.nextDueNs <= wanted) this.sleepUntilDue(REFIRE_MS);
  }
}
