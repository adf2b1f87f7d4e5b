/**
 * Commands whose outcome somebody waits for, found again by their correlation.
 *
 * 1. Each is settled exactly once: by its outcome, by a failed append, or by its deadline.
 * 2. Outcomes may be lost on their way: a stored command without one is sent again (the fold answers as before).
 * 3. Both maps are bounded; of the ends, the oldest is let go and its waiter told to ask instead.
 */
import type { Outcome, RunEnded } from "@holdfast/proto";
import type { Clock } from "../ports/clock.js";
import { PortError } from "../ports/errors.js";
import type { Batch, Receipt } from "./batch.js";
import type { ClientLimits } from "./limits.js";

/** A command on its way to its outcome. */
/** The longest pause between two sendings: an outcome that got lost several times is not to be waited for the longer. */
const RESEND_PAUSE_MAX_MS = 5_000;

export class AwaitedCommand implements Receipt {
  batch: Batch | undefined;
  index = 0;
  /** 0: not stored yet. */
  firstStoredMs = 0;
  storedMs = 0;
  resends = 0;

  constructor(
    readonly table: AwaitedCommands,
    readonly partition: number,
    readonly correlation: number,
    readonly resolve: (outcome: Outcome) => void,
    readonly reject: (error: PortError) => void,
    readonly ticket: StartTicket | undefined,
  ) {}

  stored(_seq: number, batch: Batch, index: number): void {
    this.batch = batch;
    this.index = index;
    this.storedMs = this.table.nowMs();
    if (this.firstStoredMs === 0) this.firstStoredMs = this.storedMs;
  }

  failed(error: PortError): void {
    // A command sent again has been stored before: its deadline decides, not this try.
    if (this.firstStoredMs === 0) this.table.fail(this, error);
  }
}

/** A start's two answers: that it was taken, and how its run ended. */
export class StartTicket {
  readonly accepted: Promise<Outcome>;
  #ended: RunEnded | undefined;
  #lost: PortError | undefined;
  #promise: Promise<RunEnded> | undefined;
  #resolve: ((ended: RunEnded) => void) | undefined;
  #reject: ((error: PortError) => void) | undefined;

  constructor(accepted: (ticket: StartTicket) => Promise<Outcome>) {
    this.accepted = accepted(this);
  }

  /** What has arrived so far. */
  get endedNow(): RunEnded | undefined {
    return this.#ended;
  }

  /**
   * How the run ended. Rejects with a `PortError` when the start was not accepted, or when nobody listens any more
   * (`not-found`): then ask with a query. The message that tells it may be lost, so don't wait on it alone.
   */
  get ended(): Promise<RunEnded> {
    this.#promise ??= new Promise((resolve, reject) => {
      if (this.#ended !== undefined) resolve(this.#ended);
      else if (this.#lost !== undefined) reject(this.#lost);
      this.#resolve = resolve;
      this.#reject = reject;
    });
    return this.#promise;
  }

  end(ended: RunEnded): void {
    this.#ended = ended;
    this.#resolve?.(ended);
  }

  lose(error: PortError): void {
    if (this.#ended !== undefined || this.#lost !== undefined) return;
    this.#lost = error;
    this.#reject?.(error);
  }
}

export class AwaitedCommands {
  readonly #commands = new Map<number, AwaitedCommand>();
  readonly #ends = new Map<number, StartTicket>();
  readonly #limits: ClientLimits;
  readonly #clock: Clock;
  readonly #sendAgain: (command: AwaitedCommand) => void;
  readonly #onRoom: () => void;
  #cancelSweep: (() => void) | undefined;
  #nowMs = 0;
  #oldestEnd = 0;

  constructor(
    limits: ClientLimits,
    clock: Clock,
    sendAgain: (command: AwaitedCommand) => void,
    onRoom: () => void,
  ) {
    this.#limits = limits;
    this.#clock = clock;
    this.#sendAgain = sendAgain;
    this.#onRoom = onRoom;
  }

