/**
 * Outcomes and events on their way out: gathered for one turn, then a message or a few for each receiver. May be lost: receivers ask again.
 *
 * 1. A message that can't leave (its receiver's subject, its size, a closed connection) is left out, counted and said; the others leave.
 * 2. What somebody else named as their inbox is published to only where it can be one: never a subject that NATS or Holdfast listens to.
 */
import { type FoldEffect, isForeignInbox } from "@holdfast/core";
import {
  type Attention,
  AttentionBatchSchema,
  AttentionSchema,
  type DeadLetter,
  DeadLetterBatchSchema,
  type Outcome,
  OutcomeBatchSchema,
  PublishedEventSchema,
  type PublishedEvent,
  RunEventBatchSchema,
} from "@holdfast/proto";
import { encode, init } from "@holdfast/proto/codec";
import type { Bus } from "../ports/bus.js";
import type { Guard } from "../ports/guard.js";
import { attentionSubject, deadLetterSubject, eventsSubject } from "../subjects.js";

const OUTCOMES_A_MESSAGE = 512;
/** Their texts are longer. */
const ATTENTIONS_A_MESSAGE = 128;
/** Each may name a thousand items. */
const LETTERS_A_MESSAGE = 64;

type EventEffect = Extract<FoldEffect, { kind: "event" }>;

export class Outbox {
  private outcomes = new Map<string, Outcome[]>();
  private attentions = new Map<string, Attention[]>();
  private events = new Map<string, PublishedEvent[]>();
  private letters = new Map<string, DeadLetter[]>();

  constructor(
    private readonly bus: Bus,
    private readonly partition: number,
    private readonly guard: Guard,
  ) {}

  addOutcome(inbox: string, outcome: Outcome): void {
    const list = this.outcomes.get(inbox);
    if (list !== undefined) list.push(outcome);
    else if (isForeignInbox(inbox)) this.outcomes.set(inbox, [outcome]);
  }

  addEvent({ workflow, runId, action, event }: EventEffect, logSeq: bigint): void {
    const published = init(PublishedEventSchema, { runId, event, logSeq, action });
    const list = this.events.get(workflow);
    if (list === undefined) this.events.set(workflow, [published]);
    else list.push(published);
  }

  addAttention(attention: Attention): void {
    const told = init(AttentionSchema, { ...attention, partition: this.partition });
    const list = this.attentions.get(attention.workflow);
    if (list === undefined) this.attentions.set(attention.workflow, [told]);
    else list.push(told);
  }

  addDeadLetter(letter: DeadLetter): void {
    const list = this.letters.get(letter.workflow);
    if (list === undefined) this.letters.set(letter.workflow, [letter]);
    else list.push(letter);
  }

  flush(): void {
    const { partition } = this;
    for (const [inbox, outcomes] of this.outcomes)
      this.sendAll(inbox, outcomes, OUTCOMES_A_MESSAGE, (some) =>
        encode(OutcomeBatchSchema, init(OutcomeBatchSchema, { partition, outcomes: some })),
      );
    for (const [workflow, events] of this.events)
      this.sendAll(eventsSubject(workflow), events, OUTCOMES_A_MESSAGE, (some) =>
        encode(RunEventBatchSchema, init(RunEventBatchSchema, { partition, events: some })),
      );
    for (const [workflow, attentions] of this.attentions)
      this.sendAll(attentionSubject(workflow), attentions, ATTENTIONS_A_MESSAGE, (some) =>
        encode(AttentionBatchSchema, init(AttentionBatchSchema, { attentions: some })),
      );
    for (const [workflow, letters] of this.letters)
      this.sendAll(deadLetterSubject(workflow), letters, LETTERS_A_MESSAGE, (some) =>
        encode(DeadLetterBatchSchema, init(DeadLetterBatchSchema, { partition, letters: some })),
      );
    if (this.letters.size > 0) this.letters = new Map();
    if (this.attentions.size > 0) this.attentions = new Map();
    if (this.outcomes.size > 0) this.outcomes = new Map();
    if (this.events.size > 0) this.events = new Map();
  }

  private sendAll<T>(subject: string, all: T[], atOnce: number, encoded: (some: T[]) => Uint8Array): void {
    for (let at = 0; at < all.length; at += atOnce)
      this.send(subject, all.length <= atOnce ? all : all.slice(at, at + atOnce), encoded);
  }

  /** In halves where it is more than a message holds. */
  private send<T>(subject: string, some: T[], encoded: (some: T[]) => Uint8Array): void {
    try {
      const bytes = encoded(some);
      if (bytes.length <= this.bus.maxMessageBytes || some.length === 1) this.bus.publish(subject, bytes);
      else {
        const half = Math.ceil(some.length / 2);
        this.send(subject, some.slice(0, half), encoded);
        this.send(subject, some.slice(half), encoded);
      }
    } catch (error) {
      this.guard.refuse("effect", subject, error);
    }
  }
}
