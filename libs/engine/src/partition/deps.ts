/** What a partition's processor is given by its node. */
import type { DueTask, FoldEffect } from "@holdfast/core";
import type { Logger } from "@holdfast/telemetry";
import type { Hears } from "../dispatch/hearing.js";
import type { Bus } from "../ports/bus.js";
import type { Clock } from "../ports/clock.js";
import type { CommandLog } from "../ports/command-log.js";
import type { Guard } from "../ports/guard.js";
import type { InputValidator } from "../ports/input-validator.js";
import type { PayloadStore } from "../ports/registry.js";
import type { StateStore } from "../ports/state-store.js";
import type { EngineLimits } from "./limits.js";
import type { Needed } from "./needed.js";
import type { Processor } from "./processor.js";

/** What the partition's owner has tasks dispatched by. */
export interface TaskSink {
  /** Resolves once workers had time to say what they run of a partition that this node now owns. */
  rollCall(partition: Processor): Promise<void>;
  /** Another node owns the partition: nothing is known of its tasks any more. */
  lost(partition: Processor): void;
  /** `full`: there is no room; the task stays in state. `known`: it is ready or with a worker already. */
  offer(partition: Processor, task: DueTask): "taken" | "known" | "full";
  /** How many more due tasks of a workflow and a queue there is room for. */
  room(partition: Processor, workflow: string, queue: string): number;
  /** The partition has due tasks that found no room: its `roomAgain` is to be called when there is some. */
  wantsRoom(partition: Processor, workflow: string, queue: string): void;
  closed(partition: Processor, runId: string, action: number, item: number, attempt: number): void;
  cancel(partition: Processor, effect: Extract<FoldEffect, { kind: "cancel-tasks" }>): void;
  returned(partition: Processor, effect: Extract<FoldEffect, { kind: "returned" }>): void;
  overdue(partition: Processor, effect: Extract<FoldEffect, { kind: "overdue" }>): void;
  /** How many workers take tasks of a workflow from a queue, and have the function where one is named. */
  serving(queue: string, workflow: string, needed?: Needed): number;
  /** All effects of a turn have been given. */
  turnEnded(): void;
}

export interface ProcessorDeps {
  readonly partition: number;
  readonly node: string;
  /** Of this start of the node: tells it from another of the same id. */
  readonly process: string;
  readonly log: CommandLog;
  readonly store: StateStore;
  readonly bus: Bus;
  readonly payloads: PayloadStore;
  /** Absent: the inputs of child runs are not checked. */
  readonly inputs?: InputValidator | undefined;
  readonly sink: TaskSink;
  readonly hearing: Hears;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly guard: Guard;
  readonly limits: EngineLimits;
  readonly metrics: ProcessorMetrics;
  /** The partition stopped, over this. */
  readonly onStopped: (error: unknown) => void;
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
  /** Entries that somebody else wrote in the owner's name. */
  readonly foreign: { inc(by?: number): void };
  readonly messagesSent: { inc(by?: number): void };
  readonly messagesLost: { inc(by?: number): void };
  /** Times that due work stood still beside an idle worker. */
  readonly stalls: { inc(by?: number): void };
}
