import { FailureMode } from "@holdfast/proto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { classifyFailure, MESSAGE_LIMIT_CHARS, STACK_LIMIT_CHARS } from "./classify.js";
import { isKnownMode, modeName, modeNamed, traitsOf } from "./modes.js";

const named = (name: string, message = "it broke"): Error => Object.assign(new Error(message), { name });
const coded = (code: unknown, more: object = {}): Error =>
  Object.assign(new Error("it broke"), { code }, more);

describe("what is thrown has a mode", () => {
  const rows: readonly [string, unknown, FailureMode][] = [
    ["a plain error", new Error("it broke"), FailureMode.UNAVAILABLE],
    [
      "its own mode",
      Object.assign(new Error("no"), { holdfastMode: "POLICY_SECURITY" }),
      FailureMode.POLICY_SECURITY,
    ],
    [
      "a mode of its own making",
      Object.assign(new Error("no"), { holdfastMode: "NO_SUCH" }),
      FailureMode.HANDLER_BUG,
    ],
    [
      "a mode's number for a name",
      Object.assign(new Error("no"), { holdfastMode: "1" }),
      FailureMode.HANDLER_BUG,
    ],
    [
      "what every object has for a name",
      Object.assign(new Error("no"), { holdfastMode: "toString" }),
      FailureMode.HANDLER_BUG,
    ],
    ["a bug", new TypeError("x is not a function"), FailureMode.HANDLER_BUG],
    ["another bug", new RangeError("too deep"), FailureMode.HANDLER_BUG],
    ["a failed assertion", named("AssertionError"), FailureMode.HANDLER_BUG],
    ["a string", "it broke", FailureMode.HANDLER_BUG],
    ["a number", 42, FailureMode.HANDLER_BUG],
    ["null", null, FailureMode.HANDLER_BUG],
    ["undefined", undefined, FailureMode.HANDLER_BUG],
    ["a symbol", Symbol("it"), FailureMode.HANDLER_BUG],
    ["a function", () => 1, FailureMode.HANDLER_BUG],
    ["an object", { some: "thing" }, FailureMode.HANDLER_BUG],
    ["a time-out", named("TimeoutError"), FailureMode.TIMEOUT],
    ["a cancelled call", named("AbortError"), FailureMode.CANCELLED],
    ["a validation", named("ZodError"), FailureMode.VALIDATION],
    ["a connection refused", coded("ECONNREFUSED"), FailureMode.UNAVAILABLE],
    ["a connection reset", coded("ECONNRESET"), FailureMode.NETWORK],
    ["a connection timed out", coded("ETIMEDOUT"), FailureMode.TIMEOUT],
    ["a full disk", coded("ENOSPC"), FailureMode.RESOURCE_EXHAUSTED],
    ["a missing file", coded("ENOENT"), FailureMode.NOT_FOUND],
    ["a forbidden file", coded("EACCES"), FailureMode.PERMISSION],
    ["a code of no meaning", coded("E_WHAT"), FailureMode.UNAVAILABLE],
    ["a code that every object has", coded("constructor"), FailureMode.UNAVAILABLE],
    ["gRPC: deadline exceeded", coded(4, { details: "late" }), FailureMode.TIMEOUT],
    ["gRPC: unauthenticated", coded(16, { metadata: {} }), FailureMode.PERMISSION],
    ["a number that is not gRPC's", coded(4), FailureMode.UNAVAILABLE],
    ["HTTP 429", Object.assign(new Error("slow"), { status: 429 }), FailureMode.RATE_LIMITED],
    ["HTTP 503", Object.assign(new Error("down"), { statusCode: 503 }), FailureMode.UNAVAILABLE],
    ["HTTP 504", Object.assign(new Error("late"), { response: { status: 504 } }), FailureMode.TIMEOUT],
    ["HTTP 404", Object.assign(new Error("gone"), { status: 404 }), FailureMode.NOT_FOUND],
    ["HTTP 422", Object.assign(new Error("bad"), { status: 422 }), FailureMode.VALIDATION],
    ["HTTP 200", Object.assign(new Error("odd"), { status: 200 }), FailureMode.UNAVAILABLE],
    ["what its cause says", new Error("call failed", { cause: coded("ECONNRESET") }), FailureMode.NETWORK],
    [
      "what says something itself, whatever its cause",
      coded("ENOENT", { cause: coded("ECONNRESET") }),
      FailureMode.NOT_FOUND,
    ],
    [
      "a bug with a cause",
      new TypeError("fetch failed", { cause: coded("ECONNREFUSED") }),
      FailureMode.UNAVAILABLE,
    ],
  ];
  test.each(rows)("%s", (_, thrown, mode) => {
    const failure = classifyFailure(thrown);
    expect(modeName(failure.mode)).toBe(modeName(mode));
    expect(failure.message).not.toBe("");
    expect(failure.rawClass).not.toBe("");
  });
});

