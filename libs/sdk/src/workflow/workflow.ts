/**
 * The workflow builder: each action is declared with its handler, typed after the input and the actions before it.
 *
 * 1. A builder is never changed: each call gives a new workflow, so one may be shared and extended.
 * 2. The definition is compiled and checked when it is first needed, and is the same for ever after.
 */
import { hashDefinition } from "@holdfast/core";
import type { Wait, WorkflowDefinition } from "@holdfast/proto";
import { HoldfastError } from "../errors.js";
import type { ActionContext } from "../worker/context.js";
import { compile, type DeclaredAction } from "./compile.js";
import type {
  ActionOptions,
  AnyActionOptions,
  Approval,
  ApprovalOptions,
  ChildOptions,
  Classify,
  SignalOptions,
  SleepOptions,
  Trigger,
  WorkflowOptions,
} from "./options.js";
import {
  type InputOf,
  type InputOption,
  type InputSchema,
  type ParsedOf,
  readInputSchema,
  type Typed,
} from "./schema.js";
import type { ActionArgs, Actions, NewName, Once, OnceNames, RunOutput, With } from "./types.js";

import {
  type AnyBeside,
  type BesideOnce,
  checkBeside,
  withoutBeside,
  type Handler,
  type OnceHandler,
  type RecoverHandler,
  withHandler,
} from "./beside.js";
import { type AnyBatchOptions, type AnyJobHandlers, type BatchMethod, batchPolicy } from "./batch.js";
import { childRun } from "./children.js";
import type { ForEachMethod } from "./for-each.js";
import { checkActionOptions, checkBesideNames, checkWorkflowOptions } from "./option-names.js";
import { approvalWait, signalWait, sleepWait } from "./waits.js";

interface WaitingOptions {
  readonly after?: readonly string[];
  readonly trigger?: Trigger;
  readonly optional?: boolean;
}

interface Parts {
  readonly name: string;
  readonly options: WorkflowOptions<InputOption>;
  readonly input: InputSchema;
  readonly actions: readonly DeclaredAction[];
  readonly handlers: ReadonlyMap<string, Handler>;
  readonly undoHandlers: ReadonlyMap<string, Handler>;
  readonly recoverHandlers: ReadonlyMap<string, RecoverHandler>;
  readonly jobHandlers: ReadonlyMap<string, AnyJobHandlers>;
}

/** `In`: what a start is given. `Out`: what handlers get of it. */
export class Workflow<In, Out, A extends Actions> {
  readonly #parts: Parts;
  #compiled: { readonly definition: WorkflowDefinition; readonly hash: string } | undefined;
  /** Types alone: what a start takes, and what `result()` gives. */
  declare readonly "~types": { readonly input: In; readonly output: RunOutput<A>; readonly actions: A };

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get name(): string {
    return this.#parts.name;
  }

  get input(): InputSchema {
    return this.#parts.input;
  }

  get classify(): Classify | undefined {
    return this.#parts.options.classify;
  }

  /** By action. */
  get handlers(): ReadonlyMap<string, Handler> {
    return this.#parts.handlers;
  }

  /** By action; of those that can be undone. */
  get undoHandlers(): ReadonlyMap<string, Handler> {
    return this.#parts.undoHandlers;
  }

  /** By action; of those that have a recovery. */
  get recoverHandlers(): ReadonlyMap<string, RecoverHandler> {
    return this.#parts.recoverHandlers;
  }

  /** By action; of those whose work an outside system does. */
  get jobHandlers(): ReadonlyMap<string, AnyJobHandlers> {
    return this.#parts.jobHandlers;
  }

  /** The definition as it is registered. Throws `INVALID_DEFINITION`, saying everything that is wrong with it. */
  get definition(): WorkflowDefinition {
    return this.#compile().definition;
  }

  /** Identifies the definition by its content. */
  get hash(): string {
    return this.#compile().hash;
  }

