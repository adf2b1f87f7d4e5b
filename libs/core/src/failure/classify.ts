/**
 * From anything a handler may throw to a failure with a mode. Never throws, whatever it is given.
 *
 * 1. What says its own mode (ActionError: a `holdfastMode`) is believed.
 * 2. Then type, `code` and HTTP status are asked, then the causes, outermost first.
 * 3. Message text is never matched: it is kept, not interpreted.
 */
import { FailureMode } from "@holdfast/proto";
import { cutText } from "../text.js";
import { modeNamed } from "./modes.js";

export const MESSAGE_LIMIT_CHARS = 4096;
export const STACK_LIMIT_CHARS = 4096;
const CAUSES_MAX = 8;

export interface ClassifiedFailure {
  readonly mode: FailureMode;
  readonly message: string;
  /** The thrown thing's class or type: "TypeError", "string", "null". */
  readonly rawClass: string;
  readonly code: string;
  readonly retryAfterMs: number;
  readonly stack: string;
}

/** `code`s of Node, undici and common drivers. */
const CODES: Readonly<Record<string, FailureMode>> = {
  ETIMEDOUT: FailureMode.TIMEOUT,
  ESOCKETTIMEDOUT: FailureMode.TIMEOUT,
  UND_ERR_CONNECT_TIMEOUT: FailureMode.TIMEOUT,
  UND_ERR_HEADERS_TIMEOUT: FailureMode.TIMEOUT,
  UND_ERR_BODY_TIMEOUT: FailureMode.TIMEOUT,
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
  EMFILE: FailureMode.RESOURCE_EXHAUSTED,
  ENFILE: FailureMode.RESOURCE_EXHAUSTED,
  ENOMEM: FailureMode.RESOURCE_EXHAUSTED,
  ENOSPC: FailureMode.RESOURCE_EXHAUSTED,
  EDQUOT: FailureMode.RESOURCE_EXHAUSTED,
  EACCES: FailureMode.PERMISSION,
  EPERM: FailureMode.PERMISSION,
  ENOENT: FailureMode.NOT_FOUND,
  EEXIST: FailureMode.CONFLICT,
  ABORT_ERR: FailureMode.CANCELLED,
  ERR_INVALID_ARG_VALUE: FailureMode.VALIDATION,
};

/** Numeric gRPC status codes, on errors that carry gRPC's `details` or `metadata`. */
const GRPC: Readonly<Record<number, FailureMode>> = {
  1: FailureMode.CANCELLED,
  3: FailureMode.VALIDATION,
  4: FailureMode.TIMEOUT,
  5: FailureMode.NOT_FOUND,
  6: FailureMode.CONFLICT,
  7: FailureMode.PERMISSION,
  8: FailureMode.RESOURCE_EXHAUSTED,
  9: FailureMode.CONFLICT,
  10: FailureMode.CONFLICT,
  11: FailureMode.VALIDATION,
  14: FailureMode.UNAVAILABLE,
  16: FailureMode.PERMISSION,
};

const NAMES: Readonly<Record<string, FailureMode>> = {
  TimeoutError: FailureMode.TIMEOUT,
  AbortError: FailureMode.CANCELLED,
  ValidationError: FailureMode.VALIDATION,
  ZodError: FailureMode.VALIDATION,
};

/** Programming errors of the language itself. */
const BUG_NAMES: ReadonlySet<string> = new Set([
  "TypeError",
  "ReferenceError",
  "SyntaxError",
  "RangeError",
  "EvalError",
  "URIError",
  "AssertionError",
]);

function modeOfHttp(status: number): FailureMode | undefined {
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

/** A property of anything, also where reading it throws. */
function prop(value: unknown, key: string): unknown {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return undefined;
  try {
    return (value as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}

function text(value: unknown, limit: number): string {
  try {
    if (typeof value === "string") return cutText(value, limit);
    if (value === undefined) return "undefined";
    if (typeof value === "object" && value !== null)
      return cutText(JSON.stringify(value) ?? "[object]", limit);
    return cutText(String(value), limit);
  } catch {
    return "[unprintable]";
  }
}

function classOf(value: unknown): string {
  if (value === null) return "null";
  if (typeof value !== "object") return typeof value;
  const name = prop(value, "name");
  if (typeof name === "string" && name !== "" && name !== "Error") return cutText(name, 128);
  const constructed = prop(prop(value, "constructor"), "name");
  return typeof constructed === "string" && constructed !== "" ? cutText(constructed, 128) : "Object";
}

function modeOfOne(error: unknown): FailureMode | undefined {
  const own = prop(error, "holdfastMode");
  if (typeof own === "string") return modeNamed(own) ?? FailureMode.HANDLER_BUG;
  const name = prop(error, "name");
  if (typeof name === "string" && Object.hasOwn(NAMES, name)) return NAMES[name];
  const code = prop(error, "code");
  if (typeof code === "string" && Object.hasOwn(CODES, code)) return CODES[code];
  if (
    typeof code === "number" &&
    (prop(error, "details") !== undefined || prop(error, "metadata") !== undefined)
  ) {
    if (Object.hasOwn(GRPC, code)) return GRPC[code];
  }
  for (const status of [
    prop(error, "status"),
    prop(error, "statusCode"),
    prop(prop(error, "response"), "status"),
  ]) {
    const mode = typeof status === "number" ? modeOfHttp(status) : undefined;
    if (mode !== undefined) return mode;
  }
  return undefined;
}

/**
 * The failure that a thrown thing is. A plain Error that says nothing of its kind counts as UNAVAILABLE, so that the
 * retry policy applies; the language's own programming errors and things that are no errors are HANDLER_BUG.
 */
export function classifyFailure(thrown: unknown): ClassifiedFailure {
  let mode: FailureMode | undefined;
  let at: unknown = thrown;
  for (let depth = 0; depth < CAUSES_MAX && mode === undefined && at !== undefined && at !== null; depth++) {
    mode = modeOfOne(at);
    at = prop(at, "cause");
  }
  const isError = typeof prop(thrown, "message") === "string";
  const rawClass = classOf(thrown);
  // `fetch` throws a TypeError, whose cause is the system's error: what has a code is no bug.
  const isBug = BUG_NAMES.has(rawClass) && typeof prop(prop(thrown, "cause"), "code") !== "string";
  if (mode === undefined) mode = isError && !isBug ? FailureMode.UNAVAILABLE : FailureMode.HANDLER_BUG;
  const message = isError
    ? text(prop(thrown, "message"), MESSAGE_LIMIT_CHARS)
    : `the handler threw a ${rawClass}, not an Error: ${text(thrown, MESSAGE_LIMIT_CHARS - 64)}`;
  const code = prop(thrown, "code");
  const retryAfter = prop(thrown, "retryAfterMs");
  const stack = prop(thrown, "stack");
  return {
    mode,
    message: message === "" ? `${rawClass} without a message` : message,
    rawClass,
    code: typeof code === "string" || typeof code === "number" ? cutText(String(code), 128) : "",
    retryAfterMs:
      typeof retryAfter === "number" && retryAfter > 0 && retryAfter <= 0xffffffff
        ? Math.floor(retryAfter)
        : 0,
    stack: typeof stack === "string" ? cutText(stack, STACK_LIMIT_CHARS) : "",
  };
}