describe("it never throws, and keeps what it says within bounds", () => {
  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  const own = new Error("round");
  own.cause = own;
  const hostile: readonly [string, unknown][] = [
    ["cyclic", cyclic],
    ["a cause of itself", own],
    ["without a prototype", Object.create(null)],
    ["a big number", { n: 1n }],
    [
      "throws when read",
      new Proxy(
        {},
        {
          get: () => {
            throw new Error("no");
          },
        },
      ),
    ],
    [
      "throws when written",
      {
        toJSON: () => {
          throw new Error("no");
        },
      },
    ],
    ["huge", new Error("x".repeat(1_000_000))],
    [
      "odd fields",
      Object.assign(new Error("m"), { name: 5, code: {}, stack: 7, retryAfterMs: Number.NaN, status: "404" }),
    ],
    ["an odd pause", Object.assign(new Error("m"), { retryAfterMs: -1 })],
  ];
  test.each(hostile)("%s", (_, thrown) => {
    const failure = classifyFailure(thrown);
    expect(isKnownMode(failure.mode)).toBe(true);
    expect(failure.message.length).toBeLessThanOrEqual(MESSAGE_LIMIT_CHARS);
    expect(failure.stack.length).toBeLessThanOrEqual(STACK_LIMIT_CHARS);
    expect(failure.retryAfterMs).toBe(0);
  });
  test("anything at all", () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withNullPrototype: true, withSparseArray: true }),
        (thrown) => {
          const failure = classifyFailure(thrown);
          expect(isKnownMode(failure.mode)).toBe(true);
          expect(failure.message.length).toBeLessThanOrEqual(MESSAGE_LIMIT_CHARS);
        },
      ),
      { numRuns: 500 },
    );
  });
});

test("the raw text, class and code are kept beside the mode", () => {
  const failure = classifyFailure(
    Object.assign(new RangeError("row 7"), { code: "E_ROW", retryAfterMs: 1500.7 }),
  );
  expect(failure).toMatchObject({
    message: "row 7",
    rawClass: "RangeError",
    code: "E_ROW",
    retryAfterMs: 1500,
  });
  expect(failure.stack).toContain("row 7");
});

describe("the failure table", () => {
  const retryable = [
    "TIMEOUT",
    "NETWORK",
    "RATE_LIMITED",
    "UNAVAILABLE",
    "WORKER_LOST",
    "RESOURCE_EXHAUSTED",
    "PARTIAL_STEP_FAILURES",
    "PARTIAL_TOOL_FAILURES",
  ];
  const final = ["VALIDATION", "NOT_FOUND", "PERMISSION", "CONFLICT", "STUCK", "HANDLER_BUG", "CANCELLED"];
  const terminal = ["POLICY_SECURITY", "POLICY_BUDGET", "SYSTEM_CRASH"];
  test.each([...retryable, ...final, ...terminal])("%s", (name) => {
    const mode = modeNamed(name) as FailureMode;
    expect(traitsOf(mode)).toEqual({
      name,
      retryable: retryable.includes(name),
      terminal: terminal.includes(name),
    });
    expect(modeName(mode)).toBe(name);
  });
  test("has a row for every mode, and no others", () => {
    const modes = Object.values(FailureMode).filter((value) => typeof value === "number");
    expect(modes).toHaveLength(1 + retryable.length + final.length + terminal.length);
    expect(traitsOf(99 as FailureMode)).toEqual({ name: "UNSPECIFIED", retryable: false, terminal: false });
    for (const name of ["", "UNSPECIFIED", "1", "toString", "__proto__", "timeout"])
      expect(modeNamed(name)).toBeUndefined();
  });
});
