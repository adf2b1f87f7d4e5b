/** What a partition's processor is given by its node. */
import type { DueTask, FoldEffect } from "@holdfast/core";
import type { Logger } from "@holdfast/telemetry";
import type { Bus } from "../ports/bus.js";
import type { Clock } from "../ports/clock.js";
import type { CommandLog } from "../ports/command-log.js";
import type { InputValidator } from "../ports/input-validator.js";
import type { PayloadStore } from "../ports/registry.js";
import type { StateStore } from "../ports/state-store.js";
import type { EngineLimits } from "./limits.js";
import type { Processor } from "./processor.js";

/** What the partition's owner has tasks dispatched by. */
export interface TaskSink {
  /** `full`: there is no room; the task stays in state. `known`: it is ready or with a worker already. */
  offer(partition: Processor, task: DueTask): "taken" | "known" | "full";
  /** The partition has due tasks that found no room: its `roomAgain` is to be called when there is some. */
  wantsRoom(partition: Processor): void;
  closed(partition: Processor, runId: string, action: number, item: number, attempt: number): void;
  cancel(partition: Processor, effect: Extract<FoldEffect, { kind: "cancel-tasks" }>): void;
  overdue(partition: Processor, effect: Extract<FoldEffect, { kind: "overdue" }>): void;
  /** How many workers take tasks of a workflow from a queue. */
  serving(queue: string, workflow: string): number;
  /** All effects of a turn have been given. */
  turnEnded(): void;
}

export interface ProcessorDeps {
  readonly partition: number;
  readonly node: string;
  readonly log: CommandLog;
  readonly store: StateStore;
  readonly bus: Bus;
  readonly payloads: PayloadStore;
  /** Absent: the inputs of child runs are not checked. */
  readonly inputs?: InputValidator | undefined;
  readonly sink: TaskSink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: EngineLimits;
  readonly metrics: ProcessorMetrics;
}

export interface ProcessorMetrics {
  readonly commands: { inc(by?: number): void };
  readonly entries: { inc(by?: number): void };
  readonly commits: { inc(by?: number): void };
  readonly stale: { inc(by?: number): void };
  readonly unreadable: { inc(by?: number): void };
  /** Breakers that changed state. */
  readonly breakerTransitions: { inc(by?: number): void };
  readonly breaches: { inc(by?: number): void };
  /** Instants of schedules, by what became of them, and how late those were that began, together. */
  readonly instants: { labels(outcome: string): { inc(by?: number): void } };
  readonly instantsLateS: { inc(by?: number): void };
  readonly messagesSent: { inc(by?: number): void };
  readonly messagesLost: { inc(by?: number): void };
}
