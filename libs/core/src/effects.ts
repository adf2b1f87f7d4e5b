/**
 * What a fold asks the partition's owner to do. An effect is never the only trace of what must be done: each can be derived
 * again from state (`due`), or is a message that its receiver asks for again.
 */
import type { Attention, BreakerStatus, DeadLetter, Outcome, RunEvent, TaskRef } from "@holdfast/proto";

/** A task that is due: made into a Task from state when a worker has room for it. */
export interface DueTask {
  readonly runId: string;
  readonly action: number;
  /** -1: not for an item. */
  readonly item: number;
  readonly attempt: number;
  readonly workflow: string;
  readonly queue: string;
  readonly priority: number;
  readonly startToCloseMs: number;
  /** Log time since which it may have been due, or earlier: `dueSinceNs` says it exactly. */
  readonly sinceNs: bigint;
}

export type Effect =
  | { readonly kind: "dispatch"; readonly task: DueTask }
  /** An attempt is over, however: its place at the worker is free. */
  | {
      readonly kind: "closed";
      readonly runId: string;
      readonly action: number;
      readonly item: number;
      readonly attempt: number;
    }
  /** A worker gave an attempt back that is still the current one: it is due as it was before. */
  | {
      readonly kind: "returned";
      readonly runId: string;
      readonly action: number;
      readonly item: number;
      readonly attempt: number;
      readonly worker: string;
      readonly reason: string;
      /** The worker has no function for it. */
      readonly noFunction: boolean;
    }
  /** Workers should stop what they do of these. Their reports change nothing, or with a grace may still end it well. */
  | {
      readonly kind: "cancel-tasks";
      readonly tasks: readonly TaskRef[];
      readonly reason: string;
      readonly graceMs: number;
    }
  | { readonly kind: "reply"; readonly inbox: string; readonly outcome: Outcome }
  /** Bring the items of an action, from `fromIndex` on, as ItemsLoaded commands. */
  | {
      readonly kind: "load-items";
      readonly runId: string;
      readonly action: number;
      readonly generation: number;
      readonly fromIndex: number;
    }
  | { readonly kind: "timer"; readonly dueNs: bigint }
  /** The next instant of a schedule is to be computed, and said as a SchedulePlanned command. */
  | { readonly kind: "plan-schedule"; readonly name: string }
  /** A worker should have this attempt by now: if none has, it is to be reported as timed out. Asked again as long as it is current. */
  | {
      readonly kind: "overdue";
      readonly runId: string;
      readonly action: number;
      readonly item: number;
      readonly attempt: number;
      readonly limitMs: number;
    }
  /** What became of instants of a schedule, for the metrics. `lateNs`: of one that began, after its time. */
  | {
      readonly kind: "instants";
      readonly outcome: "planned" | "started" | "skipped" | "missed";
      readonly count: bigint;
      readonly lateNs: bigint;
    }
  /** Ended runs may be due for pruning sooner than was thought. */
  | { readonly kind: "sweep" }
  /** A person should look at this. Told as it happens, not kept: what it is about is in the state. */
  | { readonly kind: "attention"; readonly attention: Attention }
  /** Something went to the dead-letter set. A new owner tells again of what is there since its predecessor's last sign. */
  | { readonly kind: "dead-letter"; readonly letter: DeadLetter }
  /** Due tasks that were held back may go: of a run, or of whatever there is. */
  | { readonly kind: "due-again"; readonly runId: string }
  | {
      readonly kind: "event";
      readonly workflow: string;
      readonly runId: string;
      /** The name of the event's action; empty: it is of none. */
      readonly action: string;
      readonly event: RunEvent;
    }
  /** A breaker went from one state to another. */
  | {
      readonly kind: "breaker";
      readonly workflow: string;
      readonly action: string;
      readonly key: string;
      readonly from: BreakerStatus;
      readonly to: BreakerStatus;
      readonly cause: string;
      /** Empty: nobody had to ask for it. */
      readonly who: string;
    }
  /** A bulk operation has more to do in this partition: the step that `nextBulkStep` names. */
  | { readonly kind: "bulk"; readonly operationId: string }
  /** There are messages for a partition: they are to be appended to its log. */
  | { readonly kind: "messages"; readonly to: number }
  /** Messages of another partition could not be applied as they came. `lost`: they never will be. */
  | {
      readonly kind: "message-trouble";
      readonly from: number;
      readonly lost: bigint;
      readonly message: string;
    }
  | { readonly kind: "owner"; readonly node: string; readonly epoch: bigint; readonly process: string }
  | {
      readonly kind: "stale-report";
      readonly runId: string;
      readonly action: number;
      readonly item: number;
      readonly attempt: number;
    };

/** Names an attempt within a partition. */
export const taskKey = (runId: string, action: number, item: number, attempt: number): string =>
  `${runId}/${action}/${item}/${attempt}`;
