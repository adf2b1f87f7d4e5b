/**
 * Every way in which an admin call fails for a reason of Holdfast's own: one table for what the fold refuses, and one
 * translator for what the client side of the engine throws. No other file here chooses a status code for these.
 */
import { PayloadError, PortError, QueryFailedError } from "@holdfast/engine";
import { RejectCode, type Rejected, RunStatus } from "@holdfast/proto";
import { type RpcCode, RpcError } from "@holdfast/rpc";

interface Refusal {
  readonly code: RpcCode;
  /** Groups refusals in a bulk retry's outcome: the same sentence for every run. */
  readonly summary: string;
}

const row = (code: RpcCode, summary: string): Refusal => ({ code, summary });

/** What the fold says no with, as a caller sees it. */
const REFUSALS: Readonly<Record<RejectCode, Refusal>> = {
  [RejectCode.UNSPECIFIED]: row(
    "FAILED_PRECONDITION",
    "refused for a reason that this version does not know",
  ),
  [RejectCode.MALFORMED]: row("INVALID_ARGUMENT", "the command is malformed"),
  [RejectCode.INVALID_NAME]: row("INVALID_ARGUMENT", "a name or run id is not valid"),
  [RejectCode.UNKNOWN_WORKFLOW]: row("NOT_FOUND", "the workflow is not registered"),
  [RejectCode.INVALID_DEFINITION]: row("INVALID_ARGUMENT", "the definition is not valid"),
  [RejectCode.RUN_NOT_FOUND]: row("NOT_FOUND", "there is no such run"),
  [RejectCode.RUN_EXISTS]: row("ALREADY_EXISTS", "the run exists already"),
  [RejectCode.NOT_FAILED]: row("FAILED_PRECONDITION", "no longer failed"),
  [RejectCode.ALREADY_ENDED]: row("FAILED_PRECONDITION", "has ended already"),
  [RejectCode.TERMINAL_MODE]: row(
    "FAILED_PRECONDITION",
    "failed in a mode that needs a person: mend the cause, then retry with force",
  ),
  [RejectCode.EXPIRED_COMMAND]: row(
    "FAILED_PRECONDITION",
    "the command is too old, or this machine's clock is wrong",
  ),
  [RejectCode.STALE_ATTEMPT]: row("ABORTED", "a newer attempt is under way"),
  [RejectCode.TOO_LARGE]: row("INVALID_ARGUMENT", "it is too large"),
  [RejectCode.SCHEMA_MISMATCH]: row("INVALID_ARGUMENT", "the input does not match the workflow's schema"),
  [RejectCode.UNSUPPORTED]: row("INVALID_ARGUMENT", "the strategy is not supported"),
  [RejectCode.PRUNED]: row("NOT_FOUND", "was pruned past its retention"),
  [RejectCode.PAUSED]: row("FAILED_PRECONDITION", "is paused already"),
  [RejectCode.NOT_PAUSED]: row("FAILED_PRECONDITION", "is not paused"),
  [RejectCode.NOT_RECOVERABLE]: row("FAILED_PRECONDITION", "it can't be retried in this way"),
  [RejectCode.NOT_WAITING]: row("FAILED_PRECONDITION", "nothing waits for this"),
  [RejectCode.NO_SUCH_RESULT]: row("FAILED_PRECONDITION", "the job does not work on these items any more"),
  [RejectCode.NO_SUCH_BREAKER]: row("NOT_FOUND", "there is no such breaker"),
  [RejectCode.BREAKER_CLOSED]: row("FAILED_PRECONDITION", "the breaker is closed"),
  [RejectCode.NO_SUCH_SCHEDULE]: row("NOT_FOUND", "there is no such schedule"),
  [RejectCode.SCHEDULE_EXISTS]: row("ALREADY_EXISTS", "there is such a schedule already"),
  [RejectCode.INVALID_SCHEDULE]: row("INVALID_ARGUMENT", "the schedule is not valid"),
  [RejectCode.DEAD_LETTER]: row("FAILED_PRECONDITION", "is in the dead letters already"),
  [RejectCode.NOT_DEAD_LETTER]: row("FAILED_PRECONDITION", "is not in the dead letters"),
  [RejectCode.NO_SUCH_ITEM]: row("NOT_FOUND", "there is no such action or item"),
  [RejectCode.NO_SUCH_OPERATION]: row("NOT_FOUND", "there is no such bulk operation"),
  [RejectCode.OPERATION_ENDED]: row("FAILED_PRECONDITION", "the bulk operation has ended"),
  [RejectCode.OPERATION_EXISTS]: row("ALREADY_EXISTS", "there is a bulk operation of this id"),
  [RejectCode.TOO_MANY_OPERATIONS]: row("RESOURCE_EXHAUSTED", "too many bulk operations are kept"),
  [RejectCode.TOO_MANY_MESSAGES]: row("RESOURCE_EXHAUSTED", "too many messages wait for its partition"),
  [RejectCode.MESSAGE_GAP]: row("ABORTED", "messages that come before these are missing"),
  [RejectCode.STALE_SENDER]: row("ABORTED", "the sender's log was made anew"),
};

