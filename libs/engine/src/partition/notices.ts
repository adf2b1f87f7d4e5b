/** What a partition tells people by itself, beside what its fold has told: broken rules, a sweep that is behind, dead letters anew. */
import {
  type Attention,
  AttentionKind,
  AttentionSchema,
  type Breach,
  type DeadLetter,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { pinned } from "./compose.js";
import type { ProcessorDeps } from "./deps.js";
import type { Outbox } from "./outbox.js";
import type { PartitionState } from "./state.js";

export interface NoticesDeps {
  readonly deps: Pick<ProcessorDeps, "partition" | "metrics" | "logger">;
  readonly outbox: Outbox;
  readonly state: () => PartitionState;
  readonly atNs: () => bigint;
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

  /** Rules that must always hold and do not. */
  breaches(breaches: readonly Breach[]): void {
    const { deps, outbox, state } = this.from;
    deps.metrics.breaches.inc(breaches.length);
    for (const { runId, action, rule, message: found } of breaches) {
      deps.logger.error("a rule that must always hold is broken", { run: runId, action, rule, found });
      const workflow = runId === "" ? "" : (pinned(state(), runId)?.run.workflow ?? "");
      const message = `${rule} is broken: ${found}`;
      this.say({ kind: AttentionKind.BREACH, workflow, runId, action, message });
    }
    outbox.flush();
  }

  /** Says again that these went to the dead-letter set. */
  deadLetters(letters: readonly DeadLetter[]): void {
    for (const letter of letters) this.from.outbox.addDeadLetter(letter);
    this.from.outbox.flush();
  }

  private say(fields: Init<Attention>): void {
    this.from.outbox.addAttention(init(AttentionSchema, { ...fields, atNs: this.from.atNs() }));
  }
}
