/**
 * The errors that users of the SDK meet, and the one funnel that everything below is turned into them by.
 * Never matched by message text: `code` says what it is, `retry` whether doing the same again may help.
 */
import {
  PayloadError,
  type PayloadErrorCode,
  PortError,
  type PortErrorCode,
  QueryFailedError,
  type QueryErrorName,
} from "@holdfast/engine";
import { modeName } from "@holdfast/core";
import { type PartialResult, type Rejected, RejectCode, type RunEnded, RunStatus } from "@holdfast/proto";

export type HoldfastErrorCode =
  /** Something given is not valid: a name, an option, a page token. */
  | "INVALID_ARGUMENT"
  /** The input does not fit the workflow's schema, or is not JSON. */
  | "INVALID_INPUT"
  | "INVALID_DEFINITION"
  | "UNKNOWN_WORKFLOW"
  | "RUN_NOT_FOUND"
  /** Its work is published and stands in the work queue: no node has begun it yet. Ask again. */
  | "RUN_NOT_BEGUN"
  | "RUN_EXISTS"
  | "NOT_FAILED"
  | "ALREADY_ENDED"
  | "NOT_ENDED"
  | "CONFLICT"
  /** The failure's mode forbids a retry, unless forced. */
  | "TERMINAL_MODE"
  | "NOT_RECOVERABLE"
  /** The run has no such action over items, or the action no such item. */
  | "NO_SUCH_ITEM"
  /** Was to be moved to the dead letters, but is there; was to be taken out, but is not. */
  | "DEAD_LETTER"
  | "NOT_DEAD_LETTER"
  | "OPERATION_NOT_FOUND"
  | "OPERATION_ENDED"
  | "TOO_MANY_OPERATIONS"
  | "TOO_MANY_MESSAGES"
  /** Nothing of the run waits for this. */
  | "NOT_WAITING"
  | "SCHEDULE_NOT_FOUND"
  | "SCHEDULE_EXISTS"
  /** Its expression, time zone or another part of it is not right. */
  | "INVALID_SCHEDULE"
  /** Was to be paused, but is already; was to be resumed, but is not paused. */
  | "PAUSED"
  | "NOT_PAUSED"
  | "EXPIRED_COMMAND"
  | "UNSUPPORTED"
  | "TOO_LARGE"
  /** Nobody answers just now. */
  | "UNAVAILABLE"
  /** It may have happened or not; doing the same again is safe. */
  | "UNKNOWN_OUTCOME"
  /** What was asked to be done first has to wait: too much is under way. */
  | "OVERLOADED"
  | "CLOSED"
  /** The run ended FAILED or CANCELLED. */
  | "RUN_FAILED"
  | "INTERNAL";

/** `never`: again won't help. `safe`: nothing happened. `unknown-outcome`: it may have happened; the same again is safe. */
export type Retry = "never" | "safe" | "unknown-outcome";

export class HoldfastError extends Error {
  override readonly name: string = "HoldfastError";

