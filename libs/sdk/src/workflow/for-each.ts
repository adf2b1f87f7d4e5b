/** The types of `.forEach`: where items come from says what its handler gets. Types only. */
import type { ItemContext } from "../worker/context.js";
import type { BesideItems, ItemHandler } from "./beside.js";
import type { FromInput, FromItems, FromLines, FromOutput, FromOutputLines } from "./item-sources.js";
import type { ForEachOptions, Trigger } from "./options.js";
import type {
  Actions,
  ArrayPath,
  ArrayPointer,
  ItemArgs,
  ItemAt,
  ItemKey,
  ItemsNames,
  Jsonified,
  LineAt,
  LinesPath,
  LinesPointer,
  NewName,
  OnceNames,
  OverItems,
  With,
} from "./types.js";
import type { Workflow } from "./workflow.js";

/** `.forEach(name, options, handler, { undo, recover })`. */
export interface ForEachMethod<In, Out, A extends Actions> {
  /** Items of the run's input. */
  <
    N extends string,
    R,
    const P extends ArrayPath<Jsonified<In>> | ArrayPointer<Jsonified<In>>,
    const After extends keyof A & string = never,
    const T extends Trigger = "all_completed",
  >(
    name: NewName<N, A>,
    options: FromInput<P> & ForEachOptions<After, T, ItemKey<ItemAt<Jsonified<In>, P>>>,
    handler: (args: ItemArgs<ItemAt<Jsonified<In>, P>, A, After, T>, context: ItemContext<Out>) => R,
    beside?: BesideItems<ItemAt<Jsonified<In>, P>, Out, A, After, T, R>,
  ): Workflow<
    In,
    Out,
    With<A, N, OverItems<R, After, ItemHandler<ItemAt<Jsonified<In>, P>, Out, A, After, T, R>>>
  >;
  /** One item for each success of another action over items. */
  <
    N extends string,
    R,
    const From extends ItemsNames<A>,
    const After extends keyof A & string = never,
    const T extends Trigger = "all_completed",
  >(
    name: NewName<N, A>,
    options: FromItems<From> & ForEachOptions<After, T, ItemKey<A[From]["output"]>>,
    handler: (args: ItemArgs<A[From]["output"], A, After, T>, context: ItemContext<Out>) => R,
    beside?: BesideItems<A[From]["output"], Out, A, After, T, R>,
  ): Workflow<
    In,
    Out,
    With<A, N, OverItems<R, After | From, ItemHandler<A[From]["output"], Out, A, After, T, R>>>
  >;
  /** An array in another action's output. */
  <
    N extends string,
    R,
    const From extends OnceNames<A>,
    const P extends string = "",
    const After extends keyof A & string = never,
    const T extends Trigger = "all_completed",
  >(
    name: NewName<N, A>,
    options: FromOutput<From, P & (ArrayPath<A[From]["output"]> | ArrayPointer<A[From]["output"]>)> &
      ForEachOptions<After, T, ItemKey<ItemAt<A[From]["output"], P>>>,
    handler: (args: ItemArgs<ItemAt<A[From]["output"], P>, A, After, T>, context: ItemContext<Out>) => R,
    beside?: BesideItems<ItemAt<A[From]["output"], P>, Out, A, After, T, R>,
  ): Workflow<
    In,
    Out,
    With<A, N, OverItems<R, After | From, ItemHandler<ItemAt<A[From]["output"], P>, Out, A, After, T, R>>>
  >;
  /** The lines of an artifact in the run's input. */
  <
    N extends string,
    R,
    const P extends LinesPath<Jsonified<In>> | LinesPointer<Jsonified<In>>,
    const After extends keyof A & string = never,
    const T extends Trigger = "all_completed",
  >(
    name: NewName<N, A>,
    options: FromLines<P> & ForEachOptions<After, T, ItemKey<LineAt<Jsonified<In>, P>>>,
    handler: (args: ItemArgs<LineAt<Jsonified<In>, P>, A, After, T>, context: ItemContext<Out>) => R,
    beside?: BesideItems<LineAt<Jsonified<In>, P>, Out, A, After, T, R>,
  ): Workflow<
    In,
    Out,
    With<A, N, OverItems<R, After, ItemHandler<LineAt<Jsonified<In>, P>, Out, A, After, T, R>>>
  >;
  /** The lines of an artifact in another action's output. */
  <
    N extends string,
    R,
    const From extends OnceNames<A>,
    const P extends string = "",
    const After extends keyof A & string = never,
    const T extends Trigger = "all_completed",
  >(
    name: NewName<N, A>,
    options: FromOutputLines<From, P & (LinesPath<A[From]["output"]> | LinesPointer<A[From]["output"]>)> &
      ForEachOptions<After, T, ItemKey<LineAt<A[From]["output"], P>>>,
    handler: (args: ItemArgs<LineAt<A[From]["output"], P>, A, After, T>, context: ItemContext<Out>) => R,
    beside?: BesideItems<LineAt<A[From]["output"], P>, Out, A, After, T, R>,
  ): Workflow<
    In,
    Out,
    With<A, N, OverItems<R, After | From, ItemHandler<LineAt<A[From]["output"], P>, Out, A, After, T, R>>>
  >;
}
