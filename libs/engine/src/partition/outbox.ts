/** Outcomes and events on their way out: gathered for one turn, then one message for each receiver. May be lost: receivers ask again. */
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
  type RunEvent,
  RunEventBatchSchema,
} from "@holdfast/proto";
import { encode, init } from "@holdfast/proto/codec";
import type { Bus } from "../ports/bus.js";
import { attentionSubject, deadLetterSubject, eventsSubject } from "../subjects.js";

const OUTCOMES_A_MESSAGE = 512;
/** Their texts are longer. */
const ATTENTIONS_A_MESSAGE = 128;
/** Each may name a thousand items. */
const LETTERS_A_MESSAGE = 64;

export class Outbox {
  private outcomes = new Map<string, Outcome[]>();
  private attentions = new Map<string, Attention[]>();
  private events = new Map<string, PublishedEvent[]>();
  private letters = new Map<string, DeadLetter[]>();

  constructor(
    private readonly bus: Bus,
    private readonly partition: number,
  ) {}

  addOutcome(inbox: string, outcome: Outcome): void {
    const list = this.outcomes.get(inbox);
    if (list === undefined) this.outcomes.set(inbox, [outcome]);
    else list.push(outcome);
  }

  addEvent(workflow: string, runId: string, event: RunEvent, logSeq: bigint): void {
    const published = init(PublishedEventSchema, { runId, event, logSeq });
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
    for (const [inbox, outcomes] of this.outcomes) {
      for (let at = 0; at < outcomes.length; at += OUTCOMES_A_MESSAGE) {
        const batch = init(OutcomeBatchSchema, {
          partition: this.partition,
          outcomes: outcomes.slice(at, at + OUTCOMES_A_MESSAGE),
        });
        this.bus.publish(inbox, encode(OutcomeBatchSchema, batch));
      }
    }
    for (const [workflow, events] of this.events) {
      for (let at = 0; at < events.length; at += OUTCOMES_A_MESSAGE) {
        const batch = init(RunEventBatchSchema, {
          partition: this.partition,
          events: events.slice(at, at + OUTCOMES_A_MESSAGE),
        });
        this.bus.publish(eventsSubject(workflow), encode(RunEventBatchSchema, batch));
      }
    }
    for (const [workflow, attentions] of this.attentions) {
      for (let at = 0; at < attentions.length; at += ATTENTIONS_A_MESSAGE) {
        const batch = init(AttentionBatchSchema, {
          attentions: attentions.slice(at, at + ATTENTIONS_A_MESSAGE),
        });
        this.bus.publish(attentionSubject(workflow), encode(AttentionBatchSchema, batch));
      }
    }
    for (const [workflow, letters] of this.letters) {
      for (let at = 0; at < letters.length; at += LETTERS_A_MESSAGE) {
        const batch = init(DeadLetterBatchSchema, {
          partition: this.partition,
          letters: letters.slice(at, at + LETTERS_A_MESSAGE),
        });
        this.bus.publish(deadLetterSubject(workflow), encode(DeadLetterBatchSchema, batch));
      }
    }
    if (this.letters.size > 0) this.letters = new Map();
    if (this.attentions.size > 0) this.attentions = new Map();
    if (this.outcomes.size > 0) this.outcomes = new Map();
    if (this.events.size > 0) this.events = new Map();
  }
}