  get size(): number {
    return this.#commands.size;
  }

  get ends(): number {
    return this.#ends.size;
  }

  /** Read once for each batch, not once for each command: the lane calls `tick` before it hands out receipts. */
  nowMs(): number {
    return this.#nowMs;
  }

  tick(): void {
    this.#nowMs = this.#clock.monotonicMs();
  }

  add(command: AwaitedCommand): void {
    this.#commands.set(command.correlation, command);
    this.#cancelSweep ??= this.#clock.after(this.#limits.sweepMs, () => this.#sweep());
    if (command.ticket !== undefined) this.#listenForEnd(command.correlation, command.ticket);
  }

  settle(outcome: Outcome): void {
    const correlation = Number(outcome.correlation);
    const { result } = outcome;
    if (result.case === "ended") {
      const ticket = this.#ends.get(correlation);
      this.#ends.delete(correlation);
      ticket?.end(result.value);
      return;
    }
    const command = this.#commands.get(correlation);
    // A second answer to a command that was sent twice.
    if (command === undefined) return;
    this.#remove(command);
    if (result.case === "rejected") this.#loseEnd(command, result.value.message);
    command.resolve(outcome);
    this.#onRoom();
  }

  fail(command: AwaitedCommand, error: PortError): void {
    if (!this.#commands.has(command.correlation)) return;
    this.#remove(command);
    this.#loseEnd(command, error.message);
    command.reject(error);
    this.#onRoom();
  }

  /** Everything that still waits ends with `error`. */
  close(error: PortError): void {
    for (const command of this.#commands.values()) this.fail(command, error);
    for (const ticket of this.#ends.values()) ticket.lose(error);
    this.#ends.clear();
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
  }

  #remove(command: AwaitedCommand): void {
    this.#commands.delete(command.correlation);
    command.batch = undefined;
  }

  #listenForEnd(correlation: number, ticket: StartTicket): void {
    this.#ends.set(correlation, ticket);
    if (this.#ends.size <= this.#limits.maxEndsAwaited) return;
    // Correlations rise, so the oldest is the first that is still there; asking a map for its first entry is slow.
    while (!this.#ends.has(this.#oldestEnd)) this.#oldestEnd++;
    const evicted = this.#ends.get(this.#oldestEnd);
    this.#ends.delete(this.#oldestEnd);
    evicted?.lose(
      new PortError(
        "not-found",
        `more than ${this.#limits.maxEndsAwaited} runs are awaited; this one's end has to be asked for with a query`,
      ),
    );
  }

  #loseEnd(command: AwaitedCommand, why: string): void {
    if (command.ticket === undefined || !this.#ends.delete(command.correlation)) return;
    command.ticket.lose(new PortError("not-found", `the run was not started, so it never ends: ${why}`));
  }

  #sweep(): void {
    this.#cancelSweep = undefined;
    this.tick();
    const { resendAfterMs, outcomeDeadlineMs, sweepMs } = this.#limits;
    for (const command of this.#commands.values()) {
      if (command.storedMs === 0) continue;
      if (this.#nowMs - command.firstStoredMs >= outcomeDeadlineMs)
        this.fail(command, this.#overdue(command));
      else if (
        this.#nowMs - command.storedMs >=
        Math.min(resendAfterMs * 2 ** command.resends, RESEND_PAUSE_MAX_MS)
      ) {
        command.resends++;
        command.storedMs = 0;
        this.#sendAgain(command);
      }
    }
    if (this.#commands.size > 0) this.#cancelSweep = this.#clock.after(sweepMs, () => this.#sweep());
  }

  #overdue(command: AwaitedCommand): PortError {
    return new PortError(
      "timeout",
      `the log of partition ${command.partition} holds the command, but no node has answered it for ${this.#limits.outcomeDeadlineMs} ms; it will be carried out once a node owns the partition: ask with a query, or send the same again`,
      { partition: command.partition },
    );
  }
}
