/**
 * From anything a handler may throw to a failure with a mode. Never throws, whatever it is given.
 *
 * 1. What says its own mode (ActionError: a `holdfastMode`) is believed.
 * 2. Then type, `code` and status are asked, of what was thrown, then of its causes, then of the members of AggregateErrors.
 * 3. Where none of them says anything, the words of the messages are looked at, which is marked; else it is UNCLASSIFIED.
 * 4. Nothing here is CANCELLED but what says so itself: whether a run was cancelled, its worker knows.
 * 5. What was thrown is kept with all its causes in the message, as far as there is room.
 */
import { FailureMode } from "@holdfast/proto";
import { cutText } from "../text.js";
import { type Cause, causesOf, prop } from "./causes.js";
import { modeOfCode, modeOfGrpc, modeOfHttp, modeOfName } from "./codes.js";
import { modeOfWords } from "./failure-words.js";
import { modeNamed, traitsOf } from "./modes.js";

export const MESSAGE_LIMIT_CHARS = 4096;
export const STACK_LIMIT_CHARS = 4096;
const CAUSE_CHARS_MAX = 512;
const CODE_CHARS_MAX = 128;
const MODE_CHARS_MAX = 64;
/** Ten years: the longest that anything waits. */
const RETRY_AFTER_MS_MAX = 315_360_000_000;

/** What a mode was read from. */
export type ClassifiedBy = "mode" | "type" | "code" | "status" | "message" | "classify" | "";

export interface ClassifiedFailure {
  readonly mode: FailureMode;
  /** Of what was thrown, and of its causes. */
  readonly message: string;
  /** The thrown thing's class or type: "TypeError", "string", "null". */
  readonly rawClass: string;
  /** Its own, else that of its outermost cause that has one. */
  readonly code: string;
  readonly retryAfterMs: number;
  readonly stack: string;
  /** Empty: from nothing. */
  readonly classifiedBy: ClassifiedBy;
}

interface Said {
  readonly mode: FailureMode;
  readonly by: ClassifiedBy;
}

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

/** What one thing says of itself, its causes aside. */
function saidBy(error: unknown): Said | undefined {
  const own = prop(error, "holdfastMode");
  if (own !== undefined)
    return { mode: modeNamed(text(own, MODE_CHARS_MAX)) ?? FailureMode.HANDLER_BUG, by: "mode" };
  const name = prop(error, "name");
  const ofName = typeof name === "string" ? modeOfName(name) : undefined;
  if (ofName !== undefined) return { mode: ofName, by: "type" };
  const code = prop(error, "code");
  const ofCode = typeof code === "string" ? modeOfCode(code) : undefined;
  if (ofCode !== undefined) return { mode: ofCode, by: "code" };
  const isGrpc = prop(error, "details") !== undefined || prop(error, "metadata") !== undefined;
  const ofGrpc = typeof code === "number" && isGrpc ? modeOfGrpc(code) : undefined;
  if (ofGrpc !== undefined) return { mode: ofGrpc, by: "code" };
  for (const status of [
    prop(error, "status"),
    prop(error, "statusCode"),
    prop(prop(error, "response"), "status"),
  ]) {
    const mode = typeof status === "number" ? modeOfHttp(status) : undefined;
    if (mode !== undefined) return { mode, by: "status" };
  }
  return undefined;
}

/** Of several that failed together one that must not be tried again decides; else the first that says anything. */
function saidByAny(causes: readonly Cause[]): Said | undefined {
  let first: Said | undefined;
  for (const { error, as } of causes) {
    if (first !== undefined && as !== "member") continue;
    const said = saidBy(error);
    if (said === undefined) continue;
    if (first === undefined) {
      first = said;
      if (as !== "member") return said;
    }
    if (traitsOf(said.mode).terminal) return said;
  }
  return first;
}

function saidByWords(causes: readonly Cause[]): Said | undefined {
  for (const { error } of causes) {
    const message = prop(error, "message");
    const words = typeof message === "string" ? message : typeof error === "string" ? error : "";
    const mode = modeOfWords(cutText(words, MESSAGE_LIMIT_CHARS));
    if (mode !== undefined) return { mode, by: "message" };
  }
  return undefined;
}

/**
 * The failure that a thrown thing is. A plain Error that says nothing of its kind counts as UNCLASSIFIED, so that the
 * retry policy applies; the language's own programming errors and things that are no errors are HANDLER_BUG.
 */
export function classifyFailure(thrown: unknown): ClassifiedFailure {
  const causes = causesOf(thrown);
  const isError = typeof prop(thrown, "message") === "string";
  const rawClass = classOf(thrown);
  // `fetch` throws a TypeError, whose cause is the system's error: what has a code is no bug.
  const isBug =
    !isError || (BUG_NAMES.has(rawClass) && typeof prop(prop(thrown, "cause"), "code") !== "string");
  const said = saidByAny(causes) ?? (isBug ? undefined : saidByWords(causes));
  const stack = prop(thrown, "stack");
  return {
    mode: said?.mode ?? (isBug ? FailureMode.HANDLER_BUG : FailureMode.UNCLASSIFIED),
    message: messageOf(thrown, isError, rawClass, causes),
    rawClass,
    code: causes.map(({ error }) => codeOf(error)).find((code) => code !== "") ?? "",
    retryAfterMs: pauseOf(prop(thrown, "retryAfterMs")),
    stack: typeof stack === "string" ? cutText(stack, STACK_LIMIT_CHARS) : "",
    classifiedBy: said?.by ?? (isBug ? "type" : ""),
  };
}

/** What is no pause is none. */
const pauseOf = (ms: unknown): number =>
  typeof ms === "number" && ms > 0 && ms < Number.POSITIVE_INFINITY
    ? Math.min(Math.floor(ms), RETRY_AFTER_MS_MAX)
    : 0;

function codeOf(error: unknown): string {
  const code = prop(error, "code");
  return typeof code === "string" || typeof code === "number" ? cutText(String(code), CODE_CHARS_MAX) : "";
}

function messageOf(thrown: unknown, isError: boolean, rawClass: string, causes: readonly Cause[]): string {
  const own = isError
    ? text(prop(thrown, "message"), MESSAGE_LIMIT_CHARS)
    : `the handler threw a ${rawClass}, not an Error: ${text(thrown, MESSAGE_LIMIT_CHARS - 64)}`;
  let message = own === "" ? `${rawClass} without a message` : own;
  const mode = prop(thrown, "holdfastMode");
  if (mode !== undefined && modeNamed(text(mode, MODE_CHARS_MAX)) === undefined)
    message += `; its mode is given as ${JSON.stringify(text(mode, MODE_CHARS_MAX))}, which does not exist`;
  for (const { error, as } of causes) {
    if (as === "thrown") continue;
    const said = causeText(error);
    // Whoever wraps an error often repeats what it says.
    if (message.length < MESSAGE_LIMIT_CHARS && !message.includes(said))
      message += as === "cause" ? `; caused by ${said}` : `; one of them: ${said}`;
  }
  return cutText(message, MESSAGE_LIMIT_CHARS);
}

function causeText(error: unknown): string {
  const message = prop(error, "message");
  const said = text(typeof message === "string" ? message : error, CAUSE_CHARS_MAX) || classOf(error);
  const code = codeOf(error);
  return code === "" || said.includes(code) ? said : `${said} (${code})`;
}
