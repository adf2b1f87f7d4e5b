/**
 * The one translation from what NATS says to `PortError`. Decides by codes only; the one exception is where servers of a cluster have no code of their own.
 */
import { PortError, type PortErrorCode } from "@holdfast/engine";
import { ErrorCode, NatsError } from "nats";

/** Error codes of JetStream's API that mean something to us. */
export const JS_ERR = {
  streamNotFound: 10059,
  consumerNotFound: 10014,
  noMessageFound: 10037,
  messageDeleteFailed: 10057,
  messageTooLarge: 10054,
  storeFailed: 10077,
  storageExceeded: 10047,
  memoryExceeded: 10028,
  insufficientResources: 10023,
  wrongLastSequence: 10071,
  noPeers: 10005,
  wrongLastSequenceConstant: 10164,
  streamNameInUse: 10058,
  replicasNotSupported: 10074,
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

/** There is less storage than a stream asks for: on one server, or on as many servers of a cluster as it wants copies. */
export function lacksStorage(thrown: unknown): boolean {
  if (!(thrown instanceof JsApiError)) return false;
  if (thrown.errCode === JS_ERR.storageExceeded) return true;
  // A cluster has one code for all that keeps a stream from being placed, and says what it is.
  return thrown.errCode === JS_ERR.noPeers && /insufficient storage/.test(thrown.body.description ?? "");
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

const REFUSED: ReadonlySet<string> = new Set([
  ErrorCode.AuthorizationViolation,
  ErrorCode.AuthenticationExpired,
  ErrorCode.PermissionsViolation,
]);

/** What Node says of a certificate that does not fit, or of no authority that is trusted. */
const CERTIFICATE = /^(ERR_TLS_|ERR_SSL_|CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_(GET|VERIFY)_)/;

const codeOf = (thrown: unknown): string =>
  thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" ? thrown.code : "";
const chainOf = (thrown: unknown): unknown => (thrown instanceof NatsError ? thrown.chainedError : undefined);

/** It may pass by itself: the server is not there yet, or elects a leader. Not what a person has to mend. */
export function mayPass({ code, cause }: PortError): boolean {
  if (cause instanceof NatsError && REFUSED.has(cause.code)) return false;
  if (CERTIFICATE.test(codeOf(cause)) || CERTIFICATE.test(codeOf(chainOf(cause)))) return false;
  return code === "unavailable" || code === "timeout" || code === "no-responders";
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
    case ErrorCode.ServerOptionNotAvailable:
      return {
        code: "config-mismatch",
        advice:
          "the server does not speak TLS, which this process was told to use: give the server its certificate, or take the TLS settings away",
      };
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
    case JS_ERR.replicasNotSupported:
      return {
        code: "config-mismatch",
        advice:
          "one NATS server keeps one copy: leave HOLDFAST_REPLICAS out, or use a cluster of three servers",
      };
    default:
      return { code: "unavailable", advice: "see the cause, then try again" };
  }
}
