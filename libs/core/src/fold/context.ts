/**
 * What a command's handler is given: the view, the log's time, and where effects go. One for each log entry.
 */
import {
  type Accepted,
  AcceptedSchema,
  type AppliedRecord,
  type Command,
  type CommandBatch,
  type Outcome,
  OutcomeSchema,
  type RejectCode,
  RejectedSchema,
  RunStatus,
  type TimerRecord,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import type { Effect } from "../effects.js";
import { DETAIL_CHARS_MAX, RUN_ID_CHARS_MAX } from "../limits.js";
import { isInbox } from "../names.js";
import type { Name } from "../breaker/breaker.js";
import { breakerKey, timerKey } from "../state/tables.js";
import type { View } from "../state/view.js";
import { cutText } from "../text.js";

export class FoldContext {
  readonly effects: Effect[] = [];
  /** What the breaker of this key holds is being let out: it need not stand in the queue. */
  releasing = "";
  private readonly breakers = new Map<string, Name>();
  private rows = 0;
  private readonly inbox: string;
  private readonly taken = new Set<string>();

  constructor(
    readonly view: View,
    /** The log sequence of the entry. */
    readonly seq: number,
    /** Log time, monotonic, Unix nanoseconds. */
    readonly atNs: bigint,
    readonly batch: CommandBatch,
    /** Put with every entry: what is changed in it is kept. */
    readonly applied: AppliedRecord,
  ) {
    // What can't be a subject is nobody: outcomes may be lost, the partition may not.
    this.inbox = isInbox(batch.replyInbox) ? batch.replyInbox : "";
  }

  /** How many partitions there are. */
  get partitions(): number {
    return Math.max(this.applied.partitions, 1);
  }

  /** Where outcomes of this entry go; "": nobody waits. */
  get replyInbox(): string {
    return this.inbox;
  }

  emit(effect: Effect): void {
    this.effects.push(effect);
  }

  /** Tells rows of one log entry apart. */
  nextRow(): number {
    return this.rows++;
  }

  /** A breaker may have places for what it holds. */
  touchBreaker(name: Name): void {
    this.breakers.set(breakerKey(name), name);
  }

  /** One of those that were touched. */
  nextBreaker(): Name | undefined {
    for (const name of this.breakers.values()) return name;
    return undefined;
  }

  /** What a breaker had places for was let out. */
  leaveBreaker(name: Name): void {
    this.breakers.delete(breakerKey(name));
  }

  /** An earlier command of the entry has taken a row that a scan gave. */
  isTaken(key: string): boolean {
    return this.taken.has(key);
  }

  /** Deletes a row that a scan gave. False where an earlier command of the entry has taken it already. */
  take(key: string): boolean {
    if (this.taken.has(key)) return false;
    this.taken.add(key);
    this.view.del(key);
    return true;
  }

  /** The row that tells it apart from others of this entry. */
  setTimer(dueNs: bigint, record: TimerRecord): number {
    const row = this.nextRow();
    this.view.put(timerKey(dueNs, this.seq, row), record);
    this.emit({ kind: "timer", dueNs });
    return row;
  }

  accept(command: Command, accepted: Init<Accepted>): Outcome {
    return this.answer(command, { case: "accepted", value: init(AcceptedSchema, accepted) });
  }

  /** `message`: what happened, to what, why, and what to do now. */
  reject(
    command: Command,
    code: RejectCode,
    message: string,
    runId = "",
    status = RunStatus.UNSPECIFIED,
  ): Outcome {
    return this.answer(command, {
      case: "rejected",
      value: init(RejectedSchema, {
        code,
        message: cutText(message, DETAIL_CHARS_MAX),
        runId: cutText(runId, RUN_ID_CHARS_MAX),
        status,
      }),
    });
  }

  /** Sends an outcome to whoever wrote the batch, if they wait for it. */
  send(command: Command, outcome: Outcome): void {
    this.sendTo(this.inbox, command.correlation, outcome);
  }

  sendTo(inbox: string, correlation: bigint, outcome: Outcome): void {
    if (inbox === "" || correlation === 0n) return;
    const { result } = outcome;
    this.reply(inbox, init(OutcomeSchema, { correlation, seq: BigInt(this.seq), result }));
  }

  private reply(inbox: string, outcome: Outcome): void {
    this.emit({ kind: "reply", inbox, outcome });
  }

  /** What is sent is what is answered: nobody changes an outcome once it is made. */
  private answer(command: Command, result: Outcome["result"]): Outcome {
    const outcome = init(OutcomeSchema, { correlation: command.correlation, seq: BigInt(this.seq), result });
    if (this.inbox !== "" && command.correlation !== 0n) this.reply(this.inbox, outcome);
    return outcome;
  }
}
