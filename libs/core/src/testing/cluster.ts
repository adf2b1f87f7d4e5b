/**
 * Several partitions and the messages between them. Sends as any owner may, late, twice, out of order or never; `settle` sends as
 * one does that nothing befalls.
 */
import {
  type DeliverMessages,
  DeliverMessagesSchema,
  type Outcome,
  type PartitionMessage,
  type StartRun,
  type WorkflowDefinition,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { partitionOf } from "../names.js";
import { outboxKey, sentMarkKey } from "../state/tables.js";
import { batch, command, define, delivered, start } from "./build.js";
import { TestPartition } from "./partition.js";

/** A delivery that is under way. */
export interface Sent {
  readonly to: number;
  readonly delivery: DeliverMessages;
}

const ROUNDS_MAX = 200;

export class TestCluster {
  readonly partitions: readonly TestPartition[];
  readonly wire: Sent[] = [];
  /** Up to where each sender knows its receivers to have what it sent, by `from/to`. */
  private readonly stored = new Map<string, bigint>();

  constructor(count: number, definitions: readonly WorkflowDefinition[]) {
    this.partitions = Array.from({ length: count }, (_, number) => new TestPartition(number, count));
    for (const partition of this.partitions) {
      partition.announce();
      partition.append(batch(definitions.map((definition) => define(definition))));
    }
  }

  /** Where a run lives. */
  of(runId: string): TestPartition {
    return this.at(partitionOf(runId, this.partitions.length));
  }

  at(number: number): TestPartition {
    return this.partitions[number] as TestPartition;
  }

  start(runId: string, workflow: string, fields: Init<StartRun> = {}): Outcome["result"] {
    return this.of(runId).send(start(runId, workflow, fields));
  }

  /** Puts messages under way: up to `count`, from `shift` beyond the first that is not known to have arrived. */
  post(from: number, to: number, count = 100, shift = 0): void {
    const { view } = this.at(from);
    const mark = view.get(sentMarkKey(to));
    if (mark === undefined) return;
    const known = this.storedOf(from, to);
    let firstN = known + 1n + BigInt(shift);
    if (firstN <= mark.delivered) firstN = mark.delivered + 1n;
    const messages: PartitionMessage[] = [];
    for (let n = firstN; n <= mark.n && messages.length < count; n++)
      messages.push(view.get(outboxKey(to, n))?.message as PartitionMessage);
    if (messages.length === 0) return;
    const stored = known < firstN ? known : firstN - 1n;
    this.wire.push({
      to,
      delivery: init(DeliverMessagesSchema, { from, incarnation: 1n, firstN, stored, messages }),
    });
  }

  /** One delivery arrives; with `again`, it will once more. False where the receiver did not take it. */
  arrive(index: number, again = false): boolean {
    const [sent] = again ? this.wire.slice(index, index + 1) : this.wire.splice(index, 1);
    if (sent === undefined) return true;
    const { to, delivery } = sent;
    const result = this.at(to).send(command({ case: "deliverMessages", value: delivery }));
    if (result.case !== "accepted") return false;
    const key = `${delivery.from}/${to}`;
    const last = delivery.firstN + BigInt(delivery.messages.length) - 1n;
    if (last > this.storedOf(delivery.from, to)) this.stored.set(key, last);
    return true;
  }

  /** The sender's owner says to its own log what has arrived. */
  confirm(from: number, to: number): void {
    const stored = this.storedOf(from, to);
    if (stored > (this.at(from).view.get(sentMarkKey(to))?.delivered ?? 0n))
      this.at(from).asOwner(delivered(to, stored));
  }

  /** A partition gets another owner, who knows what is in state and nothing else. */
  die(number: number): void {
    for (const key of [...this.stored.keys()]) if (key.startsWith(`${number}/`)) this.stored.delete(key);
    this.at(number).announce(`node-${this.at(number).epoch}`);
  }

  /** Brings all messages, and those that follow from them. */
  settle(): void {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const before = this.entries();
      for (const { number: from } of this.partitions) {
        for (const { number: to } of this.partitions) {
          this.post(from, to);
          while (this.wire.length > 0) this.arrive(0);
          this.confirm(from, to);
        }
      }
      if (this.entries() === before) return;
    }
    throw new Error(`messages beget messages without end: ${ROUNDS_MAX} rounds were not enough`);
  }

  /** Lets time pass everywhere, and brings what that set off. */
  pass(ms: number): void {
    for (const partition of this.partitions) partition.pass(ms);
    this.settle();
  }

  private storedOf(from: number, to: number): bigint {
    const mark = this.at(from).view.get(sentMarkKey(to))?.delivered ?? 0n;
    const known = this.stored.get(`${from}/${to}`) ?? 0n;
    return known > mark ? known : mark;
  }

  private entries(): number {
    return this.partitions.reduce((sum, { log }) => sum + log.length, 0);
  }
}
