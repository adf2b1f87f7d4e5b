/** Why a question to a partition has no answer. */

/** `UNAVAILABLE`: nobody owns the partition just now, or nobody answers; ask again later. `NOT_BEGUN`: the run's work stands in the work queue. `NO_SUCH_ITEM`: none of that key. */
export type QueryErrorName =
  | "NOT_FOUND"
  | "NOT_BEGUN"
  | "INVALID"
  | "NO_SUCH_ITEM"
  | "UNAVAILABLE"
  | "INTERNAL";

export class QueryFailedError extends Error {
  override readonly name = "QueryFailedError";
  readonly retry: "never" | "safe";
  /** Of `NOT_FOUND`: the run was there once. */
  readonly pruned: boolean;

  constructor(
    readonly code: QueryErrorName,
    /** What happened, to what, and what to do now. */
    message: string,
    /** The partition that was asked; undefined where the question itself is wrong. */
    readonly partition: number | undefined,
    options: { readonly cause?: unknown; readonly pruned?: boolean } = {},
  ) {
    super(message, options);
    this.pruned = options.pruned ?? false;
    this.retry = code === "UNAVAILABLE" || code === "NOT_BEGUN" ? "safe" : "never";
  }
}
