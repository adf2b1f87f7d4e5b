/**
 * The one translation from what NATS says to `PortError`. Decides by codes only, never by message text.
 */
import { PortError, type PortErrorCode } from "@holdfast/engine";
import { ErrorCode, NatsError } from "nats";

/** Error codes of JetStream's API that mean something to us. */
export const JS_ERR = {
  streamNotFound: 10059,
  consumerNotFound: 10014,
  noMessageFound: 10037,
  messageTooLarge: 10054,
  storeFailed: 10077,
  storageExceeded: 10047,
  memoryExceeded: 10028,
  insufficientResources: 10023,
  wrongLastSequence: 10071,
  streamNameInUse: 10058,
  jetStreamNotEnabled: 10076,
  jetStreamNotEnabledForAccount: 10039,
} as const;

/** The `error` object of an answer of JetStream's API. */
export interface JsApiErrorBody {
  readonly code: number;
  readonly err_code?: number;
  readonly description?: string;
}

/** An answer of JetStream's API that says no. Internal to this package: callers of the ports get `PortError`s. */
export class JsApiError extends Error {
  override readonly name = "JsApiError";
  readonly errCode: number;

  constructor(
    readonly call: string,
    readonly body: JsApiErrorBody,
  ) {
    super(
      `JetStream refused ${call}: ${body.description ?? "no reason given"} (${body.err_code ?? body.code})`,
    );
    this.errCode = body.err_code ?? 0;
  }
}

const FULL: ReadonlySet<number> = new Set([
  JS_ERR.storeFailed,
  JS_ERR.storageExceeded,
  JS_ERR.memoryExceeded,
  JS_ERR.insufficientResources,
]);

/** What a refused append means: certainly not stored (`full`, `too-large`), or not known. */
export function fromAppendRefusal(body: JsApiErrorBody, where: string): PortError {
  const code: PortErrorCode = FULL.has(body.err_code ?? 0)
    ? "full"
    : body.err_code === JS_ERR.messageTooLarge
      ? "too-large"
      : "unknown-outcome";
  const told = `${body.description ?? "no reason given"} (${body.err_code ?? body.code})`;
  const advice = {
    full: "nothing was stored; free disk space or raise the limit of its stream, then send it again",
    "too-large": "nothing was stored; send less in one entry",
    "unknown-outcome": "it may be stored or not; send the same entry again",
  }[code];
  return new PortError(code, `${where} did not take an entry: ${told}; ${advice}`, {
    errCode: body.err_code ?? body.code,
  });
}

/** Any other failure of a call. `doing` completes the sentence "could not …". */
export function fromNats(thrown: unknown, doing: string): PortError {
  if (thrown instanceof PortError) return thrown;
  const { code, advice } = classify(thrown);
  const said = thrown instanceof Error ? thrown.message : String(thrown);
  return new PortError(code, `could not ${doing}: ${said}; ${advice}`, {}, { cause: thrown });
}

function classify(thrown: unknown): { code: PortErrorCode; advice: string } {
  if (thrown instanceof JsApiError) return classifyApi(thrown.errCode);
  const natsCode = thrown instanceof NatsError ? thrown.code : "";
  const apiCode = thrown instanceof NatsError ? (thrown.api_error?.err_code ?? 0) : 0;
  if (apiCode > 0) return classifyApi(apiCode);
  switch (natsCode) {
    case ErrorCode.Timeout:
      return { code: "timeout", advice: "the server did not answer in time; try again" };
    case ErrorCode.NoResponders:
      return { code: "no-responders", advice: "nobody listens there now; try again once somebody does" };
    case ErrorCode.ConnectionClosed:
    case ErrorCode.ConnectionDraining:
    case ErrorCode.SubClosed:
      return { code: "closed", advice: "the connection was closed by this process" };
    case ErrorCode.MaxPayloadExceeded:
      return { code: "too-large", advice: "send less in one message" };
    case ErrorCode.JetStreamNotEnabled:
      return { code: "unavailable", advice: "enable JetStream on the server, or wait until it has a leader" };
    case ErrorCode.AuthorizationViolation:
    case ErrorCode.AuthenticationExpired:
    case ErrorCode.PermissionsViolation:
      return {
        code: "unavailable",
        advice: "check the credentials in the server's URL and their permissions",
      };
    default:
      return {
        code: "unavailable",
        advice: "check that nats-server runs and can be reached, then try again",
      };
  }
}

function classifyApi(errCode: number): { code: PortErrorCode; advice: string } {
  if (FULL.has(errCode)) return { code: "full", advice: "give JetStream more storage, then try again" };
  switch (errCode) {
    case JS_ERR.streamNotFound:
    case JS_ERR.consumerNotFound:
    case JS_ERR.noMessageFound:
      return { code: "not-found", advice: "it is not there (any more)" };
    case JS_ERR.messageTooLarge:
      return { code: "too-large", advice: "send less in one message" };
    case JS_ERR.streamNameInUse:
      return { code: "config-mismatch", advice: "a stream of that name exists with other settings" };
    default:
      return { code: "unavailable", advice: "see the cause, then try again" };
  }
}
