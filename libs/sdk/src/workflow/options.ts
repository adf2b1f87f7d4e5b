/** What a workflow and its actions may declare, as users write it. */
import type { Batch, ChildRun, Wait } from "@holdfast/proto";
import type { FailureModeName } from "../action-error.js";
import type { Duration } from "../duration.js";
import type { BreakerOptions, ItemBreakerOptions } from "./breaker.js";
import type { InputOption } from "./schema.js";

/**
 * Says of what kind a failure is, whatever its type, code and words say: `(error) => error instanceof Declined ? "VALIDATION" : undefined`. Given what
 * the handler threw; undefined: as it is classified otherwise.
 */
export type Classify = (error: unknown) => FailureModeName | undefined;

export interface RetryOptions {
  /** All attempts, the first included. */
  readonly maxAttempts?: number;
  readonly initialBackoff?: Duration;
  /** Each pause is this many times the last; 2 doubles. */
  readonly factor?: number;
  readonly maxBackoff?: Duration;
  /** Part of a pause that is varied at random: 0.2 is ±20 %. */
  readonly jitter?: number;
  /** If given, only failures of these modes are retried. */
  readonly retryOn?: readonly FailureModeName[];
  readonly neverOn?: readonly FailureModeName[];
}

/**
 * When an action runs, once all it waits for has ended: `all_completed` (default; else it is skipped), `all_done` (whatever
 * became of them), `any_completed`.
 */
export type Trigger = "all_completed" | "all_done" | "any_completed";

export interface CommonOptions {
  readonly retry?: RetryOptions;
  /** How long one attempt may take; default 5 minutes. */
  readonly startToClose?: Duration;
  /** How soon a worker must have an attempt once it is due; else it fails with TIMEOUT and is retried by its policy. Default: whenever. */
  readonly scheduleToStart?: Duration;
  /** An attempt whose handler does not call `ctx.heartbeat()` for so long fails with TIMEOUT. Default: it need not. */
  readonly heartbeat?: Duration;
  /** The queue whose workers run it; default: the workflow's. */
  readonly queue?: string;
  /** Its failure does not fail the run. */
  readonly optional?: boolean;
  /**
   * Shown to people in place of the raw error, which is kept beside it: `"row {item.id}: could not load {table}"`. Placeholders are paths into what the
   * handler gets (`{input.table}`, `{item.id}`, `{index}`, `{rates.day}`); one that begins with none of its names is a path into the input (`{table}`).
   */
  readonly failureMessage?: string;
  /** Stops asking a dependency that fails, and holds the work until it answers again; default: always asks. */
  readonly breaker?: BreakerOptions;
  /** The names of its steps in their order, where they are known beforehand: what remains of a failed attempt can then be told. */
  readonly steps?: readonly string[];
}

export interface ActionOptions<After extends string, T extends Trigger> extends CommonOptions {
  /** Actions that it waits for; its handler gets their outputs by name. */
  readonly after?: readonly After[];
  readonly trigger?: T;
}

/** An action that waits for time to pass. */
export interface SleepOptions<After extends string, T extends Trigger> {
  readonly for: Duration;
  readonly after?: readonly After[];
  readonly trigger?: T;
}

/** An action that waits for a signal; its output is what comes with it. */
export interface SignalOptions<After extends string, T extends Trigger> {
  /** The signal's name; default: the action's. */
  readonly signal?: string;
  /** Fails with TIMEOUT after so long; default: waits for ever. */
  readonly timeout?: Duration;
  readonly after?: readonly After[];
  readonly trigger?: T;
  readonly optional?: boolean;
}

/** An action that waits for somebody's decision. */
export interface ApprovalOptions<After extends string, T extends Trigger> {
  /** What is to be decided, for people. */
  readonly prompt?: string;
  readonly timeout?: Duration;
  /** What the time-out is taken for; default `fail`. */
  readonly onTimeout?: "fail" | "approve" | "reject";
  readonly after?: readonly After[];
  readonly trigger?: T;
  readonly optional?: boolean;
}

