/**
 * Brings a partition's messages to their receivers' logs, from the outbox in its state, and lets go what has arrived.
 *
 * 1. For each receiver in order, one batch under way at a time: what is appended begins where the last one ended.
 * 2. What arrived is what the receiver's log has accepted. It is then forgotten by a command of this partition's own log; a death
 *    in between sends it again, and the receiver passes over it.
 * 3. A receiver whose log can't be written to holds up nobody but the messages for it. Nothing is kept here but one batch a receiver.
 */
import {
  type FoldEffect,
  markedPartition,
  MESSAGES_A_COMMAND_MAX,
  outboxKey,
  prefixEnd,
  SENT_MARKS,
  sentMarkKey,
} from "@holdfast/core";
import {
  CommandBatchSchema,
  CommandSchema,
  DeliverMessagesSchema,
  type MessageMarkRecord,
  MessagesDeliveredSchema,
  type PartitionMessage,
  PartitionMessageSchema,
} from "@holdfast/proto";
import { encode, init } from "@holdfast/proto/codec";
import { PortError } from "../ports/errors.js";
import type { ProcessorDeps } from "./deps.js";
import type { OwnerWriter } from "./owner-writer.js";
import { SingleFlight } from "./single-flight.js";
import type { PartitionState } from "./state.js";

const RETRY_PAUSE_MS = 100;
const RETRY_PAUSE_MAX_MS = 5_000;
/** So many failures in a row are worth a warning. */
const WORTH_A_WARNING = 5;

/** Messages on their way to one receiver. */
interface Lane {
  readonly to: number;
  /** Up to here the receiver's log has them. */
  stored: bigint;
  /** Up to here this partition's log says so. */
  confirmed: bigint;
  readonly sending: SingleFlight;
  readonly confirming: SingleFlight;
}

export interface CourierDeps
  extends Pick<ProcessorDeps, "log" | "partition" | "node" | "clock" | "logger" | "guard"> {
  readonly limits: Pick<ProcessorDeps["limits"], "messagesABatch" | "messageBatchBytes">;
  readonly metrics: Pick<ProcessorDeps["metrics"], "messagesSent" | "messagesLost">;
}

export class Courier {
  private readonly lanes = new Map<number, Lane>();
  private readonly woken = new Set<number>();
  private active = false;
  private readonly cancelPauses = new Set<() => void>();

  constructor(
    private readonly deps: CourierDeps,
    private readonly writer: Pick<OwnerWriter, "write">,
    private readonly state: () => PartitionState,
    /** When this partition's log was created. */
    private readonly incarnation: () => bigint,
  ) {}

  /** This node became the owner: whatever the outbox holds is sent. */
  async begin(): Promise<void> {
    this.active = true;
    this.lanes.clear();
    const rows = await this.state().range(SENT_MARKS, prefixEnd(SENT_MARKS), this.deps.log.partitions);
    for (const [key] of rows) this.wake(markedPartition(key));
    this.flush();
  }

  /** There are messages for a partition: they are sent with the next `flush`. */
  wake(to: number): void {
    if (this.active) this.woken.add(to);
  }

  /** All effects of a turn have been given. */
  flush(): void {
    for (const to of this.woken) this.sendTo(to);
    this.woken.clear();
  }

  private sendTo(to: number): void {
    let lane = this.lanes.get(to);
    if (lane === undefined) {
      lane = this.laneTo(to);
      this.lanes.set(to, lane);
    }
    lane.sending.wake();
  }

  private laneTo(to: number): Lane {
    const { clock, logger, partition } = this.deps;
    const delivered = this.markOf(to)?.delivered ?? 0n;
    const flight = (message: string, job: (lane: Lane) => Promise<void>): SingleFlight =>
      new SingleFlight({ clock, failed: (err) => logger.error(message, { partition, to, err }) }, () =>
        job(lane),
      );
    const lane: Lane = {
      to,
      stored: delivered,
      confirmed: delivered,
      sending: flight("messages can't be brought to another partition; it is tried again", (of) =>
        this.send(of),
      ),
      confirming: flight(
        "what was brought to another partition could not be written down; it is tried again",
        (of) => this.confirm(of),
      ),
    };
    return lane;
  }

