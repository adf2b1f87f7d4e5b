/**
 * Fires the timers of a partition: says to the log that it is late enough. The fold looks what is due, by its own time.
 *
 * 1. Waits by running time for the log's time; a step of this machine's clock makes no timer late, and none early.
 * 2. Where the machine's clock says that a timer is due and the log's time is not known to be so late, the log is asked, more and more seldom: after
 *    a machine has slept its clock is right, after a step it is not.
 * 3. What goes wrong is tried again; whatever is set meanwhile is not forgotten.
 */
import { TIMERS_FROM, TIMERS_TO, timerDue } from "@holdfast/core";
import { type Command, CommandSchema, TimersFiredSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ProcessorDeps } from "./deps.js";
import type { LogTime } from "./log-time.js";
import { SingleFlight } from "./single-flight.js";
import type { PartitionState } from "./state.js";

const NS_A_MS = 1_000_000n;
/** The log's time is looked at again at least so often. */
const SLEEP_MAX_MS = 60_000;
/** Between two commands of which the first moved nothing: it may have been early by a moment. */
const AGAIN_MS = 50;
const AGAIN_MAX_MS = 1_000;
/** The same where only this machine's clock says that it is late enough. */
const ASK_MAX_MS = 60_000;
/** Two clocks that are so close agree. */
const AGREES_MS = 1_000;

export interface TimerClerkDeps extends Pick<ProcessorDeps, "clock" | "logger" | "partition"> {
  readonly state: () => PartitionState;
  readonly logTime: LogTime;
  /** Resolves with its log sequence once the command is durable; rejects with `closed` once this node is the owner no more. */
  write(command: Command): Promise<number>;
  folded(seq: number): Promise<void>;
}

export class TimerClerk {
  private nextNs: bigint | undefined;
  /** The first timer of the state as it was last read. */
  private firstKey = "";
  /** Timers were fired, or should have been, and the state was not read since. */
  private unread = true;
  private firing = false;
  private againMs = 0;
  private askMs = 0;
  private stopped = true;
  private cancel: (() => void) | undefined;
  private readonly flight: SingleFlight;

  constructor(private readonly deps: TimerClerkDeps) {
    const { clock, logger, partition } = deps;
    this.flight = new SingleFlight(
      {
        clock,
        failed: (err) => logger.error("timers could not be fired; it is tried again", { partition, err }),
      },
      () => this.run(),
    );
  }

  /** When the next timer is due, Unix milliseconds of the log; undefined: none is set. */
  get nextMs(): number | undefined {
    return this.nextNs === undefined ? undefined : Number(this.nextNs / NS_A_MS);
  }

  /** This node is the owner now. */
  async begin(): Promise<void> {
    this.stopped = false;
    await this.read();
    this.sleep();
  }

  stop(): void {
    this.stopped = true;
    this.flight.stop();
    this.cancel?.();
    this.cancel = undefined;
  }

  /** A timer was set. */
  set(dueNs: bigint): void {
    if (this.nextNs !== undefined && this.nextNs <= dueNs) return;
    this.nextNs = dueNs;
    this.sleep();
  }

  private sleep(): void {
    this.cancel?.();
    this.cancel = undefined;
    if (this.nextNs === undefined || this.stopped || this.firing) return;
    const { clock, logTime } = this.deps;
    if (Math.abs(logTime.offsetMs) < AGREES_MS) this.askMs = 0;
    const dueMs = Number(this.nextNs) / 1e6;
    const byLog = Math.max(dueMs - logTime.nowMs(), this.againMs);
    const byWall = Math.max(dueMs - clock.nowMs(), this.askMs);
    const ms = Math.max(0, Math.ceil(Math.min(byLog, byWall, SLEEP_MAX_MS)));
    this.cancel = clock.after(ms, () => this.flight.wake());
  }

  private async run(): Promise<void> {
    this.firing = true;
    try {
      if (this.unread) await this.read();
      await this.fireDue();
    } finally {
      this.firing = false;
    }
    this.sleep();
  }

  private async fireDue(): Promise<void> {
    const { clock, logTime } = this.deps;
    const [wanted, key] = [this.nextNs, this.firstKey];
    if (wanted === undefined || this.stopped) return;
    const nowNs = logTime.nowNs();
    const isDue = wanted <= nowNs;
    if (!isDue && wanted > BigInt(Math.floor(clock.nowMs())) * NS_A_MS) return;
    this.unread = true;
    const value = init(TimersFiredSchema, { upToNs: isDue ? nowNs : wanted });
    await this.deps.folded(
      await this.deps.write(init(CommandSchema, { kind: { case: "timersFired", value } })),
    );
    await this.read();
    const moved = this.nextNs === undefined || this.nextNs > wanted || this.firstKey !== key;
    if (moved) this.againMs = 0;
    else if (isDue) this.againMs = longer(this.againMs, AGAIN_MAX_MS);
    else this.askMs = longer(this.askMs, ASK_MAX_MS);
  }

  private async read(): Promise<void> {
    // Forgotten before the look, not after it: a timer that is set meanwhile must not be forgotten with it.
    this.nextNs = undefined;
    const first = (await this.deps.state().range(TIMERS_FROM, TIMERS_TO, 1))[0];
    this.unread = false;
    this.firstKey = first?.[0] ?? "";
    if (first === undefined) return;
    const dueNs = timerDue(first[0]);
    if (this.nextNs === undefined || dueNs < this.nextNs) this.nextNs = dueNs;
  }
}

const longer = (ms: number, maxMs: number): number => Math.min(Math.max(ms * 2, AGAIN_MS), maxMs);
