/** What may stand beside a handler: how what it did is undone, and what is done where it failed. */
import { HoldfastError } from "../errors.js";
import type { ActionContext, ItemContext, UndoContext } from "../worker/context.js";
import type { RecoveredError } from "../worker/recovered-error.js";
import type { Trigger } from "./options.js";
import type { Actions, ItemArgs, NoEffect, Skip, UndoArgs, UndoItemsArgs } from "./types.js";

/** Runs one action, or one item of it. `args` is what the action depends on. */
export type Handler = (args: never, context: never) => unknown;
export type RecoverHandler = (args: never, error: never, context: never) => unknown;

/** What a handler may give in the place of another; of one that only throws nothing is known. */
type InPlaceOf<R, Ending> = [R] extends [never]
  ? unknown
  : Awaited<R> | Ending | Promise<Awaited<R> | Ending>;

/** The type of an action's handler, and of one that a test puts in its place. */
export type OnceHandler<Args, R> = (args: Args, context: ActionContext) => InPlaceOf<R, NoEffect>;
export type ItemHandler<Item, Out, A extends Actions, After extends string, T extends Trigger, R> = (
  args: ItemArgs<Item, A, After, T>,
  context: ItemContext<Out>,
) => InPlaceOf<R, NoEffect | Skip>;

/** Beside the handlers of an external batch. */
export interface Beside<UndoneArgs> {
  /**
   * Undoes what the handler did, should the run fail or be cancelled after it completed: with what the handler got and returned.
   * Retried as the action is; it must bear to be run again. What it returns is not kept.
   */
  readonly undo?: (args: UndoneArgs, context: UndoContext) => unknown;
}

interface BesideHandler<UndoneArgs, Args, Context, Result> extends Beside<UndoneArgs> {
  /**
   * Tried once, when no attempt is left that could succeed: with what the handler got, and the failure. What it returns counts as
   * the handler's result; where it throws, is lost or takes too long, the action or item has failed for both reasons.
   */
  readonly recover?: (args: Args, error: RecoveredError, context: Context) => Result | Promise<Result>;
}

export type BesideOnce<Args, R> = BesideHandler<
  UndoArgs<Args, R>,
  Args,
  ActionContext,
  NoInfer<Awaited<R>> | NoEffect
>;
export type BesideItems<
  Item,
  Out,
  A extends Actions,
  After extends string,
  T extends Trigger,
  R,
> = BesideHandler<
  UndoItemsArgs<Out, A, After, T, R>,
  ItemArgs<Item, A, After, T>,
  ItemContext<Out>,
  NoInfer<Awaited<R>> | NoEffect | Skip
>;

export interface AnyBeside {
  readonly undo?: Handler;
  readonly recover?: RecoverHandler;
}

/** Throws `INVALID_DEFINITION` where something else stands there. `subject` names the action. */
export function checkBeside(beside: AnyBeside, options: object, subject: string): void {
  for (const what of ["undo", "recover"] as const) {
    const handler: unknown = beside[what];
    if (what in options)
      throw invalid(`${what} of ${subject} is not one of its options: pass { ${what} } after the handler`);
    if (handler !== undefined && typeof handler !== "function")
      throw invalid(`${what} of ${subject} must be a handler function`);
  }
}

/** Options without what belongs behind the handler: `checkBeside` says where that goes. */
export function withoutBeside(options: object): object {
  if (typeof options !== "object" || options === null || !("undo" in options || "recover" in options))
    return options;
  const { undo: _undo, recover: _recover, ...others } = options as AnyBeside;
  return others;
}

/** The same map where there is no such handler. */
export const withHandler = <H>(
  handlers: ReadonlyMap<string, H>,
  name: string,
  handler: H | undefined,
): ReadonlyMap<string, H> => (handler === undefined ? handlers : new Map(handlers).set(name, handler));

const invalid = (message: string): HoldfastError => new HoldfastError("INVALID_DEFINITION", message);