/** An action that is a run of another workflow; its output is that run's. */
export interface ChildOptions<W, From extends string, After extends string, T extends Trigger> {
  /** The workflow, or its name. It must be registered by the time the action begins: by a worker that has it. */
  readonly workflow: W | string;
  /** Always the workflow as it is given here; default: the latest that is registered when the child begins. */
  readonly pinned?: boolean;
  /** A dotted path or JSON pointer into the run's input; default: the whole input. */
  readonly input?: string;
  /** The child's input is the output of an action, or a part of it. */
  readonly outputOf?: { readonly action: From; readonly path?: string };
  /** The child is retried so often if it fails; default: not at all, since its own actions are. */
  readonly retry?: RetryOptions;
  /** A child that has not ended by then is cancelled, and its action has failed with TIMEOUT; default: it may last. */
  readonly startToClose?: Duration;
  readonly after?: readonly After[];
  readonly trigger?: T;
  readonly optional?: boolean;
}

/** What dependants get of an approval that was given. */
export interface Approval {
  readonly approved: true;
  readonly comment: string;
  readonly who: string;
}

/** How many failed items an action bears before it fails; default any, as long as one succeeds. */
export type Tolerate = { readonly count: number } | { readonly percent: number };

export interface ForEachOptions<After extends string, T extends Trigger, Key extends string = string>
  extends ActionOptions<After, T> {
  readonly breaker?: ItemBreakerOptions<Key>;
  /** What names an item beside its index: a place in it where a text or a number stands, `"orderId"`; `""`: the item itself. */
  readonly key?: Key;
  /** How many items may be under way at once. */
  readonly window?: number;
  readonly tolerate?: Tolerate;
}

/** What a run may take and spend; beyond it what is open is stopped, with POLICY_BUDGET. */
export interface GuardrailOptions {
  /** Of each generation of a run, up to ten years. */
  readonly maxDuration?: Duration;
  /** Steps that are checkpointed, over the whole run. */
  readonly maxSteps?: number;
  /** The most that handlers may report by `ctx.usage`, over the whole run: `{ tokens: 1_000_000, cost_usd: 5 }`. */
  readonly budgets?: Readonly<Record<string, number>>;
  /** After how many other fingerprints a handler that comes back to one is stuck (`ctx.progress`): 1 to 50, default 5. */
  readonly stuckRevisitGap?: number;
}

export interface WorkflowOptions<I extends InputOption> {
  /** A Standard Schema, `{ schema, jsonSchema }`, `{ jsonSchema }`, or `typed<T>()`. */
  readonly input?: I;
  /** The queue of actions that name none; default `default`. */
  readonly queue?: string;
  /** Has the first word on the failures of its handlers. Not part of the definition: each worker has its own. */
  readonly classify?: Classify;
  /** Retries failed runs by itself, as recommended for each; default: an operator does. */
  readonly recovery?: {
    readonly auto: boolean;
    /** Recoveries of one run; default 3. */
    readonly maxAttempts?: number;
    readonly backoff?: Pick<RetryOptions, "initialBackoff" | "factor" | "maxBackoff" | "jitter">;
    /** What fails and is not recovered by itself (any more) goes to the dead letters; default: an operator moves it, or nobody. */
    readonly deadLetter?: boolean;
  };
  readonly guardrails?: GuardrailOptions;
  readonly retention?: {
    /** How long runs that completed are kept; default 24 h. */
    readonly completed?: Duration;
    /** How long runs that failed, wholly or in part, stay and can be retried; default 7 days. */
    readonly failed?: Duration;
    /** How long what is in the dead letters is kept, from when it was moved; default 30 days. */
    readonly deadLetters?: Duration;
  };
}

/** Every option there is, for compiling. */
export interface AnyActionOptions extends ForEachOptions<string, Trigger> {
  readonly items?: string;
  readonly itemsOf?: string;
  readonly lines?: string;
  readonly linesOf?: { readonly action: string; readonly path?: string };
  readonly outputOf?: { readonly action: string; readonly path?: string };
  readonly wait?: Wait;
  readonly batch?: Batch;
  readonly child?: ChildRun;
}