  constructor(
    readonly code: HoldfastErrorCode,
    /** What happened, to what, why, and what to do now. */
    message: string,
    readonly retry: Retry = "never",
    readonly details: Readonly<Record<string, unknown>> = {},
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

const NS_PER_MS = 1_000_000n;

/** The run a caller waited for ended FAILED or CANCELLED. */
export class RunFailedError extends HoldfastError {
  override readonly name = "RunFailedError";
  readonly runId: string;
  readonly status: "FAILED" | "CANCELLED";
  /** The failure's mode, such as `VALIDATION`; `CANCELLED` for a cancelled run. */
  readonly mode: string;
  /** What people are shown. */
  readonly detail: string;
  /** Until when it can be retried, whatever happens; undefined: it can't. */
  readonly retryableUntil: Date | undefined;

  constructor(
    readonly ended: RunEnded,
    /** How far it came, and what is recommended; undefined where that could not be asked for, or the run has gone on since. */
    readonly partial?: PartialResult,
  ) {
    const status = ended.status === RunStatus.CANCELLED ? "CANCELLED" : "FAILED";
    const mode = status === "CANCELLED" ? "CANCELLED" : modeName(ended.failure?.mode ?? 0);
    const untilMs = Number(ended.retryableUntilNs / NS_PER_MS);
    const retryableUntil = untilMs === 0 ? undefined : new Date(untilMs);
    const until = retryableUntil === undefined ? "" : `, until ${retryableUntil.toISOString()}`;
    const next =
      status === "CANCELLED"
        ? "start it again under another id if it is still wanted"
        : `look at the run for its failed parts, mend the cause, and retry it${until}`;
    super(
      "RUN_FAILED",
      `run ${ended.runId} ended ${status} (${mode}): ${ended.detail || "no detail"}; ${next}`,
      "never",
      {
        runId: ended.runId,
        status,
        mode,
        tally: ended.tally,
        partial,
        retryableUntil,
      },
    );
    this.runId = ended.runId;
    this.status = status;
    this.mode = mode;
    this.detail = ended.detail;
    this.retryableUntil = retryableUntil;
  }
}

const PORT_CODES: Readonly<Partial<Record<PortErrorCode, HoldfastErrorCode>>> = {
  "too-large": "TOO_LARGE",
  full: "OVERLOADED",
  "unknown-outcome": "UNKNOWN_OUTCOME",
  unavailable: "UNAVAILABLE",
  "no-responders": "UNAVAILABLE",
  timeout: "UNKNOWN_OUTCOME",
  closed: "CLOSED",
  schema: "INVALID_ARGUMENT",
  "config-mismatch": "INVALID_ARGUMENT",
  "not-found": "UNAVAILABLE",
  conflict: "CONFLICT",
};

const QUERY_CODES: Readonly<Record<QueryErrorName, HoldfastErrorCode>> = {
  NOT_FOUND: "RUN_NOT_FOUND",
  NOT_BEGUN: "RUN_NOT_BEGUN",
  NO_SUCH_ITEM: "NO_SUCH_ITEM",
  INVALID: "INVALID_ARGUMENT",
  UNAVAILABLE: "UNAVAILABLE",
  INTERNAL: "INTERNAL",
};

const PAYLOAD_CODES: Readonly<Record<PayloadErrorCode, HoldfastErrorCode>> = {
  unserialisable: "INVALID_INPUT",
  "too-large": "TOO_LARGE",
  malformed: "INTERNAL",
  unavailable: "UNAVAILABLE",
};

const REJECT_CODES: Readonly<Partial<Record<RejectCode, HoldfastErrorCode>>> = {
  [RejectCode.INVALID_NAME]: "INVALID_ARGUMENT",
  [RejectCode.MALFORMED]: "INVALID_ARGUMENT",
  [RejectCode.UNKNOWN_WORKFLOW]: "UNKNOWN_WORKFLOW",
  [RejectCode.INVALID_DEFINITION]: "INVALID_DEFINITION",
  [RejectCode.RUN_NOT_FOUND]: "RUN_NOT_FOUND",
  [RejectCode.PRUNED]: "RUN_NOT_FOUND",
  [RejectCode.RUN_EXISTS]: "RUN_EXISTS",
  [RejectCode.NOT_FAILED]: "NOT_FAILED",
  [RejectCode.ALREADY_ENDED]: "ALREADY_ENDED",
  [RejectCode.TERMINAL_MODE]: "TERMINAL_MODE",
  [RejectCode.NO_SUCH_SCHEDULE]: "SCHEDULE_NOT_FOUND",
  [RejectCode.SCHEDULE_EXISTS]: "SCHEDULE_EXISTS",
  [RejectCode.INVALID_SCHEDULE]: "INVALID_SCHEDULE",
  [RejectCode.PAUSED]: "PAUSED",
  [RejectCode.NOT_PAUSED]: "NOT_PAUSED",
  [RejectCode.EXPIRED_COMMAND]: "EXPIRED_COMMAND",
  [RejectCode.TOO_LARGE]: "TOO_LARGE",
  [RejectCode.SCHEMA_MISMATCH]: "INVALID_INPUT",
  [RejectCode.UNSUPPORTED]: "UNSUPPORTED",
  [RejectCode.NOT_RECOVERABLE]: "NOT_RECOVERABLE",
  [RejectCode.NO_SUCH_ITEM]: "NO_SUCH_ITEM",
  [RejectCode.DEAD_LETTER]: "DEAD_LETTER",
  [RejectCode.NOT_DEAD_LETTER]: "NOT_DEAD_LETTER",
  [RejectCode.NO_SUCH_OPERATION]: "OPERATION_NOT_FOUND",
  [RejectCode.OPERATION_ENDED]: "OPERATION_ENDED",
  [RejectCode.TOO_MANY_OPERATIONS]: "TOO_MANY_OPERATIONS",
  [RejectCode.TOO_MANY_MESSAGES]: "TOO_MANY_MESSAGES",
  [RejectCode.NOT_WAITING]: "NOT_WAITING",
};

/** What the fold said no to. */
export function fromRejected(rejected: Rejected): HoldfastError {
  return new HoldfastError(REJECT_CODES[rejected.code] ?? "INTERNAL", rejected.message, "never", {
    runId: rejected.runId,
    status: RunStatus[rejected.status],
  });
}

/** Anything that was thrown below, as what users catch. */
export function from(thrown: unknown): HoldfastError {
  if (thrown instanceof HoldfastError) return thrown;
  if (thrown instanceof PortError) {
    const code = PORT_CODES[thrown.code] ?? "INTERNAL";
    return new HoldfastError(
      code,
      thrown.message,
      // What is not there (yet), such as a cluster before its first node, may be later.
      code === "UNAVAILABLE" && thrown.retry === "never" ? "safe" : thrown.retry,
      thrown.details,
      {
        cause: thrown,
      },
    );
  }
  if (thrown instanceof QueryFailedError) {
    if (thrown.cause instanceof PortError && thrown.cause.code === "closed") return from(thrown.cause);
    const details = thrown.partition === undefined ? {} : { partition: thrown.partition };
    return new HoldfastError(QUERY_CODES[thrown.code], thrown.message, thrown.retry, details, {
      cause: thrown,
    });
  }
  if (thrown instanceof PayloadError) {
    const code = PAYLOAD_CODES[thrown.code];
    return new HoldfastError(
      code,
      thrown.message,
      code === "UNAVAILABLE" ? "safe" : "never",
      thrown.details,
      {
        cause: thrown,
      },
    );
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new HoldfastError("INTERNAL", `an unexpected error: ${message}`, "never", {}, { cause: thrown });
}
