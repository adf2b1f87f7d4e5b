/** What codes, names and HTTP statuses say of a failure's mode. Tables only. */
import { FailureMode } from "@holdfast/proto";

/** `code`s of Node, undici and common drivers. */
const CODES: Readonly<Record<string, FailureMode>> = {
  ETIMEDOUT: FailureMode.TIMEOUT,
  ESOCKETTIMEDOUT: FailureMode.TIMEOUT,
  UND_ERR_CONNECT_TIMEOUT: FailureMode.TIMEOUT,
  UND_ERR_HEADERS_TIMEOUT: FailureMode.TIMEOUT,
  UND_ERR_BODY_TIMEOUT: FailureMode.TIMEOUT,
  // A call that was given up by whoever made it: its run was not cancelled, else nobody would ask.
  ABORT_ERR: FailureMode.TIMEOUT,
  ERR_CANCELED: FailureMode.TIMEOUT,
  UND_ERR_ABORTED: FailureMode.TIMEOUT,
  ECONNRESET: FailureMode.NETWORK,
  ECONNABORTED: FailureMode.NETWORK,
  EPIPE: FailureMode.NETWORK,
  ENETUNREACH: FailureMode.NETWORK,
  ENETDOWN: FailureMode.NETWORK,
  EHOSTUNREACH: FailureMode.NETWORK,
  ENOTFOUND: FailureMode.NETWORK,
  EAI_AGAIN: FailureMode.NETWORK,
  UND_ERR_SOCKET: FailureMode.NETWORK,
  ECONNREFUSED: FailureMode.UNAVAILABLE,
  EBUSY: FailureMode.UNAVAILABLE,
  ERR_HTTP2_STREAM_ERROR: FailureMode.UNAVAILABLE,
  CERT_HAS_EXPIRED: FailureMode.UNAVAILABLE,
  EMFILE: FailureMode.RESOURCE_EXHAUSTED,
  ENFILE: FailureMode.RESOURCE_EXHAUSTED,
  ENOMEM: FailureMode.RESOURCE_EXHAUSTED,
  ENOSPC: FailureMode.RESOURCE_EXHAUSTED,
  EDQUOT: FailureMode.RESOURCE_EXHAUSTED,
  EACCES: FailureMode.PERMISSION,
  EPERM: FailureMode.PERMISSION,
  ENOENT: FailureMode.NOT_FOUND,
  EEXIST: FailureMode.CONFLICT,
  ERR_INVALID_ARG_VALUE: FailureMode.VALIDATION,
};

export const modeOfCode = (code: string): FailureMode | undefined =>
  Object.hasOwn(CODES, code) ? CODES[code] : undefined;

/** Numeric gRPC status codes, on errors that carry gRPC's `details` or `metadata`. */
const GRPC: Readonly<Record<number, FailureMode>> = {
  0: FailureMode.UNAVAILABLE,
  // Somebody else cancelled it: the server, or what stands between.
  1: FailureMode.UNAVAILABLE,
  2: FailureMode.UNAVAILABLE,
  3: FailureMode.VALIDATION,
  4: FailureMode.TIMEOUT,
  5: FailureMode.NOT_FOUND,
  6: FailureMode.CONFLICT,
  7: FailureMode.PERMISSION,
  8: FailureMode.RESOURCE_EXHAUSTED,
  9: FailureMode.CONFLICT,
  10: FailureMode.CONFLICT,
  11: FailureMode.VALIDATION,
  12: FailureMode.UNAVAILABLE,
  13: FailureMode.UNAVAILABLE,
  14: FailureMode.UNAVAILABLE,
  15: FailureMode.UNAVAILABLE,
  16: FailureMode.PERMISSION,
};

export const modeOfGrpc = (code: number): FailureMode | undefined =>
  Object.hasOwn(GRPC, code) ? GRPC[code] : undefined;

const NAMES: Readonly<Record<string, FailureMode>> = {
  TimeoutError: FailureMode.TIMEOUT,
  AbortError: FailureMode.TIMEOUT,
  ValidationError: FailureMode.VALIDATION,
  ZodError: FailureMode.VALIDATION,
};

export const modeOfName = (name: string): FailureMode | undefined =>
  Object.hasOwn(NAMES, name) ? NAMES[name] : undefined;

export function modeOfHttp(status: number): FailureMode | undefined {
  if (status === 408 || status === 504) return FailureMode.TIMEOUT;
  if (status === 429) return FailureMode.RATE_LIMITED;
  if (status === 401 || status === 403) return FailureMode.PERMISSION;
  if (status === 404 || status === 410) return FailureMode.NOT_FOUND;
  if (status === 409 || status === 412) return FailureMode.CONFLICT;
  if (status === 507) return FailureMode.RESOURCE_EXHAUSTED;
  if (status >= 500 && status <= 599) return FailureMode.UNAVAILABLE;
  if (status >= 400 && status <= 499) return FailureMode.VALIDATION;
  return undefined;
}
