/**
 * Reads entries of the log, and remembers commands that the fold threw over: where they stand in the log, they are refused from then on.
 *
 * 1. What can't be read is passed over, the same on every replica.
 * 2. The fold throws over a command only by a fault of its own, and then has changed a part of the state. The state is opened again as it was stored
 *    last, the log folded anew, and the command is one of a kind that nobody knows: rejected, its sender told. The fold is the same everywhere, and so is
 *    what it throws over.
 * 3. What the machine does (a disk, memory) is no command's fault: it stops the partition.
 */
import { FoldFault, prefetch } from "@holdfast/core";
import {
  type AppliedRecord,
  type CommandBatch,
  type Outcome,
  OutcomeSchema,
  RejectCode,
  RejectedSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { LogEntry } from "../ports/command-log.js";
import { PortError } from "../ports/errors.js";
import type { ProcessorDeps } from "./deps.js";
import { readBatch } from "./readable-commands.js";

/** Entries remembered; the first ones are stored long before there are so many. */
const ENTRIES_MAX = 1_000;

export class FoldFaults {
  /** Places of commands by the entry's sequence. */
  private readonly known = new Map<number, Set<number>>();

  constructor(
    private readonly deps: Pick<ProcessorDeps, "partition" | "metrics" | "guard">,
    /** Where this node is the owner: gives a sender its answer, which nobody else will. */
    private readonly tell: (inbox: string, outcome: Outcome) => void,
  ) {}

  /** Undefined where it can't be read. */
  read({ seq, data }: LogEntry): CommandBatch | undefined {
    const { guard, metrics, partition } = this.deps;
    const { batch, problem, unreadable } = readBatch(data);
    if (problem !== undefined) {
      metrics.unreadable.inc();
      const what = { partition, seq, commands: unreadable, err: problem };
      guard.logger.error("what can't be read of an entry of the log is passed over", what);
    }
    for (const at of this.known.get(seq) ?? []) {
      const command = batch?.commands[at];
      if (command !== undefined) command.kind = { case: undefined };
    }
    return batch;
  }

  /** What folding the batch will most likely read. What can't be said is no loss: the fold asks for it, and is where a fault is told apart. */
  keysOf(batch: CommandBatch, applied: AppliedRecord): Set<string> {
    const keys = new Set<string>();
    try {
      prefetch(batch, applied, keys);
    } catch (error) {
      this.deps.guard.refuse("effect", `what partition ${this.deps.partition} will read`, error);
    }
    return keys;
  }

  /** Runs the fold of an entry. */
  watch<T>({ seq }: LogEntry, batch: CommandBatch, fold: () => T): T {
    try {
      return fold();
    } catch (error) {
      if (!(error instanceof FoldFault) || error.cause instanceof PortError) throw causeOf(error);
      this.remember(seq, error.at);
      this.refuse(seq, error.at, batch);
      const { guard, partition } = this.deps;
      guard.refuse("effect", `command ${error.at} of entry ${seq} of partition ${partition}`, error.cause);
      throw new PortError(
        "unavailable",
        `partition ${partition}: the fold failed over command ${error.at} of entry ${seq}; its state is opened again as it was stored last, and the command is refused`,
        { partition, seq },
        { cause: error },
      );
    }
  }

  private refuse(seq: number, at: number, { replyInbox, commands }: CommandBatch): void {
    const { correlation = 0n } = commands[at] ?? {};
    if (replyInbox === "" || correlation === 0n) return;
    const message = "the fold failed over this command, and it changed nothing: the log of the node says why";
    const value = init(RejectedSchema, { code: RejectCode.UNSUPPORTED, message });
    const result = { case: "rejected", value } as const;
    this.tell(replyInbox, init(OutcomeSchema, { correlation, seq: BigInt(seq), result }));
  }

  private remember(seq: number, at: number): void {
    const faulty = this.known.get(seq) ?? new Set<number>();
    faulty.add(at);
    this.known.set(seq, faulty);
    if (this.known.size <= ENTRIES_MAX) return;
    const [first] = this.known.keys();
    if (first !== undefined) this.known.delete(first);
  }
}

/** Whether a partition stopped over a command that is refused from then on: opened again it goes on at once. */
export const isFoldFault = (error: unknown): boolean =>
  error instanceof PortError && error.cause instanceof FoldFault;

const causeOf = (error: unknown): unknown => (error instanceof FoldFault ? error.cause : error);
