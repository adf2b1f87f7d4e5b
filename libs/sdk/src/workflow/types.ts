/**
 * How a workflow's parts are typed after each other. Types only.
 *
 * What an action returns travels as JSON, so what its dependants get is typed as what JSON leaves of it.
 */
import type { ArtifactReference } from "@holdfast/core";

/** What JSON leaves of a value. */
export type Jsonified<T> = unknown extends T
  ? T
  : T extends { toJSON(): infer J }
    ? Jsonified<J>
    : T extends string | number | boolean | null
      ? T
      : // A handler that returns nothing has the type void.
        T extends undefined | void
        ? null
        : T extends (...args: never[]) => unknown
          ? never
          : T extends readonly unknown[]
            ? { [K in keyof T]: Jsonified<T[K]> }
            : T extends object
              ? { [K in keyof T as K extends symbol ? never : K]: JsonProperty<T[K]> }
              : never;

/** An undefined property is left out, not null. */
type JsonProperty<V> = V extends undefined ? undefined : Jsonified<V>;

declare const ended: unique symbol;

/** What `ctx.noEffect(reason)` gives back: return it from the handler. */
export interface NoEffect {
  readonly [ended]: "no-effect";
  readonly reason: string;
}

/** What `ctx.skip(reason)` gives back: return it from an item's handler. */
export interface Skip {
  readonly [ended]: "skip";
  readonly reason: string;
}

/** What dependants get of what a handler returned. */
export type OutputOf<R> = R extends Skip ? never : R extends NoEffect ? null : Jsonified<R>;

/** What is known of an action that stands already. */
export interface ActionInfo {
  readonly over: "once" | "items";
  readonly output: unknown;
  readonly after: string;
}

export type Actions = Record<string, ActionInfo>;

/** Not the name of an action: handlers get something else under it. */
export type ReservedName = "input" | "item" | "index";

type NamesOver<A extends Actions, Over extends ActionInfo["over"]> = {
  [N in keyof A & string]: A[N]["over"] extends Over ? N : never;
}[keyof A & string];

export type OnceNames<A extends Actions> = NamesOver<A, "once">;
export type ItemsNames<A extends Actions> = NamesOver<A, "items">;

/** What a dependant gets of an action: its output, or of one over items all its successes' outputs. */
type Upstream<I extends ActionInfo> = I["over"] extends "items" ? I["output"][] : I["output"];

/** With these triggers an upstream action may have ended without an output. */
type MaybeMissing<Trigger, T> = Trigger extends "all_done" | "any_completed" ? T | undefined : T;

export type ActionArgs<Input, A extends Actions, After extends string, Trigger> = {
  readonly input: Input;
} & {
  readonly [N in After & keyof A]: MaybeMissing<Trigger, Upstream<A[N]>>;
};

export type ItemArgs<Item, A extends Actions, After extends string, Trigger> = {
  readonly item: Item;
  /** Its place in the items, from 0; per-item dependants keep it. */
  readonly index: number;
} & {
  readonly [N in After & OnceNames<A>]: MaybeMissing<Trigger, A[N]["output"]>;
};

/** What the submit of a job over items is given. */
export type JobArgs<Input, Item, A extends Actions, After extends string, Trigger> = {
  readonly input: Input;
  /** Those that the job is to work on, each with its place in the whole, which its result has to name. */
  readonly items: readonly { readonly index: number; readonly item: Item }[];
} & {
  readonly [N in After & OnceNames<A>]: MaybeMissing<Trigger, A[N]["output"]>;
};

/** What one success of an action over items gave. */
export interface IndexedOutput<Output> {
  readonly index: number;
  readonly output: Output;
}

/** What the undo of an action is given: what its handler got, and what that returned. */
export type UndoArgs<Args, R> = Args & { readonly output: OutputOf<Awaited<R>> };

/** What the undo of an action over items is given: it is called once, with the outputs of all items that succeeded. */
export type UndoItemsArgs<Input, A extends Actions, After extends string, Trigger, R> = {
  readonly input: Input;
  readonly outputs: readonly IndexedOutput<OutputOf<Awaited<R>>>[];
} & {
  readonly [N in After & OnceNames<A>]: MaybeMissing<Trigger, A[N]["output"]>;
};

/** How deep paths are offered. */
type Depth = [0, 1, 2, 3, 4];
type Less<D extends number> = Depth[D] extends number
  ? D extends 0
    ? never
    : [never, 0, 1, 2, 3, 4][D]
  : never;

type Joined<Key extends string, Rest extends string, Sep extends string> = Rest extends ""
  ? Key
  : `${Key}${Sep}${Rest}`;