  /** What came from another partition did not come as it should. */
  note({ from, lost, message }: Extract<FoldEffect, { kind: "message-trouble" }>): void {
    const { guard, metrics, partition } = this.deps;
    metrics.messagesLost.inc(Number(lost));
    guard.logger.error("messages of another partition did not come as they should", {
      partition,
      from,
      message,
    });
  }

  stop(): void {
    this.active = false;
    this.woken.clear();
    for (const { sending, confirming } of this.lanes.values()) {
      sending.stop();
      confirming.stop();
    }
    for (const cancel of this.cancelPauses) cancel();
    this.cancelPauses.clear();
  }

  private markOf(to: number): MessageMarkRecord | undefined {
    return this.state().get(sentMarkKey(to));
  }

  private async send(lane: Lane): Promise<void> {
    while (this.active) {
      const messages = this.nextBatch(lane);
      if (messages.length === 0) return;
      if (!(await this.append(lane, this.entryOf(lane, messages)))) return;
      lane.stored += BigInt(messages.length);
      this.deps.metrics.messagesSent.inc(messages.length);
      lane.confirming.wake();
    }
  }

  /** The messages that follow what the receiver has, as many as may travel at once. */
  private nextBatch({ to, stored }: Lane): PartitionMessage[] {
    const { messagesABatch, messageBatchBytes } = this.deps.limits;
    const messages: PartitionMessage[] = [];
    const last = this.markOf(to)?.n ?? 0n;
    let bytes = 0;
    for (let n = stored + 1n; n <= last && messages.length < messagesABatch; n++) {
      const message = this.state().get(outboxKey(to, n))?.message;
      if (message === undefined)
        throw new Error(
          `message ${n} from partition ${this.deps.partition} to ${to} is missing from the outbox`,
        );
      bytes += encode(PartitionMessageSchema, message).length;
      if (messages.length > 0 && bytes > messageBatchBytes) break;
      messages.push(message);
    }
    return messages;
  }

  private entryOf(lane: Lane, messages: PartitionMessage[]): Uint8Array {
    const value = init(DeliverMessagesSchema, {
      from: this.deps.partition,
      incarnation: this.incarnation(),
      firstN: lane.stored + 1n,
      stored: lane.stored,
      messages,
    });
    const commands = [init(CommandSchema, { kind: { case: "deliverMessages", value } })];
    return encode(CommandBatchSchema, init(CommandBatchSchema, { producer: this.deps.node, commands }));
  }

  /** Tries until the receiver's log has it. False where this node is the owner no more. */
  private async append({ to }: Lane, entry: Uint8Array): Promise<boolean> {
    const { log, logger, partition } = this.deps;
    for (let failures = 0; this.active; ) {
      try {
        await log.append(to, entry);
        return true;
      } catch (error) {
        if (!(error instanceof PortError)) throw error;
        failures += 1;
        if (failures === WORTH_A_WARNING)
          logger.warn("messages can't be brought to another partition; it is tried again", {
            partition,
            to,
            err: error,
          });
        await this.pause(Math.min(RETRY_PAUSE_MS * 2 ** (failures - 1), RETRY_PAUSE_MAX_MS));
      }
    }
    return false;
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.cancelPauses.delete(stop);
        resolve();
      };
      const cancel = this.deps.clock.after(ms, done);
      const stop = (): void => {
        cancel();
        resolve();
      };
      this.cancelPauses.add(stop);
    });
  }

  /** Says to this partition's log how far the receiver's has come; what arrives meanwhile is said with the next. */
  private async confirm(lane: Lane): Promise<void> {
    while (this.active && lane.confirmed < lane.stored) {
      const limit = lane.confirmed + BigInt(MESSAGES_A_COMMAND_MAX);
      const upTo = lane.stored < limit ? lane.stored : limit;
      const value = init(MessagesDeliveredSchema, { to: lane.to, upTo });
      await this.writer.write(init(CommandSchema, { kind: { case: "messagesDelivered", value } }));
      lane.confirmed = upTo;
    }
  }
}