  /** An action without dependencies and options. */
  action<N extends string, R>(
    name: NewName<N, A>,
    handler: (args: { readonly input: Out }, context: ActionContext) => R,
    beside?: BesideOnce<{ readonly input: Out }, R>,
  ): Workflow<In, Out, With<A, N, Once<R, never, OnceHandler<{ readonly input: Out }, R>>>>;
  /**
   * An action. Its handler gets the run's input, and the outputs of the actions in `after` by name. Beside it, `undo` may say how
   * what it did is undone, and `recover` what is done where it failed.
   */
  action<
    N extends string,
    R,
    const After extends keyof A & string = never,
    const T extends Trigger = "all_completed",
  >(
    name: NewName<N, A>,
    options: ActionOptions<After, T>,
    handler: (args: ActionArgs<Out, A, After, T>, context: ActionContext) => R,
    beside?: BesideOnce<ActionArgs<Out, A, After, T>, R>,
  ): Workflow<In, Out, With<A, N, Once<R, After, OnceHandler<ActionArgs<Out, A, After, T>, R>>>>;
  action(
    name: string,
    options: AnyActionOptions | Handler,
    handler?: Handler | AnyBeside,
    beside?: AnyBeside,
  ): unknown {
    if (typeof options !== "function") {
      checkActionOptions("action", name, withoutBeside(options));
      return this.#with({ name, over: "once", options }, handler as Handler, beside);
    }
    return this.#with({ name, over: "once", options: {} }, options, handler as AnyBeside | undefined);
  }

  /**
   * An action over items: each is worked on, retried and accounted for by itself. Its handler gets `item` and `index`, and the
   * outputs of the actions in `after` that are not over items themselves; a large one is shared by its items, and frozen.
   */
  readonly forEach: ForEachMethod<In, Out, A> = (
    name: string,
    options: AnyActionOptions,
    handler: Handler,
    beside?: AnyBeside,
  ): never => {
    checkActionOptions("forEach", name, withoutBeside(options));
    return this.#with({ name, over: "items", options }, handler, beside) as never;
  };