/** Total: a code of a newer node is a refusal too. */
export const refusalOf = (code: RejectCode): Refusal => REFUSALS[code] ?? REFUSALS[RejectCode.UNSPECIFIED];

export const statusName = (status: RunStatus): string => RunStatus[status] ?? `status ${status}`;

/** A refusal of a call about one run. */
export function refusedError(rejected: Rejected): RpcError {
  const { code } = refusalOf(rejected.code);
  return new RpcError(code, rejected.message || refusalOf(rejected.code).summary, {
    reason: RejectCode[rejected.code] ?? String(rejected.code),
    runId: rejected.runId,
    ...(rejected.status === RunStatus.UNSPECIFIED ? {} : { status: statusName(rejected.status) }),
  });
}

/** What the engine's clients throw. Undefined for anything else: that is a bug, and INTERNAL. */
export function translate(error: unknown): RpcError | undefined {
  if (error instanceof QueryFailedError) return fromQuery(error);
  if (error instanceof PayloadError) {
    const code = error.code === "unavailable" ? "UNAVAILABLE" : "INVALID_ARGUMENT";
    return new RpcError(code, error.message, { reason: "PAYLOAD" }, { cause: error });
  }
  if (error instanceof PortError) {
    const code = PORT_CODES[error.code];
    return code === undefined
      ? undefined
      : new RpcError(code, error.message, { reason: error.code, ...sizesOf(error) }, { cause: error });
  }
  return undefined;
}

/** Of a log that has no room: which one, and how large. */
function sizesOf({ code, details }: PortError): Record<string, number | string> {
  if (code !== "full") return {};
  const shown = ["partition", "stream", "bytes", "maxBytes"] as const;
  return Object.fromEntries(
    shown.flatMap((name) => {
      const value = details[name];
      return typeof value === "number" || typeof value === "string" ? [[name, value]] : [];
    }),
  );
}

function fromQuery(error: QueryFailedError): RpcError | undefined {
  const codes = {
    NOT_FOUND: "NOT_FOUND",
    NOT_BEGUN: "NOT_FOUND",
    NO_SUCH_ITEM: "NOT_FOUND",
    INVALID: "INVALID_ARGUMENT",
    UNAVAILABLE: "UNAVAILABLE",
  } as const;
  if (error.code === "INTERNAL") return undefined;
  const partition = error.partition === undefined ? {} : { partition: error.partition };
  return new RpcError(
    codes[error.code],
    error.message,
    { reason: error.code, ...partition },
    { cause: error },
  );
}

/** Faults that a caller can wait out, or mend; the others are ours. */
const PORT_CODES: Partial<Record<PortError["code"], RpcCode>> = {
  "too-large": "INVALID_ARGUMENT",
  full: "RESOURCE_EXHAUSTED",
  "unknown-outcome": "UNAVAILABLE",
  unavailable: "UNAVAILABLE",
  "no-responders": "UNAVAILABLE",
  timeout: "UNAVAILABLE",
  closed: "UNAVAILABLE",
};