/** Paths to arrays: `rows`, `batch.rows`; `""` where the value itself is one. */
export type ArrayPath<T, D extends number = 4> = unknown extends T
  ? string
  : T extends readonly unknown[]
    ? ""
    : [D] extends [never]
      ? never
      : T extends ArtifactReference
        ? never
        : T extends object
          ? {
              [K in keyof T & string]: Joined<K, ArrayPath<NonNullable<T[K]>, Less<D> & number>, ".">;
            }[keyof T & string]
          : never;

/** The same as a JSON pointer: `/batch/rows`. */
export type ArrayPointer<T> = unknown extends T ? string : PointerOf<ArrayPath<T>>;
type PointerOf<P extends string> = P extends ""
  ? ""
  : P extends `${infer Head}.${infer Rest}`
    ? `/${Head}${PointerOf<Rest>}`
    : `/${P}`;

/** Paths to references of artifacts: `file`, `batch.file`; `""` where the value itself is one. */
export type LinesPath<T, D extends number = 4> = unknown extends T
  ? string
  : T extends ArtifactReference
    ? ""
    : [D] extends [never]
      ? never
      : T extends readonly unknown[]
        ? never
        : T extends object
          ? {
              [K in keyof T & string]: Joined<K, LinesPath<NonNullable<T[K]>, Less<D> & number>, ".">;
            }[keyof T & string]
          : never;

/** The same as a JSON pointer. */
export type LinesPointer<T> = unknown extends T ? string : PointerOf<LinesPath<T>>;

/** Paths to texts, numbers and booleans: `host`, `order.shop`; `""` where the value itself is one. */
type KeyPath<T, D extends number = 4> = unknown extends T
  ? string
  : T extends string | number | boolean
    ? ""
    : [D] extends [never]
      ? never
      : T extends readonly unknown[]
        ? never
        : T extends object
          ? {
              [K in keyof T & string]: Joined<K, KeyPath<NonNullable<T[K]>, Less<D> & number>, ".">;
            }[keyof T & string]
          : never;

/** The same, also as a JSON pointer: `/order/shop`. */
export type ItemKey<T> = unknown extends T ? string : KeyPath<T> | PointerOf<KeyPath<T>>;

/** What each line is of the artifact that is referred to at a path; unknown where its reference does not say. */
export type LineAt<T, P extends string> = P extends ""
  ? T extends { readonly "~line"?: infer Line }
    ? Exclude<Line, undefined>
    : unknown
  : P extends `/${infer Pointer}`
    ? LineAt<T, Dotted<Pointer>>
    : P extends `${infer Head}.${infer Rest}`
      ? Head extends keyof T
        ? LineAt<NonNullable<T[Head]>, Rest>
        : unknown
      : P extends keyof T
        ? LineAt<NonNullable<T[P]>, "">
        : unknown;

/** The items that stand at a path. */
export type ItemAt<T, P extends string> = P extends ""
  ? T extends readonly (infer E)[]
    ? E
    : unknown
  : P extends `/${infer Pointer}`
    ? ItemAt<T, Dotted<Pointer>>
    : P extends `${infer Head}.${infer Rest}`
      ? Head extends keyof T
        ? ItemAt<NonNullable<T[Head]>, Rest>
        : unknown
      : P extends keyof T
        ? ItemAt<NonNullable<T[P]>, "">
        : unknown;

type Dotted<P extends string> = P extends `${infer Head}/${infer Rest}` ? `${Head}.${Dotted<Rest>}` : P;

/** Names that nothing waits for. */
type Leaves<A extends Actions> = Exclude<keyof A & string, A[keyof A]["after"]>;
type IsUnion<T, U = T> = T extends unknown ? ([U] extends [T] ? false : true) : never;

/** A run's output: that of its one leaf, unless there are several or it is over items. */
export type RunOutput<A extends Actions> = [Leaves<A>] extends [never]
  ? null
  : IsUnion<Leaves<A>> extends true
    ? null
    : A[Leaves<A>]["over"] extends "items"
      ? null
      : A[Leaves<A>]["output"];

/** A name that no action has yet, and that handlers get nothing else under. */
export type NewName<N extends string, A extends Actions> = N extends ReservedName | keyof A ? never : N;

export type With<A extends Actions, N extends string, I extends ActionInfo> = A & Record<N, I>;

/** `Handles`: the type of its handler, where it has one. */
export interface Once<R, After extends string, Handles = never> extends ActionInfo {
  readonly over: "once";
  readonly output: OutputOf<Awaited<R>>;
  readonly after: After;
  readonly handles: Handles;
}

export interface OverItems<R, After extends string, Handles = never> extends ActionInfo {
  readonly over: "items";
  readonly output: OutputOf<Awaited<R>>;
  readonly after: After;
  readonly handles: Handles;
}
