/** What a partition tells people by itself, beside what its fold has told: broken rules, a sweep that is behind, dead letters anew. */
import { breachAttention, BREACHES_KEPT_MAX, breachesKey, isWithin } from "@holdfast/core";
import {
  type Attention,
  AttentionKind,
  AttentionSchema,
  type BreachesFound,
  BreachesFoundSchema,
  type Command,
  CommandSchema,
  type DeadLetter,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ProcessorDeps } from "./deps.js";
import type { Outbox } from "./outbox.js";
import type { PartitionState } from "./state.js";

export interface NoticesDeps {
  readonly deps: Pick<ProcessorDeps, "partition" | "metrics" | "logger">;
  readonly outbox: Outbox;
  readonly state: () => PartitionState;
  readonly atNs: () => bigint;
  readonly write: (command: Command) => void;
}

export interface StoodStill {
  readonly workflow: string;
  readonly queue: string;
  readonly runId?: string;
}

export class Notices {
  constructor(private readonly from: NoticesDeps) {}

  /** Retention leaves ended runs for longer than it may. Told anew by each sweep that finds it so. */
  sweepStalled(behindMs: number): void {
    this.from.outbox.addAttention(this.stalled(behindMs));
    this.from.outbox.flush();
  }

  stalled(behindMs: number): Attention {
    const { partition } = this.from.deps;
    const minutes = Math.round(behindMs / 60_000);
    const message = `partition ${partition} is ${minutes} min behind with pruning ended runs: look at its node's load, disk and log`;
    return init(AttentionSchema, { kind: AttentionKind.SWEEP_STALLED, message, atNs: this.from.atNs() });
  }

  /** Work was due, a worker was idle, and nothing moved: a defect, mended by looking it up again. */
  stoodStill({ workflow, queue, runId = "" }: StoodStill): void {
    const { deps, outbox, atNs } = this.from;
    const { partition, logger, metrics } = deps;
    metrics.stalls.inc();
    logger.error("due work stood still beside an idle worker; it is looked up again", {
      partition,
      workflow,
      queue,
      run: runId,
    });
    const message = `partition ${partition} had work of workflow "${workflow}" due in queue "${queue}" while a worker of it was idle, and did not send it: a defect of Holdfast; it was looked up again, so look whether it goes on, and report it with the node's log`;
    outbox.addAttention(
      init(AttentionSchema, { kind: AttentionKind.STUCK, workflow, runId, queue, message, atNs: atNs() }),
    );
    outbox.flush();
  }

  /** Looking for due work does not get on. */
  lookHangs(): void {
    const { deps, outbox, atNs } = this.from;
    const { partition, logger, metrics } = deps;
    metrics.stalls.inc();
    logger.error("looking for due work does not get on; it is begun anew", { partition });
    const message = `partition ${partition} looks for due work and does not get on, so work may wait beside idle workers: it was begun anew; look at its node's disk and load`;
    outbox.addAttention(init(AttentionSchema, { kind: AttentionKind.STUCK, message, atNs: atNs() }));
    outbox.flush();
  }

  /** What a check of some places has found. Goes through the log, which tells and keeps it, where there is anything to keep or to mend. */
  checked(found: BreachesFound): void {
    const { deps, state, write, outbox, atNs } = this.from;
    const { breaches } = found;
    deps.metrics.breaches.inc(breaches.length);
    for (const { runId, action, rule, message } of breaches)
      deps.logger.error("a rule that must always hold is broken", {
        run: runId,
        action,
        rule,
        found: message,
      });
    for (const breach of breaches.slice(BREACHES_KEPT_MAX))
      outbox.addAttention(breachAttention(state(), atNs(), breach));
    const known = state().get(breachesKey)?.kept ?? [];
    if (breaches.length === 0 && !known.some((kept) => isWithin(kept, found))) return;
    const value = init(BreachesFoundSchema, { ...found, breaches: breaches.slice(0, BREACHES_KEPT_MAX) });
    write(init(CommandSchema, { kind: { case: "breachesFound", value } }));
  }

  /** Says again that these went to the dead-letter set. */
  deadLetters(letters: readonly DeadLetter[]): void {
    for (const letter of letters) this.from.outbox.addDeadLetter(letter);
    this.from.outbox.flush();
  }
}
