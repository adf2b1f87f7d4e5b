/** Why a managed nats-server could not be started. */

export type ManagedServerErrorCode =
  /** No binary anywhere it is looked for. */
  | "server-not-found"
  /** A binary, but it doesn't start, or is older than Holdfast needs. */
  | "server-unusable"
  | "port-in-use"
  /** Another live server works on the same store folder. */
  | "store-in-use"
  | "store-not-writable"
  /** It ended, or said nothing, before it was ready; the message ends with what it logged. */
  | "start-failed";

const RETRY: Readonly<Record<ManagedServerErrorCode, "never" | "safe">> = {
  "server-not-found": "never",
  "server-unusable": "never",
  "port-in-use": "safe",
  "store-in-use": "safe",
  "store-not-writable": "never",
  "start-failed": "safe",
};

export class ManagedServerError extends Error {
  override readonly name = "ManagedServerError";
  readonly retry: "never" | "safe";

  constructor(
    readonly code: ManagedServerErrorCode,
    /** What happened, and what to do now. */
    message: string,
    readonly details: Readonly<Record<string, unknown>> = {},
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.retry = RETRY[code];
  }
}
