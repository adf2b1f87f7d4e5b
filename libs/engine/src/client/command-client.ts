/**
 * Puts commands into the partitions' logs, and brings back what the fold said of them.
 *
 * 1. Commands for one partition and one event-loop turn share a log entry; entries grow by themselves under load.
 * 2. A command whose append had an unknown outcome, or whose outcome was lost, is sent again with the same bytes: that is
 *    safe, because the fold counts a start by its run id, a report by its attempt and a control command by its id.
 * 3. Everything is bounded (`ClientLimits`): without room `submit` and `send` wait, and `full` is the answer beyond that.
 * It never reads a partition's state (that is `QueryClient`) and never decides what a command means.
 */
import { type Command, CommandSchema, OutcomeBatchSchema, type Outcome } from "@holdfast/proto";
import type { Bus, BusSubscription } from "../ports/bus.js";
import { type Clock, systemClock } from "../ports/clock.js";
import type { CommandLog } from "../ports/command-log.js";
import { PortError } from "../ports/errors.js";
import { AwaitedCommand, AwaitedCommands, StartTicket } from "./awaited.js";
import { encodeBatchHeader, framedBytes, type Receipt } from "./batch.js";
import { decode, encode } from "./codec.js";
import { noPartition, notEncodable, tooLarge } from "./command-errors.js";
import { Lane, type LaneOwner } from "./lane.js";
import { type ClientLimits, DEFAULT_CLIENT_LIMITS } from "./limits.js";
import { Room } from "./room.js";

export interface CommandClientDeps {
  readonly log: CommandLog;
  readonly bus: Bus;
  /** The id of who writes: a client's, a worker's or a node's. */
  readonly producer: string;
  readonly clock?: Clock;
  readonly limits?: Partial<ClientLimits>;
  /** Runs a callback at the end of the event-loop turn; commands given until then travel together. */
  readonly endOfTurn?: (callback: () => void) => void;
}

export interface CommandClientStats {
  readonly queued: number;
  readonly queuedBytes: number;
  readonly awaited: number;
  readonly endsAwaited: number;
  readonly waiting: number;
  /** Totals since the start. */
  readonly appendRetries: number;
  readonly resends: number;
  readonly unreadableOutcomes: number;
}

export class CommandClient {
  readonly producer: string;
  readonly #log: CommandLog;
  readonly #bus: Bus;
  readonly #limits: ClientLimits;
  readonly #endOfTurn: (callback: () => void) => void;
  readonly #lanes: (Lane | undefined)[] = [];
  readonly #awaited: AwaitedCommands;
  readonly #room: Room;
  readonly #laneOwner: LaneOwner;
  readonly #abort = new AbortController();
  readonly #dirty = new Set<Lane>();
  #header: Uint8Array;
  #inbox: BusSubscription | undefined;
  #flushPlanned = false;
  #lastCorrelation = 0;
  #closing = false;
  #appendRetries = 0;
  #resends = 0;
  #unreadable = 0;

