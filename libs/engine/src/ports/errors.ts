/** The one error class of all ports; adapters translate into it at their boundary and nowhere else. */

export type PortErrorCode =
  | "too-large"
  | "full"
  | "unknown-outcome"
  | "unavailable"
  | "log-gap"
  | "locked"
  | "corrupt"
  | "schema"
  | "io"
  | "no-responders"
  | "timeout"
  | "closed"
  | "not-found"
  | "conflict"
  | "config-mismatch";

/** `never`: again won't help. `safe`: nothing happened. `unknown-outcome`: it may have happened; send the same again. */
export type Retryability = "never" | "safe" | "unknown-outcome";

const RETRY: Readonly<Record<PortErrorCode, Retryability>> = {
  "too-large": "never",
  full: "safe",
  "unknown-outcome": "unknown-outcome",
  unavailable: "safe",
  "log-gap": "never",
  locked: "never",
  corrupt: "never",
  schema: "never",
  io: "never",
  "no-responders": "safe",
  timeout: "unknown-outcome",
  closed: "never",
  "not-found": "never",
  conflict: "never",
  "config-mismatch": "never",
};

export class PortError extends Error {
  override readonly name = "PortError";
  readonly retry: Retryability;

  constructor(
    readonly code: PortErrorCode,
    /** What happened, to what, and what to do now. */
    message: string,
    readonly details: Readonly<Record<string, unknown>> = {},
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.retry = RETRY[code];
  }
}