  /**
   * An action whose work an outside system does: `submit` hands it a job (over items, with many of them), `check` is called now and
   * then until the job is done, and each item ends with its result as an inline one does. Nothing runs between two checks.
   */
  readonly batch: BatchMethod<In, Out, A> = (
    name: string,
    options: AnyBatchOptions,
    handlers: AnyJobHandlers,
    beside?: AnyBeside,
  ): never => {
    checkActionOptions("batch", name, withoutBeside(options));
    const { items, itemsOf, outputOf, lines, linesOf } = options;
    const sources = [items, itemsOf, outputOf, lines, linesOf];
    const over = sources.every((source) => source === undefined) ? "once" : "items";
    const declared = { ...options, batch: batchPolicy(name, options, handlers) };
    const jobHandlers = new Map(this.#parts.jobHandlers).set(name, handlers);
    const submit: Handler = (args, context) => handlers.submit(args, context);
    const made = this.#with({ name, over, options: declared }, submit, beside);
    return new Workflow({ ...made.#parts, jobHandlers }) as never;
  };

  /** An action that waits for time to pass, by the log's clock. It needs no worker. */
  sleep<
    N extends string,
    const After extends keyof A & string = never,
    const T extends Trigger = "all_completed",
  >(name: NewName<N, A>, options: SleepOptions<After, T>): Workflow<In, Out, With<A, N, Once<null, After>>> {
    checkActionOptions("sleep", name, options);
    return this.#waiting(name, options, sleepWait(name, options)) as never;
  }

  /**
   * An action that waits for a signal (`client.signal(runId, name, payload)`, `holdfast signal`). Its output is what comes with the
   * signal, of the type that `payload` says: `typed<Payment>()`. Not checked at run time.
   */
  waitForSignal<
    N extends string,
    P = unknown,
    const After extends keyof A & string = never,
    const T extends Trigger = "all_completed",
  >(
    name: NewName<N, A>,
    options: SignalOptions<After, T> & { readonly payload?: Typed<P> } = {},
  ): Workflow<In, Out, With<A, N, Once<P, After>>> {
    checkActionOptions("waitForSignal", name, options);
    return this.#waiting(name, options, signalWait(name, options)) as never;
  }

  /** An action that waits for somebody to approve (`client.approve(runId)`, `holdfast approve`); rejected, it fails. */
  approval<
    N extends string,
    const After extends keyof A & string = never,
    const T extends Trigger = "all_completed",
  >(
    name: NewName<N, A>,
    options: ApprovalOptions<After, T> = {},
  ): Workflow<In, Out, With<A, N, Once<Approval, After>>> {
    checkActionOptions("approval", name, options);
    return this.#waiting(name, options, approvalWait(name, options)) as never;
  }

  /**
   * An action that is a run of another workflow. It waits for that run and takes its output, its partial result or its failure;
   * its retry retries what failed of the child. It needs no worker of its own; the child's actions do.
   */
  child<
    N extends string,
    W extends ChildWorkflow,
    const From extends OnceNames<A> = never,
    const After extends keyof A & string = never,
    const T extends Trigger = "all_completed",
  >(
    name: NewName<N, A>,
    options: ChildOptions<W, From, After, T>,
  ): Workflow<In, Out, With<A, N, Once<WorkflowOutput<W>, After | From>>> {
    checkActionOptions("child", name, options);
    const { after = [], trigger = "all_completed", optional = false, retry, startToClose } = options;
    const child = childRun(name, options);
    const times = { ...(retry && { retry }), ...(startToClose && { startToClose }) };
    const declared: AnyActionOptions = { after, trigger, optional, child, ...times };
    const action: DeclaredAction = { name, over: "once", options: declared };
    return new Workflow({ ...this.#parts, actions: [...this.#parts.actions, action] }) as never;
  }

  #waiting(name: string, options: WaitingOptions, wait: Wait): Workflow<In, Out, never> {
    const { after = [], trigger = "all_completed", optional = false } = options;
    const action: DeclaredAction = { name, over: "once", options: { after, trigger, optional, wait } };
    return new Workflow({ ...this.#parts, actions: [...this.#parts.actions, action] });
  }

  #with(
    action: DeclaredAction,
    handler: Handler | undefined,
    beside: AnyBeside = {},
  ): Workflow<In, Out, never> {
    const parts = this.#parts;
    if (typeof handler !== "function") {
      throw new HoldfastError(
        "INVALID_DEFINITION",
        `action ${action.name} of workflow ${parts.name} needs a handler function`,
      );
    }
    checkBeside(beside, action.options, `action ${action.name} of workflow ${parts.name}`);
    checkBesideNames(action.name, beside);
    const { undo, recover } = beside;
    const declared = { ...action, undo: undo !== undefined, recover: recover !== undefined };
    return new Workflow({
      ...parts,
      actions: [...parts.actions, declared],
      handlers: withHandler(parts.handlers, action.name, handler),
      undoHandlers: withHandler(parts.undoHandlers, action.name, undo),
      recoverHandlers: withHandler(parts.recoverHandlers, action.name, recover),
    });
  }

  #compile(): { readonly definition: WorkflowDefinition; readonly hash: string } {
    if (this.#compiled === undefined) {
      const { name, options, input, actions } = this.#parts;
      const definition = compile(name, options, input.json, actions);
      this.#compiled = { definition, hash: hashDefinition(definition) };
    }
    return this.#compiled;
  }
}

/** What may be begun as a child. */
type ChildWorkflow = Pick<AnyWorkflow, "name" | "hash"> & {
  readonly "~types": { readonly input: unknown; readonly output: unknown };
};

// A workflow whatever its types are.
export type AnyWorkflow = Pick<
  Workflow<never, never, Actions>,
  | "name"
  | "input"
  | "classify"
  | "handlers"
  | "undoHandlers"
  | "recoverHandlers"
  | "jobHandlers"
  | "definition"
  | "hash"
>;

/** Whether something, such as what a module exports, is a workflow. */
export const isWorkflow = (value: unknown): value is AnyWorkflow => value instanceof Workflow;

export type WorkflowInput<W> = W extends { readonly "~types": { readonly input: infer I } } ? I : unknown;
export type WorkflowOutput<W> = W extends { readonly "~types": { readonly output: infer O } } ? O : unknown;

type NoActions = {};

/** Begins a workflow; add actions with `.action` and `.forEach`. Names are 1-64 of `A-Z a-z 0-9 _ -`. */
export function workflow<const I extends InputOption = Typed<unknown>>(
  name: string,
  options: WorkflowOptions<I> = {},
): Workflow<InputOf<I>, ParsedOf<I>, NoActions> {
  checkWorkflowOptions(name, options);
  return new Workflow({
    name,
    options,
    input: readInputSchema(options.input),
    actions: [],
    handlers: new Map(),
    undoHandlers: new Map(),
    recoverHandlers: new Map(),
    jobHandlers: new Map(),
  });
}