  constructor(deps: CommandClientDeps) {
    const clock = deps.clock ?? systemClock;
    const limits = { ...DEFAULT_CLIENT_LIMITS, ...deps.limits };
    this.producer = deps.producer;
    this.#log = deps.log;
    this.#bus = deps.bus;
    this.#limits = { ...limits, maxBatchBytes: Math.min(limits.maxBatchBytes, deps.log.maxEntryBytes) };
    this.#endOfTurn = deps.endOfTurn ?? setImmediate;
    this.#header = encodeBatchHeader(deps.producer, "");
    this.#room = new Room(this.#limits, () => this.#awaited.size);
    this.#awaited = new AwaitedCommands(
      this.#limits,
      clock,
      (command) => this.#sendAgain(command),
      () => this.#room.release(),
    );
    this.#laneOwner = {
      log: deps.log,
      clock,
      limits: this.#limits,
      signal: this.#abort.signal,
      batchHeader: () => this.#header,
      onRetry: () => void this.#appendRetries++,
      onSettled: (commands, bytes) => {
        this.#awaited.tick();
        this.#room.give(commands, bytes);
      },
    };
  }

  get stats(): CommandClientStats {
    return {
      queued: this.#room.queued,
      queuedBytes: this.#room.queuedBytes,
      awaited: this.#awaited.size,
      endsAwaited: this.#awaited.ends,
      waiting: this.#room.waiting,
      appendRetries: this.#appendRetries,
      resends: this.#resends,
      unreadableOutcomes: this.#unreadable,
    };
  }

  /**
   * Resolves at once while there is room for more, else once there is. Waiting for it before each `submit` or `send`
   * keeps a producer that is faster than the log from piling commands up.
   */
  ready(): Promise<void> {
    return this.#room.ready();
  }

  /**
   * Sends a command and resolves with what the fold said of it. The command stays the caller's: nothing is set on it, and the same may be
   * sent to other partitions. Until this has resolved the caller must not change it either.
   * Rejects with a `PortError`: `too-large` (this command alone is), `full`, `closed`, `timeout` (stored, but nobody
   * answered), `unknown-outcome` and others of the log. Sending the same again is safe after each of them.
   */
  submit(partition: number, command: Command): Promise<Outcome> {
    return this.#submit(partition, command, undefined);
  }

  /**
   * As `submit`, for a `StartRun`: asks for `notify_end`, sends it under an id where it has none (so that one sent again gets
   * its own answer), and listens for the run's end too.
   */
  submitStart(partition: number, command: Command): StartTicket {
    const notifying = notifyingEnd(command);
    return new StartTicket((ticket) => this.#submit(partition, notifying, ticket));
  }

  /** Sends a command nobody waits for; resolves with its log sequence once it is durable. Rejects as `submit` does. */
  send(partition: number, command: Command): Promise<number> {
    return new Promise((resolve, reject) => {
      this.deliver(partition, command, { stored: resolve, failed: reject });
    });
  }

  /** As `send`, without a promise for each command: for those who send very many. */
  deliver(partition: number, command: Command, receipt: Receipt): void {
    const unanswered = command.correlation === 0n ? command : { ...command, correlation: 0n };
    this.#admit(partition, unanswered, receipt, undefined);
  }

  /**
   * Takes no more commands, and waits until those it has are durable, at most `graceMs`; what then still waits for room,
   * the log or an outcome fails with `closed`.
   */
  async close(graceMs = 5_000): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#flush();
    await this.#room.drained(this.#laneOwner.clock, graceMs);
    this.#abort.abort();
    this.#room.close(this.#closedError());
    this.#awaited.close(this.#closedError());
    this.#inbox?.unsubscribe();
  }

  #submit(partition: number, command: Command, ticket: StartTicket | undefined): Promise<Outcome> {
    this.#listen();
    return new Promise((resolve, reject) => {
      const correlation = ++this.#lastCorrelation;
      const { $typeName, issuedAtNs, kind } = command;
      // Tells a start that is sent again from another that finds the run there.
      const needsId = ticket !== undefined && command.id === "";
      const id = needsId ? `${this.producer}.${correlation.toString(36)}` : command.id;
      // An envelope of its own: while this one waits for room, the same command may be sent to another partition.
      const sent: Command = { $typeName, id, issuedAtNs, correlation: BigInt(correlation), kind };
      const awaited = new AwaitedCommand(this.#awaited, partition, correlation, resolve, reject, ticket);
      this.#admit(partition, sent, awaited, awaited);
    });
  }

  #admit(partition: number, command: Command, receipt: Receipt, awaited: AwaitedCommand | undefined): void {
    if (this.#room.free) this.#enqueue(partition, command, receipt, awaited);
    else
      this.#room.wait({
        go: () => this.#enqueue(partition, command, receipt, awaited),
        fail: (error) => this.#refuse(receipt, awaited, error),
      });
  }

  #enqueue(partition: number, command: Command, receipt: Receipt, awaited: AwaitedCommand | undefined): void {
    if (this.#closing) return this.#refuse(receipt, awaited, this.#closedError());
    let bytes: Uint8Array;
    try {
      bytes = encode(CommandSchema, command);
    } catch (cause) {
      return this.#refuse(receipt, awaited, notEncodable(command, cause));
    }
    const entryBytes = this.#header.length + framedBytes(bytes.length);
    if (entryBytes > this.#log.maxEntryBytes) {
      return this.#refuse(receipt, awaited, tooLarge(command, entryBytes, this.#log.maxEntryBytes));
    }
    const lane = this.#lane(partition);
    if (lane === undefined)
      return this.#refuse(receipt, awaited, noPartition(partition, this.#log.partitions));
    if (awaited !== undefined) this.#awaited.add(awaited);
    this.#room.take(lane.add(bytes, receipt));
    this.#planFlush(lane);
  }

  #refuse(receipt: Receipt, awaited: AwaitedCommand | undefined, error: PortError): void {
    if (awaited === undefined) return receipt.failed(error);
    awaited.ticket?.lose(error);
    awaited.reject(error);
  }

  #sendAgain(command: AwaitedCommand): void {
    const lane = this.#lanes[command.partition];
    if (lane === undefined || command.batch === undefined) return;
    this.#resends++;
    this.#room.take(lane.addAgain(command.batch, command.index, command));
    this.#planFlush(lane);
  }

  #lane(partition: number): Lane | undefined {
    const lane = this.#lanes[partition];
    if (lane !== undefined) return lane;
    if (!Number.isInteger(partition) || partition < 0 || partition >= this.#log.partitions) return undefined;
    const made = new Lane(partition, this.#laneOwner);
    this.#lanes[partition] = made;
    return made;
  }

  #planFlush(lane: Lane): void {
    this.#dirty.add(lane);
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    this.#endOfTurn(() => this.#flush());
  }

  #flush(): void {
    this.#flushPlanned = false;
    for (const lane of this.#dirty) lane.flush();
    this.#dirty.clear();
  }

  /** The inbox is subscribed with the first command that wants an outcome; batches begun before don't name it. */
  #listen(): void {
    if (this.#inbox !== undefined || this.#closing) return;
    const subject = this.#bus.inbox();
    this.#inbox = this.#bus.subscribe(subject, (message) => this.#onOutcomes(message.data));
    this.#header = encodeBatchHeader(this.producer, subject);
  }

  #onOutcomes(data: Uint8Array): void {
    let outcomes: readonly Outcome[];
    try {
      ({ outcomes } = decode(OutcomeBatchSchema, data));
    } catch {
      // Not lost for good: the commands are sent again, and answered again.
      this.#unreadable++;
      return;
    }
    for (const outcome of outcomes) this.#awaited.settle(outcome);
  }

  #closedError(): PortError {
    return new PortError(
      "closed",
      `the command client of ${this.producer} is closed; what it had not confirmed by then may be stored or not: send the same again through a new one`,
    );
  }
}

/** Itself where it says so already: who starts very many makes them so. */
function notifyingEnd(command: Command): Command {
  const { kind } = command;
  if (kind.case !== "startRun" || kind.value.notifyEnd) return command;
  return { ...command, kind: { case: "startRun", value: { ...kind.value, notifyEnd: true } } };
}
