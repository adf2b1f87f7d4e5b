/**
 * Actions whose work an outside system does: how they are declared, and from that to what the definition says. Over items a job takes
 * many of them; else the action is one job.
 */
import { type Batch, BatchSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { Duration } from "../duration.js";
import { durationMs } from "../duration.js";
import { HoldfastError } from "../errors.js";
import type { BatchContext } from "../worker/context.js";
import { count, retry } from "./compile.js";
import { checkJobHandlerNames } from "./option-names.js";
import type { ActionOptions, AnyActionOptions, ForEachOptions, RetryOptions, Trigger } from "./options.js";
import type {
  ActionArgs,
  Actions,
  ArrayPath,
  ArrayPointer,
  ItemAt,
  ItemsNames,
  LineAt,
  LinesPath,
  LinesPointer,
  JobArgs,
  Jsonified,
  NoEffect,
  OnceNames,
  UndoArgs,
  UndoItemsArgs,
  NewName,
  Once,
  OverItems,
  With,
} from "./types.js";
import type { FromInput, FromItems, FromLines, FromOutput, FromOutputLines } from "./item-sources.js";
import type { Beside } from "./beside.js";
import type { Workflow } from "./workflow.js";

export interface BatchOptions {
  /** The pause before a check, growing up to `max`; default 5 s, × 1.5, 1 minute. */
  readonly pollInterval?: Duration | Pick<PollOptions, "initial" | "factor" | "max" | "jitter">;
  /** For all jobs of the action together; what has no result by then fails with TIMEOUT. Default: as long as it takes. */
  readonly timeout?: Duration;
}

interface PollOptions {
  readonly initial?: Duration;
  readonly factor?: number;
  readonly max?: Duration;
  readonly jitter?: number;
}

interface BatchItemsOptions extends BatchOptions {
  /** How many items one job takes at most; default 10,000. One job is under way at a time. */
  readonly itemsAJob?: number;
}

/** How one item ended. The first result of an item counts. */
export type JobResult<R> =
  | { readonly index: number; readonly output: R | NoEffect }
  /** An `ActionError`, or anything that can be thrown: classified as what an inline handler throws. */
  | { readonly index: number; readonly error: unknown }
  /** Filtered out, and why. */
  | { readonly index: number; readonly skip: string };

/** How far a job over items is. */
export interface JobCheck<R> {
  /** No more is to come: items without a result fail. */
  readonly done: boolean;
  /** All there are, or those since the last check: what came before does not count again. */
  readonly results?: readonly JobResult<R>[];
  /** For people. */
  readonly progress?: string;
  /** The job failed as a whole: items without a result fail with this. Only with `done`. */
  readonly error?: unknown;
}

/** How far a job is that is the whole action. */
export interface WholeJobCheck<R> {
  readonly done: boolean;
  /** The action's output. Only with `done`. */
  readonly output?: R | NoEffect;
  readonly progress?: string;
  /** The job failed. Only with `done`. */
  readonly error?: unknown;
}

type Now<T> = T | Promise<T>;

/**
 * What a worker does about jobs. Each is an attempt: tried again as the action's retry policy has it, and within `startToClose`.
 * `submit` gives back what names the job, as JSON of at most 4 KiB. A submit that was cut off is made again, with the same
 * `ctx.idempotencyKey`: hand that to the outside system, so that it does not take the job twice.
 */
export interface JobHandlers<Args, H, Check> {
  submit(args: Args, context: BatchContext): Now<H>;
  check(handle: Jsonified<H>, context: BatchContext): Now<Check>;
  /** Best effort: tells the outside system that a job is not wanted any more (time-out, cancel, too many failures). */
  cancel?(handle: Jsonified<H>, context: BatchContext): unknown;
}

export type AnyJobHandlers = JobHandlers<never, unknown, unknown>;

type Options<S, After extends string, T extends Trigger> = S &
  BatchItemsOptions &
  Omit<ForEachOptions<After, T>, "window" | "breaker"> &
  Pick<ActionOptions<After, T>, "breaker">;

type Items<In, Out, A extends Actions, N extends string, R, After extends string> = Workflow<
  In,
  Out,
  With<A, N, OverItems<R, After>>
>;

/** `.batch(name, options, { submit, check, cancel })`. */
export interface BatchMethod<In, Out, A extends Actions> {
  /** Items of the run's input. */
  <
    N extends string,
    H,
    R,
    const P extends ArrayPath<Jsonified<In>> | ArrayPointer<Jsonified<In>>,
    const After extends keyof A & string = never,
    const T extends Trigger = "all_completed",
  >(
    name: NewName<N, A>,
    options: Options<FromInput<P>, After, T>,
    handlers: JobHandlers<JobArgs<Out, ItemAt<Jsonified<In>, P>, A, After, T>, H, JobCheck<R>>,
    beside?: Beside<UndoItemsArgs<Out, A, After, T, R>>,
  ): Items<In, Out, A, N, R, After>;
  /** One item for each success of another action over items. */
  <
    N extends string,
    H,
    R,
    const From extends ItemsNames<A>,
    const After extends keyof A & string = never,
    const T extends Trigger = "all_completed",
  >(
    name: NewName<N, A>,
    options: Options<FromItems<From>, After, T>,
    handlers: JobHandlers<JobArgs<Out, A[From]["output"], A, After, T>, H, JobCheck<R>>,
    beside?: Beside<UndoItemsArgs<Out, A, After, T, R>>,
  ): Items<In, Out, A, N, R, After | From>;
  /** An array in another action's output. */
  <
    N extends string,
    H,
    R,
    const From extends OnceNames<A>,
    const P extends string = "",
    const After extends keyof A & string = never,
    const T extends Trigger = "all_completed",
  >(
    name: NewName<N, A>,
    options: Options<
      FromOutput<From, P & (ArrayPath<A[From]["output"]> | ArrayPointer<A[From]["output"]>)>,
      After,
      T
    >,
    handlers: JobHandlers<JobArgs<Out, ItemAt<A[From]["output"], P>, A, After | From, T>, H, JobCheck<R>>,
    beside?: Beside<UndoItemsArgs<Out, A, After | From, T, R>>,
  ): Items<In, Out, A, N, R, After | From>;
  /** The lines of an artifact in the run's input. */
  <
    N extends string,
    H,
    R,
    const P extends LinesPath<Jsonified<In>> | LinesPointer<Jsonified<In>>,
    const After extends keyof A & string = never,
    const T extends Trigger = "all_completed",
  >(
    name: NewName<N, A>,
    options: Options<FromLines<P>, After, T>,
    handlers: JobHandlers<JobArgs<Out, LineAt<Jsonified<In>, P>, A, After, T>, H, JobCheck<R>>,
    beside?: Beside<UndoItemsArgs<Out, A, After, T, R>>,
  ): Items<In, Out, A, N, R, After>;
  /** The lines of an artifact in another action's output. */
  <
    N extends string,
    H,
    R,
    const From extends OnceNames<A>,
    const P extends string = "",
    const After extends keyof A & string = never,
    const T extends Trigger = "all_completed",
  >(
    name: NewName<N, A>,
    options: Options<
      FromOutputLines<From, P & (LinesPath<A[From]["output"]> | LinesPointer<A[From]["output"]>)>,
      After,
      T
    >,
    handlers: JobHandlers<JobArgs<Out, LineAt<A[From]["output"], P>, A, After | From, T>, H, JobCheck<R>>,
    beside?: Beside<UndoItemsArgs<Out, A, After | From, T, R>>,
  ): Items<In, Out, A, N, R, After | From>;
  /** One job, whose output is the action's. */
  <
    N extends string,
    H,
    R,
    const After extends keyof A & string = never,
    const T extends Trigger = "all_completed",
  >(
    name: NewName<N, A>,
    options: BatchOptions & ActionOptions<After, T>,
    handlers: JobHandlers<ActionArgs<Out, A, After, T>, H, WholeJobCheck<R>>,
    beside?: Beside<UndoArgs<ActionArgs<Out, A, After, T>, R>>,
  ): Workflow<In, Out, With<A, N, Once<R, After>>>;
}

export type AnyBatchOptions = AnyActionOptions & BatchItemsOptions;

/** What the definition says of it. */
export function batchPolicy(name: string, options: AnyBatchOptions, handlers: AnyJobHandlers): Batch {
  const { pollInterval, timeout, itemsAJob } = options;
  for (const part of ["submit", "check", "cancel"] as const) {
    const given = (handlers as Partial<AnyJobHandlers> | undefined)?.[part];
    if (typeof given !== "function" && (part !== "cancel" || given !== undefined))
      throw new HoldfastError(
        "INVALID_DEFINITION",
        `action ${name} is an external batch: its ${part} must be a handler function`,
      );
  }
  checkJobHandlerNames(name, handlers);
  const timeoutMs = timeout === undefined ? 0 : durationMs(timeout, `timeout of action ${name}`);
  return init(BatchSchema, {
    poll: pollInterval === undefined ? undefined : retry(name, pollPolicy(pollInterval)),
    timeoutMs: BigInt(Math.ceil(timeoutMs)),
    itemsAJob: itemsAJob === undefined ? 0 : count(itemsAJob, 1, `itemsAJob of action ${name}`),
    cancellable: handlers.cancel !== undefined,
  });
}

function pollPolicy(given: NonNullable<BatchOptions["pollInterval"]>): RetryOptions {
  const { initial, max, factor, jitter } =
    typeof given === "object" ? (given as PollOptions) : { initial: given };
  return {
    ...(initial === undefined ? {} : { initialBackoff: initial }),
    ...(max === undefined ? {} : { maxBackoff: max }),
    ...(factor === undefined ? {} : { factor }),
    ...(jitter === undefined ? {} : { jitter }),
  };
}
