/** Where an action may have its items from, as users write it. Exactly one of these stands in the options of `forEach`. */

/** Items of the run's input. */
export interface FromInput<P extends string> {
  /** A dotted path (`"batch.rows"`) or JSON pointer (`"/batch/rows"`) to an array in the input; `""`: the input itself. */
  readonly items: P;
}
/** One item for each success of another action over items. */
export interface FromItems<N extends string> {
  readonly itemsOf: N;
}
/** An array in another action's output. */
export interface FromOutput<N extends string, P extends string> {
  readonly outputOf: { readonly action: N; readonly path?: P };
}

/** The lines of an artifact that the run's input refers to, each of them JSON and one item. */
export interface FromLines<P extends string> {
  /** A dotted path or JSON pointer to the artifact's reference in the input; `""`: the input itself. */
  readonly lines: P;
}
/** The lines of an artifact that another action's output refers to. */
export interface FromOutputLines<N extends string, P extends string> {
  readonly linesOf: { readonly action: N; readonly path?: P };
}
